import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Level } from "level";
import { logIndex, nodeId, offset, replicaId, replicaSetId, term } from "../../src/base/ids.js";
import type { Configuration } from "../../src/consensus/types.js";
import { openLevelStore } from "../../src/storage/level-store.js";
import type { Snapshot } from "../../src/storage/replica-store.js";

const folder = await mkdtemp(join(tmpdir(), "quire-store-"));
after(() => rm(folder, { recursive: true }));
let count = 0;
const fresh = (): string => join(folder, String(count++));

const configuration: Configuration = { voters: [{ replicaId: replicaId(7), nodeId: nodeId(1) }], w: 1, r: 1, learners: [] };
const snapshot = (index: number, state = `state ${index}`): Snapshot => ({
  index: logIndex(index),
  term: term(2),
  configuration,
  nextOffset: offset(index * 10),
  state: Buffer.from(state),
});
const [one, two, eleven] = [replicaSetId(1), replicaSetId(2), replicaSetId(11)];

test("replicas, hard states, snapshots and values come back after a restart", async () => {
  const path = fresh();
  const store = await openLevelStore(path);
  await store.createReplica({ replicaSetId: one, replicaId: replicaId(7) }, snapshot(0));
  await store.createReplica({ replicaSetId: eleven, replicaId: replicaId(9) }, snapshot(0));
  await store.saveHardState(one, { term: term(4), votedFor: replicaId(7) });
  await store.saveSnapshot(one, snapshot(100), [logIndex(0)]);
  await store.put("cluster", Buffer.from([0, 255]));
  await store.close();
  const again = await openLevelStore(path);
  assert.deepEqual(await again.replicas(), [
    { replicaSetId: 1, replicaId: 7 },
    { replicaSetId: 11, replicaId: 9 },
  ]);
  assert.deepEqual(
    [await again.hardState(one), await again.hardState(eleven)],
    [
      { term: 4, votedFor: 7 },
      { term: 0, votedFor: null },
    ],
  );
  assert.deepEqual(await again.snapshots(one), [snapshot(100), snapshot(0)]);
  assert.deepEqual(await again.snapshots(eleven), [snapshot(0)]);
  assert.deepEqual([await again.get("cluster"), await again.get("other")], [Buffer.from([0, 255]), undefined]);
  await again.close();
});

test("a new snapshot removes what is not to be kept, newest first stays the order, an index again replaces", async () => {
  const store = await openLevelStore(fresh());
  await store.createReplica({ replicaSetId: one, replicaId: replicaId(7) }, snapshot(0));
  for (const index of [9, 10, 200]) await store.saveSnapshot(one, snapshot(index), [logIndex(0), logIndex(9), logIndex(10)]);
  assert.deepEqual(
    (await store.snapshots(one)).map((kept) => kept.index),
    [200, 10, 9, 0],
  );
  await store.saveSnapshot(one, snapshot(200, "newer"), [logIndex(10)]);
  assert.deepEqual(await store.snapshots(one), [snapshot(200, "newer"), snapshot(10)]);
  await store.close();
});

test("a removed replica leaves nothing, and its neighbours everything", async () => {
  const store = await openLevelStore(fresh());
  for (const id of [one, two, eleven]) {
    await store.createReplica({ replicaSetId: id, replicaId: replicaId(7) }, snapshot(5));
    await store.saveHardState(id, { term: term(3), votedFor: null });
  }
  await store.removeReplica(one);
  assert.deepEqual([await store.snapshots(one), (await store.hardState(one)).term], [[], 0]);
  assert.deepEqual([(await store.snapshots(eleven)).length, (await store.hardState(two)).term, (await store.replicas()).length], [1, 3, 2]);
  await store.close();
});

test("what is saved while a sync is under way shares the next one, in order", async () => {
  const store = await openLevelStore(fresh());
  const before = store.syncs;
  const saves = Array.from({ length: 200 }, (_, i) => store.saveHardState(replicaSetId(i % 10), { term: term(i), votedFor: null }));
  await Promise.all(saves);
  assert.ok(store.syncs - before <= 3, `${store.syncs - before} syncs`);
  assert.equal((await store.hardState(replicaSetId(3))).term, 193);
  await store.close();
});

test("every batch is synced before it is answered", async () => {
  const store = await openLevelStore(fresh());
  const batch = Reflect.get(Level.prototype, "batch") as (this: unknown, ...args: unknown[]) => unknown;
  const options: unknown[] = [];
  Reflect.set(Level.prototype, "batch", function (this: unknown, ...args: unknown[]) {
    options.push(args[1]);
    return batch.apply(this, args);
  });
  await store.saveHardState(one, { term: term(1), votedFor: null });
  await store.saveSnapshot(one, snapshot(1), []);
  Reflect.set(Level.prototype, "batch", batch);
  assert.deepEqual(options, [{ sync: true }, { sync: true }]);
  await store.close();
});

test("closing waits for what was saved", async () => {
  const path = fresh();
  const store = await openLevelStore(path);
  const saves = Promise.all([store.put("a", Buffer.from("1")), store.saveHardState(one, { term: term(9), votedFor: null })]);
  await store.close();
  await saves;
  const again = await openLevelStore(path);
  assert.equal((await again.hardState(one)).term, 9);
  await again.close();
});

test("a damaged value is refused, never believed", async () => {
  const path = fresh();
  const store = await openLevelStore(path);
  await store.saveHardState(one, { term: term(4), votedFor: replicaId(7) });
  await store.close();
  const level = new Level<string, Buffer>(path, { valueEncoding: "buffer" });
  for (const [key, value] of await level.iterator().all()) {
    value[value.length - 3] = (value[value.length - 3] ?? 0) ^ 1;
    await level.put(key, value);
  }
  await level.close();
  const again = await openLevelStore(path);
  await assert.rejects(again.hardState(one), { reason: "LOG_CORRUPT" });
  await again.close();
});

test("after a failed write nothing is written again", async () => {
  const store = await openLevelStore(fresh());
  await store.put("a", Buffer.from("1"));
  const level = Reflect.get(Level.prototype, "batch") as unknown;
  Reflect.set(Level.prototype, "batch", () => Promise.reject(new Error("EIO")));
  await assert.rejects(store.put("b", Buffer.from("2")), { message: "EIO" });
  Reflect.set(Level.prototype, "batch", level);
  await assert.rejects(store.put("c", Buffer.from("3")), { reason: "REPLICA_FAILED" });
  assert.equal(await store.get("c"), undefined);
  await store.close();
});
