import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogIndex, logIndex, offset, term } from "../../src/base/ids.js";
import { MIB } from "../../src/base/limits.js";
import { type CutPolicy, type PlannedLog, SnapshotPlan, usableSnapshots } from "../../src/replica/snapshot-plan.js";
import type { SegmentInfo } from "../../src/storage/log.js";
import type { Snapshot } from "../../src/storage/replica-store.js";

/** A log of term 1 as numbers: where it starts and ends, how far it is on disk, where whole segments end. */
function logOf({ start = 0, ends = [], last, synced = last }: { start?: number; ends?: readonly number[]; last: number; synced?: number }): PlannedLog {
  const segment = (end: number): SegmentInfo => ({
    last: { index: logIndex(end), term: term(1) },
    endOffset: offset(end),
    bytes: 1,
    maxTimestampMs: 0,
  });
  return {
    logStart: { index: logIndex(start), term: term(1) },
    lastIndex: logIndex(last),
    syncedIndex: logIndex(synced),
    segments: () => ends.map(segment),
    termAt: (index) => (index >= start && index <= last ? term(1) : undefined),
  };
}

const indexes = (...at: number[]): LogIndex[] => at.map(logIndex);
const cut = (log: PlannedLog, kept: number[], policy: CutPolicy, wanted: number): number | undefined =>
  new SnapshotPlan(log, indexes(...kept)).cutAt(policy, logIndex(wanted));

test("a snapshot is due where a whole segment ends, once", () => {
  const plan = new SnapshotPlan(logOf({ ends: [10, 20], last: 25 }), indexes(0));
  assert.equal(plan.due(logIndex(9), 1), false);
  assert.equal(plan.due(logIndex(10), 1), true);
  plan.taken(logIndex(10));
  assert.equal(plan.due(logIndex(10), 0), false);
  assert.equal(plan.due(logIndex(20), 1), true);
});

test("a segment's end is not missed when another segment went at the same time", () => {
  let log = logOf({ ends: [10, 20], last: 25 });
  const plan = new SnapshotPlan({ ...log, segments: () => log.segments() }, indexes(0));
  plan.taken(logIndex(20));
  assert.equal(plan.due(logIndex(25), 1), false);
  log = logOf({ start: 10, ends: [20, 30], last: 35 });
  assert.equal(plan.due(logIndex(30), 1), true);
});

test("a checkpoint is due after many bytes, where the log is on disk", () => {
  const log = logOf({ last: 9, synced: 5 });
  const plan = new SnapshotPlan(log, indexes(0));
  assert.equal(plan.due(logIndex(3), 15 * MIB), false);
  assert.equal(plan.due(logIndex(6), MIB), false);
  assert.equal(plan.due(logIndex(5), 0), true);
});

test("records are cut only where a whole segment ends and a snapshot stands on disk", () => {
  const log = logOf({ ends: [10, 20, 30], last: 40 });
  assert.equal(cut(log, [0, 10, 20], "records", 30), 20);
  assert.equal(cut(log, [0, 10, 25], "records", 30), 10);
  assert.equal(cut(log, [0, 25], "records", 30), undefined);
});

test("nothing is cut that the log could still lose the successor of", () => {
  assert.equal(cut(logOf({ ends: [10, 20], last: 25, synced: 20 }), [0, 10, 20], "records", 20), 10);
  assert.equal(cut(logOf({ ends: [10, 20], last: 25, synced: 18 }), [0, 10, 20], "state", 20), 10);
});

test("a snapshot that is not on disk yet allows no cut", () => {
  const plan = new SnapshotPlan(logOf({ ends: [10, 20], last: 25 }), indexes(0));
  plan.taken(logIndex(10));
  assert.equal(plan.cutAt("records", logIndex(20)), undefined);
  assert.equal(plan.cutAt("state", logIndex(20)), undefined);
  plan.saved(logIndex(10), indexes(0));
  assert.equal(plan.cutAt("records", logIndex(20)), 10);
});

test("start and segment ends are kept, checkpoints in between are not", () => {
  const plan = new SnapshotPlan(logOf({ start: 10, ends: [20, 30], last: 40 }), indexes(0, 10, 17, 20, 25));
  assert.deepEqual(plan.keptBeside(logIndex(30)), [10, 20]);
});

test("while the log is not on disk as far as the newest, one that it reaches without its end is kept", () => {
  const plan = new SnapshotPlan(logOf({ start: 10, ends: [20, 30], last: 35, synced: 28 }), indexes(17, 25));
  assert.deepEqual(plan.keptBeside(logIndex(30)), [25]);
});

test("of very many segment ends every second one goes, never the start", () => {
  const ends = Array.from({ length: 70 }, (_, i) => 10 * (i + 1));
  const plan = new SnapshotPlan(logOf({ start: 10, ends: ends.slice(1), last: 900 }), indexes(...ends));
  const kept = plan.keptBeside(logIndex(800)) ?? [];
  assert.equal(kept[0], 10);
  assert.ok(kept.length > 30 && kept.length < 40);
});

test("a snapshot that an installed one has overtaken is not written", () => {
  const plan = new SnapshotPlan(logOf({ last: 25 }), indexes(0));
  plan.taken(logIndex(20));
  plan.replaced(logIndex(50));
  assert.equal(plan.keptBeside(logIndex(20)), undefined);
});

test("a restart trusts only snapshots that its log agrees with", () => {
  const at = (index: number, inTerm: number): Snapshot => ({
    index: logIndex(index),
    term: term(inTerm),
    configuration: { voters: [], learners: [], w: 1, r: 1 },
    nextOffset: offset(0),
    state: Buffer.alloc(0),
  });
  const usable = usableSnapshots([at(40, 1), at(30, 2), at(20, 1), at(5, 1)], logOf({ start: 10, last: 35 }));
  assert.deepEqual(
    usable.map(({ index }) => index),
    [20],
  );
});
