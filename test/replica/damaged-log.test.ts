import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { indexPlus, nodeId, replicaId } from "../../src/base/ids.js";
import type { LocalReplica } from "../../src/replica/replica.js";
import { SEGMENT_HEADER_BYTES } from "../../src/storage/segment.js";
import { SeededRandom } from "../consensus/seeded-random.js";
import { type Broker, FaultyCluster, folderOf, SET, turn } from "./faulty-cluster.js";
import { batchOf } from "./replica-cluster.js";

const RECORDS = 12;
const LOG = { segmentBytes: 1_000, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1 } as const;

function clusterOf(seed: number, isMachineShared: boolean): FaultyCluster {
  const voters = [1, 2, 3].map((id) => ({ replicaId: replicaId(id), nodeId: nodeId(id) }));
  return new FaultyCluster({
    random: new SeededRandom(seed),
    nodes: 3,
    initial: { voters, learners: [], w: 2, r: 2 },
    cutPolicy: "records",
    cacheBytes: 0,
    logSettings: LOG,
    isMachineShared,
  });
}

async function until(cluster: FaultyCluster, what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; round < 2_000; round++) {
    if (condition()) return;
    for (const broker of cluster.running()) cluster.tick(broker);
    for (let count = cluster.flying.length; count > 0; count--) cluster.deliver(0);
    for (let turns = 0; turns < 3; turns++) await turn();
    cluster.look();
  }
  throw new Error(`waited in vain until ${what}`);
}

const holdsAll = (replica: LocalReplica | undefined): boolean => replica?.failure === undefined && replica?.highWatermark === RECORDS;

/** Three brokers that hold the same records, the last of them no leader: its log is to be damaged. */
async function filledCluster(seed: number, { isMachineShared = false } = {}): Promise<{ cluster: FaultyCluster; victim: Broker }> {
  const cluster = clusterOf(seed, isMachineShared);
  await Promise.all(cluster.brokers.map((broker) => cluster.start(broker)));
  await until(cluster, "somebody serves", () => cluster.leaders().some((leader) => leader.serving));
  const [leader] = cluster.leaders();
  assert.ok(leader !== undefined);
  for (let at = 0; at < RECORDS; at++) {
    const proposal = batchOf(`${at}`.padEnd(300));
    leader.propose(proposal, cluster.witness.answer(leader, `${at}`, proposal.body));
  }
  await until(cluster, "all hold all", () => cluster.replicas().every(holdsAll));
  const victim = cluster.brokers.findLast((broker) => broker.process?.host.get(SET)?.role === "follower");
  assert.ok(victim !== undefined);
  return { cluster, victim };
}

/** Of the first entry. */
const IN_HEADER = SEGMENT_HEADER_BYTES + 20;

function flip({ files }: Broker, path: string, at: number = 400): void {
  files.damage(path, (bytes) => {
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes;
  });
}

async function readAll({ log }: LocalReplica): Promise<void> {
  for (let next = indexPlus(log.logStart.index, 1); next <= log.lastIndex; ) next = indexPlus(next, (await log.read(next, log.lastIndex, 10_000)).length);
}

const segmentOf = (broker: Broker): string => broker.files.paths().find((path) => path.startsWith(folderOf(broker)) && path.endsWith(".log")) ?? "";
const asideOf = (broker: Broker): string[] => broker.files.paths().filter((path) => path.includes(".damaged/"));

test("a log that turns out to be damaged is filled again, wherever the process or the power ends meanwhile", async () => {
  for (let calls = 1; calls <= 40; calls++) {
    const { cluster, victim } = await filledCluster(calls);
    const replica = victim.process?.host.get(SET);
    assert.ok(replica !== undefined);
    flip(victim, segmentOf(victim));
    victim.files.diesAfter = victim.files.calls + 6 + calls;
    void readAll(replica).catch(() => undefined);
    for (let turns = 0; turns < 150; turns++) await turn();
    await cluster.crash(victim, { power: calls % 2 === 0 });
    await cluster.start(victim);
    const whole = (): boolean => holdsAll(victim.process?.host.get(SET)) && victim.process?.host.get(SET)?.log.doubt === undefined;
    await until(cluster, `the log is whole again after a crash at call ${calls}`, whole);
    const found = victim.process?.host.get(SET);
    assert.ok(found !== undefined);
    // Where the process ended before the damage was found, it is found now.
    await readAll(found).catch(() => undefined);
    await until(cluster, "what was found later is whole too", () => found.failure === undefined || (victim.process?.host.get(SET) !== found && whole()));
    for (const broker of cluster.brokers) await cluster.stop(broker);
  }
});

test("damage that is met while a log is opened does not keep the replica from beginning again; what was set aside goes with the replica", async () => {
  const { cluster, victim } = await filledCluster(1);
  await cluster.stop(victim);
  // Without its later snapshots a start reads the log from the beginning.
  const [initial] = (await victim.disk.snapshots(SET)).filter((snapshot) => snapshot.index === 0);
  assert.ok(initial !== undefined);
  await victim.disk.saveSnapshot(SET, initial, []);
  flip(victim, segmentOf(victim), IN_HEADER);
  await cluster.start(victim);
  assert.ok(asideOf(victim).length > 0);
  await until(cluster, "it is filled again", () => holdsAll(victim.process?.host.get(SET)) && victim.process?.host.get(SET)?.log.doubt === undefined);
  await victim.process?.host.remove(SET);
  assert.deepEqual(asideOf(victim), []);
  for (const broker of cluster.brokers) await cluster.stop(broker);
});

test("a log is not given up for what is wrong elsewhere: its replica stops, and stays", async () => {
  const { cluster, victim } = await filledCluster(1);
  const replica = victim.process?.host.get(SET);
  replica?.fail(new QuireError("LOG_CORRUPT", "a value in the database is damaged"));
  for (let turns = 0; turns < 200; turns++) await turn();
  assert.deepEqual(asideOf(victim), []);
  assert.equal(victim.process?.host.get(SET), replica);
  for (const broker of cluster.brokers) await cluster.stop(broker);
});

test("a state machine that outlives its replica does not apply anything twice", async () => {
  const { cluster, victim } = await filledCluster(1, { isMachineShared: true });
  const replica = victim.process?.host.get(SET);
  assert.ok(replica !== undefined);
  // As where the log's beginning is long gone: no snapshot is left that an empty log reaches.
  const { appliedIndex: index, configuration, highWatermark: nextOffset } = replica;
  await victim.disk.saveSnapshot(SET, { index, term: replica.term, configuration, nextOffset, state: replica.machine.snapshot() }, []);
  flip(victim, segmentOf(victim));
  await readAll(replica).catch(() => undefined);
  await until(cluster, "it is filled again", () => victim.process?.host.get(SET) !== replica && holdsAll(victim.process?.host.get(SET)));
  const { machine } = victim.process?.host.get(SET) ?? assert.fail("it runs");
  assert.deepEqual(machine.snapshot(), cluster.leaders()[0]?.machine.snapshot());
  for (const broker of cluster.brokers) await cluster.stop(broker);
});
