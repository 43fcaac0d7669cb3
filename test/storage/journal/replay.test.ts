import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame } from "../../../src/base/frame.js";
import { logIndex, offset, term } from "../../../src/base/ids.js";
import type { Doubt } from "../../../src/consensus/types.js";
import { type JournalTail, type Replay, replayOf } from "../../../src/storage/journal/replay.js";
import { LogState } from "../../../src/storage/log-state.js";
import { frames } from "../../support/frames.js";
import { contractSettings } from "../log-contract.js";

/** A log with these entries in its segments, after entry `start`. */
function logWith(held: readonly Frame[], start = 0): LogState {
  const logStart = { index: logIndex(start), term: term(start === 0 ? 0 : 1) };
  const log = new LogState({ logStart, startOffset: offset(start), segments: [], termRuns: [] });
  for (const { body, ...entry } of held) log.append({ ...entry, bodyBytes: body.length }, contractSettings, 0);
  return log;
}

type Part = readonly [group: number, frames: readonly Frame[]];

const tailOf = (parts: readonly Part[], lost: JournalTail["lost"] = []): JournalTail => ({
  parts: parts.map(([group, held]) => ({ group, frames: held })),
  lost,
});

const torn = (group: number, through?: number): JournalTail["lost"] => [
  { kind: "torn", group, through: through === undefined ? undefined : logIndex(through) },
];

const damagedFrom = (from: number): Doubt => ({ kind: "damaged", from: logIndex(from) });

function replayed(log: LogState, parts: readonly Part[], { lost, voidThrough = 0 }: { lost?: JournalTail["lost"]; voidThrough?: number } = {}): Replay {
  return replayOf(log, tailOf(parts, lost), voidThrough);
}

test("entries that the segments have are passed over, and those that follow them are taken in order", () => {
  const log = logWith(frames(1, 4));
  const parts: Part[] = [
    [1, frames(2, 3)],
    [2, frames(4, 5)],
    [4, [...frames(6, 6), ...frames(7, 8, { term: 3 })]],
  ];
  assert.deepEqual(replayed(log, parts), { frames: [...frames(5, 6), ...frames(7, 8, { term: 3 })], doubt: undefined });
  assert.deepEqual(replayed(log, []), { frames: [], doubt: undefined });
  assert.deepEqual(replayed(logWith([]), [[1, frames(1, 2)]]), { frames: frames(1, 2), doubt: undefined });
});

test("entries that the log dropped since are passed over", () => {
  const log = logWith(frames(6, 7), 5);
  assert.deepEqual(replayed(log, [[1, frames(3, 6)]]), { frames: [], doubt: undefined });
  assert.deepEqual(replayed(log, [[1, frames(4, 9)]]).frames, frames(8, 9));
});

test("a gap is damage from the first entry that is missing, and nothing behind it is taken", () => {
  const log = logWith(frames(1, 3));
  assert.deepEqual(replayed(log, [[1, frames(5, 6)]]), { frames: [], doubt: damagedFrom(4) });
  // What is missing may have held no records.
  assert.deepEqual(replayed(log, [[1, frames(5, 6, { baseOffset: 3 })]]), { frames: [], doubt: damagedFrom(4) });
  const parts: Part[] = [
    [1, frames(4, 5)],
    [2, frames(7, 7)],
    [3, frames(6, 6)],
  ];
  assert.deepEqual(replayed(log, parts), { frames: frames(4, 5), doubt: damagedFrom(6) });
});

test("an entry of a lower term than the one before it is damage", () => {
  const log = logWith(frames(1, 3, { term: 5 }));
  assert.deepEqual(replayed(log, [[1, frames(4, 4, { term: 4 })]]), { frames: [], doubt: damagedFrom(4) });
  assert.deepEqual(replayed(log, [[1, [...frames(4, 4, { term: 6 }), ...frames(5, 5, { term: 5 })]]]), {
    frames: frames(4, 4, { term: 6 }),
    doubt: damagedFrom(5),
  });
});

