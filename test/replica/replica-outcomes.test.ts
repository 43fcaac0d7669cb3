/** Every proposal and read has one true answer, whatever becomes of its replica. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as assertInvariant } from "../../src/base/assert.js";
import { EntryKind } from "../../src/base/entry-kind.js";
import { QuireError } from "../../src/base/errors.js";
import { nodeId, offset } from "../../src/base/ids.js";
import { encodeTrimEntry } from "../../src/base/trim-entry.js";
import type { LocalReplica } from "../../src/replica/replica.js";
import type { Committed } from "../../src/replica/types.js";
import { settle } from "../support/fake-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { batchOf, proposeTo, ReplicaCluster } from "./replica-cluster.js";

async function clusterOfThree(): Promise<{ cluster: ReplicaCluster; leader: LocalReplica }> {
  const cluster = new ReplicaCluster(3, { w: 2, r: 2 });
  for (let id = 1; id <= 3; id++) await cluster.start(id);
  return { cluster, leader: await cluster.leader() };
}

const reasonOf = (outcome: Committed | Error): string => (outcome instanceof QuireError ? outcome.reason : "committed");

test("a proposal whose place a snapshot covers is not called unwritten: nobody here can know", async () => {
  const { cluster, leader: old } = await clusterOfThree();
  cluster.cut(old.replicaId);
  const outcomes: string[] = [];
  old.propose(batchOf("perhaps"), (outcome) => outcomes.push(reasonOf(outcome)));
  const leader = await cluster.leader();
  for (let count = 0; count < 40; count++) await proposeTo(leader, batchOf("x".repeat(500)));
  await proposeTo(leader, { kind: EntryKind.trim, body: encodeTrimEntry(offset(30)) });
  await cluster.until("the log's beginning went", () => leader.log.logStart.index > 10, 500);
  assert.deepEqual(outcomes, []);
  cluster.heal();
  await cluster.until("the old leader caught up", () => old.highWatermark === leader.highWatermark);
  assert.ok(old.log.logStart.index > 10, "by snapshot");
  assert.deepEqual(outcomes, ["WRITE_OUTCOME_UNKNOWN"]);
});

test("what was cut for a leader that died before it committed anything is not called unwritten: others may have it, and commit it", async () => {
  const cluster = new ReplicaCluster(5, { w: 3, r: 3 });
  for (let id = 1; id <= 5; id++) await cluster.start(id);
  const a = await cluster.leader();
  await cluster.until("all have all", () =>
    cluster.replicas().every(({ log, commitIndex }) => log.lastIndex === a.log.lastIndex && commitIndex === a.commitIndex),
  );
  const [b, ...others] = cluster.replicas().filter((replica) => replica !== a);
  assert.ok(b !== undefined);
  const among = (replicas: readonly LocalReplica[], ...ids: readonly number[]): boolean =>
    ids.every((id) => replicas.some(({ replicaId }) => replicaId === id));
  cluster.isLost = (from, to) => !among([a, b], from, to);
  const outcomes: string[] = [];
  a.propose(batchOf("perhaps"), (outcome) => outcomes.push(reasonOf(outcome)));
  await cluster.until("one more has it", () => b.log.syncedIndex === a.log.lastIndex);
  // Another is elected without these two, and what it appends reaches nobody, then only the former leader.
  cluster.isLost = (from, to, { message }) => !among(others, from, to) || message.kind === "append";
  await cluster.until("another leads", () => others.some(({ role }) => role === "leader"));
  const c = others.find(({ role }) => role === "leader");
  assert.ok(c !== undefined);
  cluster.isLost = (from, to) => !among([a, c], from, to);
  const appended = a.log.lastIndex;
  await cluster.until("it was cut", () => a.log.termAt(appended) === c.term);
  assert.deepEqual(outcomes, []);
  cluster.kill(c.replicaId);
  cluster.isLost = () => false;
  cluster.cut(a.replicaId);
  await cluster.until("the one that has it leads", () => b.serving);
  assert.equal(b.highWatermark, 1, "it is written");
  await cluster.until("it is answered", () => outcomes.length > 0);
  assert.deepEqual(outcomes, ["WRITE_OUTCOME_UNKNOWN"]);
});

test("what a leader admitted before it left its replica set is answered, though nobody writes to it any more", async () => {
  const { cluster, leader } = await clusterOfThree();
  const voters = leader.configuration.voters.filter((voter) => voter.replicaId !== leader.replicaId);
  await leader.reconfigure({ voters, learners: [], w: 2, r: 2 });
  const outcomes: string[] = [];
  for (let count = 0; count < 3; count++) leader.propose(batchOf("late"), (outcome) => outcomes.push(reasonOf(outcome)));
  await cluster.until("all are answered", () => outcomes.length === 3);
  await cluster.until("it rests", () => cluster.hosts.get(nodeId(leader.replicaId))?.awake === 0);
});

test("a log that cannot be cut where a later leader's entries begin stops its replica and nothing else", async () => {
  const { cluster, leader: old } = await clusterOfThree();
  cluster.cut(old.replicaId);
  const outcomes: string[] = [];
  old.propose(batchOf("lost"), (outcome) => outcomes.push(reasonOf(outcome)));
  await cluster.leader();
  old.log.truncate = () => {
    throw new QuireError("LOG_CORRUPT", "it cannot be read here");
  };
  cluster.heal();
  await cluster.until("it stopped", () => old.failure !== undefined);
  assert.equal(old.serving, false);
  assert.deepEqual(outcomes, ["WRITE_OUTCOME_UNKNOWN"]);
  const outcome = await proposeTo(old, batchOf("more")).catch((error: unknown) => error);
  assert.ok(outcome instanceof QuireError && outcome.reason === "REPLICA_FAILED");
  const leader = await cluster.leader();
  assert.equal((await proposeTo(leader, batchOf("kept"))).replicasOnDisk, 2);
});

test("a replica that was stopped serves nothing, answers all, and wakes who watched it", async () => {
  const { cluster, leader } = await clusterOfThree();
  const outcomes: string[] = [];
  let woken = 0;
  leader.watch(() => woken++);
  leader.propose(batchOf("a"), (outcome) => outcomes.push(reasonOf(outcome)));
  const read = leader.readIndex();
  const before = woken;
  const stopped = [leader.stop(), leader.stop()];
  await assert.rejects(read, { reason: "SHUTTING_DOWN" });
  await Promise.all(stopped);
  assert.deepEqual(outcomes, ["WRITE_OUTCOME_UNKNOWN"]);
  assert.ok(woken > before && !leader.serving && leader.leader === null && !leader.ticking);
  await cluster.until("others go on", () => cluster.replicas().some((replica) => replica !== leader && replica.serving));
});

test("a broken invariant is our bug, not a failure of one replica", async () => {
  const { leader } = await clusterOfThree();
  leader.log.append = () => assertInvariant(false, "entries follow each other");
  assert.throws(() => leader.propose(batchOf("a"), () => undefined), { name: "InvariantError" });
  assert.equal(leader.failure, undefined);
});

test("a replica has stopped when its term and vote are on disk: whoever begins it anew in the same process finds them", async () => {
  const cluster = new ReplicaCluster(1, { w: 1, r: 1 });
  const { saveHardState } = MemoryStore.prototype;
  const held: (() => void)[] = [];
  MemoryStore.prototype.saveHardState = async function (id, hardState) {
    await new Promise<void>((release) => held.push(release));
    await saveHardState.call(this, id, hardState);
  };
  try {
    const replica = await cluster.start(1);
    await cluster.until("it votes for itself", () => held.length > 0);
    let hasStopped = false;
    const stopping = replica.stop().then(() => {
      hasStopped = true;
    });
    for (let turns = 0; turns < 10; turns++) await settle();
    assert.equal(hasStopped, false);
    for (const release of held) release();
    await stopping;
  } finally {
    MemoryStore.prototype.saveHardState = saveHardState;
  }
});
