import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogIndex, logIndex, offset, replicaId, replicaSetId, term } from "../../src/base/ids.js";
import type { CutPolicy } from "../../src/replica/snapshot-plan.js";
import { Snapshots } from "../../src/replica/snapshots.js";
import { MemoryLog } from "../../src/storage/memory-log.js";
import type { Snapshot } from "../../src/storage/replica-store.js";
import { FakeClock, settle } from "../support/fake-clock.js";
import { frames } from "../support/frames.js";
import { MemoryStore } from "../support/memory-store.js";

const SET = replicaSetId(1);
const configuration = { voters: [], learners: [], w: 1, r: 1 };
const snapshotAt = (index: number): Snapshot => ({
  index: logIndex(index),
  term: term(1),
  configuration,
  nextOffset: offset(index),
  state: Buffer.from([index]),
});

/** A store whose writes of snapshots wait until they are let through, or fail. */
class GatedStore extends MemoryStore {
  readonly #waiting: ((error?: Error) => void)[] = [];

  override async saveSnapshot(id: typeof SET, snapshot: Snapshot, keep: readonly LogIndex[]): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#waiting.push((error) => (error === undefined ? resolve() : reject(error))));
    await super.saveSnapshot(id, snapshot, keep);
  }

  async letThrough(error?: Error): Promise<void> {
    await settle();
    this.#waiting.shift()?.(error);
    await settle();
  }

  async indexes(): Promise<number[]> {
    return (await this.snapshots(SET)).map(({ index }) => index);
  }
}

/** A log of 30 entries in segments of 5, all of it applied. */
async function fixture(cutPolicy: CutPolicy = "records"): Promise<{ store: GatedStore; log: MemoryLog; snapshots: Snapshots; failures: Error[] }> {
  const settings = { segmentBytes: 64 + 5 * 180, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1 } as const;
  const log = new MemoryLog({ clock: new FakeClock(), settings, callbacks: { onSynced: () => undefined, onFailed: () => undefined } });
  log.append(frames(1, 30, { bodyBytes: 80 }));
  await settle();
  assert.deepEqual(
    log.segments().map((segment) => segment.last.index),
    [5, 10, 15, 20, 25],
  );
  const store = new GatedStore();
  await store.createReplica({ replicaSetId: SET, replicaId: replicaId(1) }, snapshotAt(0));
  const failures: Error[] = [];
  const kept = [logIndex(0)];
  const snapshots = new Snapshots({ replicaSetId: SET, log, store, cutPolicy, kept, compacted: () => undefined, failed: (error) => failures.push(error) });
  return { store, log, snapshots, failures };
}

test("of many snapshots that wait for a slow disk only the newest is written, where it holds everything", async () => {
  const { store, snapshots } = await fixture("state");
  for (const index of [10, 12, 14, 20]) snapshots.save(snapshotAt(index));
  await store.letThrough();
  await snapshots.settled();
  assert.deepEqual(await store.indexes(), [20, 0]);
});

for (const policy of ["records", "state"] as const) {
  test(`a snapshot whose write failed is never the reason to drop a log's beginning (${policy})`, async () => {
    const { store, log, snapshots, failures } = await fixture(policy);
    snapshots.save(snapshotAt(10));
    snapshots.cutBefore(offset(10), logIndex(30));
    await store.letThrough(new Error("EIO"));
    assert.equal(log.logStart.index, 0);
    assert.equal(failures[0]?.message, "EIO");
  });
}

test("a cut does not rest on a snapshot that was taken later and is not on disk", async () => {
  const { store, log, snapshots } = await fixture("records");
  snapshots.save(snapshotAt(10));
  snapshots.cutBefore(offset(20), logIndex(30));
  snapshots.save(snapshotAt(20));
  await store.letThrough();
  assert.equal(log.logStart.index, 10);
  await store.letThrough();
  assert.deepEqual(await store.indexes(), [20, 10]);
});

test("a cut that the disk has not reached is done when it has", async () => {
  const { store, log, snapshots } = await fixture();
  snapshots.save(snapshotAt(25));
  await store.letThrough();
  log.truncate(logIndex(26));
  log.append(frames(26, 30, { term: 2, bodyBytes: 80 }));
  snapshots.cutBefore(offset(25), logIndex(30));
  await snapshots.settled();
  assert.equal(log.logStart.index, 0);
  await settle();
  snapshots.synced(log.syncedIndex);
  await settle();
  assert.equal(log.logStart.index, 25);
});

test("a snapshot that was waiting to be saved does not replace one that is installed meanwhile", async () => {
  const { store, log, snapshots } = await fixture();
  const installed = snapshots.install(snapshotAt(50), snapshotAt(50));
  snapshots.save(snapshotAt(20));
  await store.letThrough();
  await installed;
  await store.letThrough();
  await snapshots.settled();
  assert.deepEqual(await store.indexes(), [50]);
  assert.equal(log.logStart.index, 50);
});

test("whoever waits for things to settle waits for an installation", async () => {
  const { store, log, snapshots } = await fixture();
  const installed = snapshots.install(snapshotAt(50), snapshotAt(50));
  const settled = snapshots.settled().then(() => log.logStart.index);
  await store.letThrough();
  assert.equal(await settled, 50);
  await installed;
});
