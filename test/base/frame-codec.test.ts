import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { EntryKind } from "../../src/base/entry-kind.js";
import type { Frame } from "../../src/base/frame.js";
import { decodeFrames, FRAME_HEADER_BYTES, frameBytes, frameOf, isBodyIntact, readFrameHeader, writeFrameHeader } from "../../src/base/frame-codec.js";
import { logIndex, offset, term } from "../../src/base/ids.js";

/** As between brokers. */
const encodeFrames = (frames: readonly Frame[]): Buffer =>
  Buffer.concat(
    frames.flatMap((frame) => {
      const header = Buffer.alloc(FRAME_HEADER_BYTES);
      writeFrameHeader(header, 0, frame);
      return [header, frame.body];
    }),
  );

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.nat(2 ** 32 - 1);
const safe = fc.maxSafeInteger();
const natural = fc.maxSafeNat();

const anyFrame: fc.Arbitrary<Frame> = fc
  .record({
    index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    term: natural,
    kind: fc.constantFrom(...Object.values(EntryKind)),
    baseOffset: fc.nat(2 ** 50),
    batch: fc.record({
      recordCount: uint32,
      compression: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
      baseTimestampMs: safe,
      maxTimestampMs: safe,
      producerId: safe,
      producerEpoch: int32,
      baseSequence: int32,
      priority: int32,
      uncompressedBytes: uint32,
    }),
    body: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ index, term: termOf, kind, baseOffset, batch, body }) => ({
    index: logIndex(index),
    term: term(termOf),
    kind,
    baseOffset: offset(baseOffset),
    batch: { ...batch, crc32: crc32(body) },
    body: Buffer.from(body),
  }));

test("what is encoded is decoded, one after the other, with all fields", () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 6 }), (frames) => {
      const bytes = encodeFrames(frames);
      assert.equal(
        bytes.length,
        frames.reduce((sum, frame) => sum + frameBytes(frame), 0),
      );
      assert.deepEqual(decodeFrames(bytes), frames);
    }),
  );
});

test("the group commit's number and the place in it come back", () => {
  fc.assert(
    fc.property(anyFrame, natural, uint32, fc.nat(50), (frame, group, groupPosition, at) => {
      const bytes = Buffer.alloc(at + FRAME_HEADER_BYTES);
      writeFrameHeader(bytes, at, frame, { group, groupPosition });
      const header = readFrameHeader(bytes, at);
      assert.ok(typeof header !== "string");
      assert.deepEqual([header.group, header.groupPosition, header.bodyBytes], [group, groupPosition, frame.body.length]);
      assert.deepEqual(frameOf(header, frame.body), frame);
    }),
  );
});

test("any flipped bit is noticed, in the header by the header alone", () => {
  fc.assert(
    fc.property(anyFrame, fc.nat(), fc.nat(7), (frame, at, bit) => {
      const bytes = encodeFrames([frame]);
      const place = at % bytes.length;
      bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
      const header = readFrameHeader(bytes, 0);
      assert.equal(typeof header === "string", place < FRAME_HEADER_BYTES);
      if (typeof header !== "string") assert.equal(isBodyIntact(header, bytes.subarray(FRAME_HEADER_BYTES)), false);
      assert.throws(() => decodeFrames(bytes), { reason: "CORRUPT_BATCH" });
    }),
    { numRuns: 500 },
  );
});

test("any cut and any garbage is refused with one kind of error", () => {
  fc.assert(
    fc.property(anyFrame, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 300 }), (frame, cut, garbage) => {
      const bytes = encodeFrames([frame]);
      assert.throws(() => decodeFrames(bytes.subarray(0, 1 + (cut % (bytes.length - 1)))), { reason: "CORRUPT_BATCH" });
      assert.throws(() => decodeFrames(Buffer.concat([bytes, garbage])), { reason: "CORRUPT_BATCH" });
      assert.throws(() => decodeFrames(Buffer.from(garbage)), { reason: "CORRUPT_BATCH" });
    }),
  );
});

test("a header of a newer version is told from damage", () => {
  const bytes = encodeFrames([{ ...fc.sample(anyFrame, 1)[0] } as Frame]);
  bytes[4] = 2;
  bytes.writeUInt32LE(crc32(bytes.subarray(0, FRAME_HEADER_BYTES - 4)), FRAME_HEADER_BYTES - 4);
  assert.equal(readFrameHeader(bytes, 0), "version");
});
