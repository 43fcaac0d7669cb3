import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, offset, term } from "../../src/base/ids.js";
import { retiredThrough } from "../../src/broker/retention.js";
import type { SegmentInfo } from "../../src/storage/log.js";

/** Segments of 100 bytes and 10 entries, with these largest timestamps. */
const segments = (...timestamps: number[]): SegmentInfo[] =>
  timestamps.map((maxTimestampMs, i) => ({
    last: { index: logIndex(10 * (i + 1)), term: term(1) },
    endOffset: offset(10 * (i + 1)),
    bytes: 100,
    maxTimestampMs,
  }));
const end = (found: SegmentInfo | undefined): number | undefined => found?.last.index;

test("segments whose newest record is too old go, up to the first that is not", () => {
  const age = { retentionMs: 1_000, retentionBytes: 0 };
  const at = (wallMs: number): number | undefined => end(retiredThrough(segments(5_000, 5_500, 9_000, 6_000), age, { wallMs, logBytes: 450 }));
  assert.deepEqual([at(6_000), at(6_001), at(6_501), at(9_999), at(10_001)], [undefined, 10, 20, 20, 40]);
});

test("the oldest segments go while what stays is at least the bytes to keep", () => {
  const at = (retentionBytes: number): number | undefined =>
    end(retiredThrough(segments(1, 2, 3, 4), { retentionMs: 0, retentionBytes }, { wallMs: 1e12, logBytes: 450 }));
  assert.deepEqual([at(1), at(50), at(51), at(150), at(350), at(351), at(10_000)], [40, 40, 30, 30, 10, undefined, undefined]);
});

test("zero keeps forever, and an empty log has nothing to give", () => {
  assert.equal(retiredThrough(segments(1, 2), { retentionMs: 0, retentionBytes: 0 }, { wallMs: 1e15, logBytes: 1e15 }), undefined);
  assert.equal(retiredThrough([], { retentionMs: 1, retentionBytes: 1 }, { wallMs: 1e15, logBytes: 0 }), undefined);
});

test("segments without records go with those before them", () => {
  assert.equal(end(retiredThrough(segments(5_000, 0, 5_000, 9_000), { retentionMs: 1_000, retentionBytes: 0 }, { wallMs: 7_000, logBytes: 400 })), 30);
});
