import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame } from "../../src/base/frame.js";
import { logIndex, offset, term } from "../../src/base/ids.js";
import { limits } from "../../src/base/limits.js";
import { encodeProducersEntry } from "../../src/base/producers-entry.js";
import { encodeProgressEntry } from "../../src/base/progress-entry.js";
import { encodeTrimEntry } from "../../src/base/trim-entry.js";
import { PartitionState } from "../../src/broker/partition-state.js";
import { EntryKind } from "../../src/replica/types.js";
import { batchOf, headerOf } from "../support/batches.js";
import { refusal } from "../support/refusals.js";

const frame = (change: Partial<Frame>): Frame => ({
  index: logIndex(1),
  term: term(1),
  kind: EntryKind.records,
  baseOffset: offset(0),
  batch: headerOf(batchOf(["a", "b"])),
  body: batchOf(["a", "b"]).body,
  ...change,
});

function stateWithFourRecords(): PartitionState {
  const state = new PartitionState();
  state.apply(frame({ kind: EntryKind.noOp }));
  state.apply(frame({}));
  state.apply(frame({ baseOffset: offset(2) }));
  return state;
}

test("records raise the next offset, trims the log start, other entries nothing", () => {
  const state = stateWithFourRecords();
  assert.equal(state.nextOffset, 4);
  state.apply(frame({ kind: EntryKind.trim, body: encodeTrimEntry(offset(3)) }));
  assert.equal(state.logStartOffset(), 3);
  state.apply(frame({ kind: EntryKind.trim, body: encodeTrimEntry(offset(1)) }));
  assert.equal(state.logStartOffset(), 3, "never back");
  state.apply(frame({ kind: EntryKind.trim, body: encodeTrimEntry(offset(99)) }));
  assert.equal(state.logStartOffset(), 4, "never beyond the records");
});

test("a gap in offsets is a broken invariant", () => {
  assert.throws(() => stateWithFourRecords().apply(frame({ baseOffset: offset(5) })), /begins at offset 5/);
});

test("an entry of a kind that this version does not know stops the replica", async () => {
  await refusal("UNSUPPORTED", () => stateWithFourRecords().apply(frame({ kind: EntryKind.transaction })));
});

test("a snapshot restores the state, and an empty one the beginning", () => {
  const state = stateWithFourRecords();
  state.apply(frame({ kind: EntryKind.trim, body: encodeTrimEntry(offset(3)) }));
  const copy = new PartitionState();
  copy.restore(state.snapshot());
  assert.deepEqual([copy.nextOffset, copy.logStartOffset()], [4, 3]);
  copy.restore(Buffer.alloc(0));
  assert.deepEqual([copy.nextOffset, copy.logStartOffset()], [0, 0]);
});

test("a snapshot of a newer version is refused", async () => {
  const snapshot = stateWithFourRecords().snapshot();
  const newer = Buffer.from(snapshot);
  newer[0] = 2;
  await refusal("UNSUPPORTED", () => new PartitionState().restore(newer));
  const unknownSection = Buffer.concat([snapshot, Buffer.from([9, 1, 0, 0, 0, 0])]);
  await refusal("UNSUPPORTED", () => new PartitionState().restore(unknownSection));
});

const numbered = (baseSequence: number, change: Partial<Frame["batch"]> = {}): Frame["batch"] => ({
  ...headerOf(batchOf(["a", "b"])),
  producerId: 7,
  producerEpoch: 1,
  baseSequence,
  ...change,
});

test("a snapshot carries the producers, trims leave them, and a snapshot from before there were any still loads", () => {
  const before = stateWithFourRecords();
  const old = before.snapshot();
  assert.equal(old.length, 22, "without producers the format is what it was");
  before.apply(frame({ baseOffset: offset(4), batch: numbered(0) }));
  before.apply(frame({ kind: EntryKind.trim, body: encodeTrimEntry(offset(6)) }));
  before.apply(frame({ kind: EntryKind.producers, body: encodeProducersEntry({ nowMs: 5_000, forgotten: [9] }) }));
  before.apply(frame({ baseOffset: offset(6), batch: numbered(2) }));
  const copy = new PartitionState();
  copy.restore(before.snapshot());
  assert.deepEqual([...copy.producers.entries()], [...before.producers.entries()]);
  assert.equal(copy.producers.toldMs, 5_000);
  assert.deepEqual(copy.producers.get(7), {
    epoch: 1,
    idleSinceMs: 0,
    batches: [
      { baseSequence: 0, recordCount: 2, baseOffset: 4 },
      { baseSequence: 2, recordCount: 2, baseOffset: 6 },
    ],
  });
  copy.restore(old);
  assert.deepEqual([copy.nextOffset, copy.producers.size, copy.producers.toldMs], [4, 0, 0]);
});

test("a snapshot carries what groups have processed, and is as it was before there were groups while there are none", () => {
  const state = stateWithFourRecords();
  const old = state.snapshot();
  const lines = [
    { kind: "claim", group: "billing", generation: 7, since: 0 },
    { kind: "commit", group: "shipping", generation: 3, offset: offset(4) },
  ] as const;
  state.apply(frame({ kind: EntryKind.progress, body: encodeProgressEntry({ nowMs: 9, lines }) }));
  const copy = new PartitionState();
  copy.restore(state.snapshot());
  assert.deepEqual([...copy.progress.entries()], [...state.progress.entries()]);
  assert.deepEqual(copy.progress.get("shipping"), { offset: 4, generation: 3, committedMs: 9 });
  copy.restore(old);
  assert.equal(copy.progress.size, 0);
  assert.equal(old.length, 22);
});

test("a full table of producers fits into a message between brokers", () => {
  const state = new PartitionState();
  for (let id = 1; id <= limits.producersPerPartition; id++) {
    for (let n = 0; n <= limits.producerBatchesKept; n++) {
      state.apply(frame({ baseOffset: state.nextOffset, batch: numbered(2 * n, { producerId: id }) }));
    }
  }
  const snapshot = state.snapshot();
  assert.ok(snapshot.length < limits.peerMessageBytes / 4, `${snapshot.length} bytes`);
});
