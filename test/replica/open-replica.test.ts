import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, offset, replicaId, term } from "../../src/base/ids.js";
import { installingKey } from "../../src/replica/snapshots.js";
import { SeededRandom } from "../consensus/seeded-random.js";
import { type Broker, FaultyCluster, SET, turn } from "./faulty-cluster.js";

/** Starts the broker on its disk; the first index of its log that is missing, and whether an installation is still marked. */
async function open(cluster: FaultyCluster, broker: Broker): Promise<{ logStart: number; marked: boolean }> {
  await cluster.start(broker);
  const { log } = cluster.replicas()[0] ?? assert.fail("it runs");
  return { logStart: log.logStart.index, marked: ((await broker.disk.get(installingKey(SET)))?.length ?? 0) > 0 };
}

test("an installation that was interrupted is finished for good, even if it only looks finished", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const initial = { voters: [], learners: [], w: 1, r: 1 };
    const logSettings = { segmentBytes: 1_000, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1 } as const;
    const cluster = new FaultyCluster({ random: new SeededRandom(seed), nodes: 1, initial, cutPolicy: "records", cacheBytes: 0, logSettings });
    const broker = cluster.brokers[0] ?? assert.fail("there is one");
    await cluster.start(broker);
    // As the process leaves it that ends after the snapshot is saved, and, in some runs, within the emptying of its log.
    const start = { index: logIndex(40), term: term(3), nextOffset: offset(70) };
    await broker.disk.put(installingKey(SET), Buffer.from(JSON.stringify(start)));
    await broker.disk.saveSnapshot(SET, { ...start, configuration: initial, state: Buffer.alloc(0) }, []);
    const { log } = cluster.replicas()[0] ?? assert.fail("it runs");
    void log.reset(start, start.nextOffset).catch(() => undefined);
    for (let turns = seed % 10; turns > 0; turns--) await turn();
    await cluster.crash(broker, { power: false });
    assert.deepEqual(await open(cluster, broker), { logStart: 40, marked: false }, `seed ${seed}`);
    await cluster.crash(broker, { power: true });
    assert.deepEqual(await open(cluster, broker), { logStart: 40, marked: false }, `seed ${seed}, after a power cut`);
    assert.equal(cluster.replicas()[0]?.replicaId, replicaId(1));
    await cluster.stop(broker);
  }
});
