import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame } from "../../src/base/frame.js";
import { logIndex, offset, term } from "../../src/base/ids.js";
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
  await refusal("UNSUPPORTED", () => stateWithFourRecords().apply(frame({ kind: EntryKind.progress })));
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