test("an entry that begins at another offset than the one before it ended at is damage", () => {
  const log = logWith(frames(1, 3));
  for (const baseOffset of [2, 4]) assert.deepEqual(replayed(log, [[1, frames(4, 4, { baseOffset })]]), { frames: [], doubt: damagedFrom(4) });
  const parts: Part[] = [[1, [...frames(4, 4), ...frames(5, 5, { baseOffset: 5 })]]];
  assert.deepEqual(replayed(log, parts), { frames: frames(4, 4), doubt: damagedFrom(5) });
});

test("another term at an index that the segments have is damage: since the last cut there was one history", () => {
  const log = logWith([...frames(1, 2), ...frames(3, 4, { term: 2 })]);
  assert.deepEqual(replayed(log, [[1, frames(3, 5)]]), { frames: [], doubt: damagedFrom(3) });
  assert.deepEqual(replayed(log, [[1, frames(2, 2, { term: 2 })]]), { frames: [], doubt: damagedFrom(2) });
  assert.deepEqual(replayed(log, [[1, frames(3, 5, { term: 2 })]]), { frames: frames(5, 5, { term: 2 }), doubt: undefined });
});

test("what is in void groups is not wanted, nor missed, nor held against the log", () => {
  const log = logWith(frames(1, 3));
  const parts: Part[] = [
    [7, frames(1, 9, { term: 9 })],
    [8, frames(4, 5, { term: 9 })],
    [9, frames(4, 4, { term: 2 })],
  ];
  assert.deepEqual(replayed(log, parts, { voidThrough: 8 }), { frames: frames(4, 4, { term: 2 }), doubt: undefined });
  assert.deepEqual(replayed(log, parts, { voidThrough: 9 }), { frames: [], doubt: undefined });
  assert.deepEqual(replayed(log, parts, { voidThrough: 7 }).frames, frames(4, 5, { term: 9 }));
});

test("a lost group whose table says through where it went leaves a doubt if the log ends before that", () => {
  const log = logWith(frames(1, 3));
  assert.deepEqual(replayed(log, [[1, frames(4, 5)]], { lost: torn(2, 6) }), { frames: frames(4, 5), doubt: { kind: "torn", from: 6 } });
  assert.deepEqual(replayed(log, [[1, frames(4, 6)]], { lost: torn(2, 6) }), { frames: frames(4, 6), doubt: undefined });
  assert.deepEqual(replayed(log, [], { lost: torn(2, 3) }), { frames: [], doubt: undefined }, "the segments have it");
});

test("a lost group without a table leaves a doubt from the log's end on", () => {
  const log = logWith(frames(1, 3));
  assert.deepEqual(replayed(log, [[1, frames(4, 5)]], { lost: torn(2) }).doubt, { kind: "torn", from: 6 });
  assert.deepEqual(replayed(log, [], { lost: [{ kind: "damaged", group: Number.POSITIVE_INFINITY, through: undefined }] }).doubt, damagedFrom(4));
});

test("a lost group that is void leaves no doubt, unless nobody knows its number", () => {
  const log = logWith(frames(1, 3));
  assert.equal(replayed(log, [], { lost: torn(2), voidThrough: 2 }).doubt, undefined);
  assert.deepEqual(replayed(log, [], { lost: torn(3), voidThrough: 2 }).doubt, { kind: "torn", from: 4 });
  const lost = [{ kind: "damaged", group: Number.POSITIVE_INFINITY, through: undefined }] as const;
  assert.deepEqual(replayed(log, [], { lost, voidThrough: 1_000 }).doubt, damagedFrom(4));
});

test("damage that was found in the entries weighs more than a lost group", () => {
  const log = logWith(frames(1, 3));
  assert.deepEqual(replayed(log, [[1, frames(6, 6)]], { lost: torn(2, 8) }).doubt, damagedFrom(4));
});
