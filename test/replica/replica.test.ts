import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryKind } from "../../src/base/entry-kind.js";
import { QuireError } from "../../src/base/errors.js";
import { nodeId, offset, replicaId } from "../../src/base/ids.js";
import { encodeTrimEntry } from "../../src/base/trim-entry.js";
import type { Committed } from "../../src/replica/types.js";
import { batchOf, proposeTo, ReplicaCluster, SET, visible } from "./replica-cluster.js";

async function clusterOf(nodes: number, quorum: { w: number; r: number }): Promise<ReplicaCluster> {
  const cluster = new ReplicaCluster(nodes, quorum);
  for (let id = 1; id <= nodes; id++) await cluster.start(id);
  return cluster;
}

test("what a leader acknowledges is on W disks and readable on every replica, in order", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  const outcomes = await Promise.all(["a", "b", "c"].map((text) => proposeTo(leader, batchOf(text, 2))));
  assert.deepEqual(
    outcomes.map((outcome) => outcome.baseOffset),
    [0, 2, 4],
  );
  assert.ok(outcomes.every((outcome) => outcome.replicasOnDisk >= 2));
  await cluster.until("all have applied it", () => cluster.replicas().every((replica) => replica.highWatermark === 6));
  for (const replica of cluster.replicas()) assert.deepEqual(await visible(replica), ["a", "b", "c"]);
});

test("a leader cut off from its followers acknowledges nothing, and its proposals are told apart afterwards", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const old = await cluster.leader();
  cluster.cut(old.replicaId);
  const outcomes: (Committed | Error)[] = [];
  old.propose(batchOf("lost"), (outcome) => outcomes.push(outcome));
  const leader = await cluster.leader();
  assert.notEqual(leader.replicaId, old.replicaId);
  await proposeTo(leader, batchOf("kept"));
  assert.ok(!outcomes.some((outcome) => !(outcome instanceof Error)));
  cluster.heal();
  await cluster.until("the old leader has the new one's records", () => old.highWatermark === 1);
  assert.deepEqual(await visible(old), ["kept"]);
  assert.equal(outcomes.length, 1);
  assert.ok(outcomes[0] instanceof QuireError && ["NOT_LEADER", "WRITE_OUTCOME_UNKNOWN"].includes(outcomes[0].reason));
});

test("a broken connection is enough to elect: no election timeout passes", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  await proposeTo(leader, batchOf("a"));
  const killedMs = cluster.clock.monotonicMs();
  cluster.kill(leader.replicaId);
  await cluster.leader();
  assert.ok(cluster.clock.monotonicMs() - killedMs < 500, `${cluster.clock.monotonicMs() - killedMs} ms`);
});

test("an idle replica set stops ticking on every broker, and a proposal wakes it", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  await proposeTo(leader, batchOf("a"));
  await cluster.until("nobody ticks", () => [...cluster.hosts.values()].every((host) => host.awake === 0));
  assert.equal(cluster.clock.timers, 0);
  await proposeTo(leader, batchOf("b"));
  await cluster.until("all have it", () => cluster.replicas().every((replica) => replica.highWatermark === 2));
});

test("the death of a quiet leader is noticed by its quiet followers", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  await cluster.until("nobody ticks", () => [...cluster.hosts.values()].every((host) => host.awake === 0));
  cluster.kill(leader.replicaId);
  const next = await cluster.leader();
  assert.notEqual(next.replicaId, leader.replicaId);
});

test("a live broker that no longer claims a quiet set is no longer followed", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  await cluster.until("nobody ticks", () => [...cluster.hosts.values()].every((host) => host.awake === 0));
  leader.fail(new Error("the disk broke"));
  const from = nodeId(leader.replicaId);
  for (const [id, host] of cluster.hosts) if (id !== from) host.leadershipsTold(from, [{ replicaSetId: SET, leads: false }], false);
  await cluster.until("another one leads", () => cluster.replicas().some((replica) => replica.serving && replica.replicaId !== leader.replicaId));
  const outcome = await proposeTo(leader, batchOf("a")).catch((error: unknown) => error);
  assert.ok(outcome instanceof QuireError && outcome.reason === "REPLICA_FAILED");
});

test("a follower that was away gets what it missed, from the log and, where that is gone, by snapshot", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  const away = cluster.replicas().find((replica) => replica !== leader)?.replicaId ?? replicaId(0);
  cluster.kill(away);
  const text = "x".repeat(500);
  for (let count = 0; count < 40; count++) await proposeTo(leader, batchOf(text));
  await proposeTo(leader, { kind: EntryKind.trim, body: encodeTrimEntry(offset(30)) });
  await cluster.until("the log's beginning went", () => leader.log.logStart.index > 0);
  assert.equal(leader.logStartOffset, 30);
  assert.ok(leader.log.startOffset <= 30 && leader.log.startOffset > 0);
  const back = await cluster.start(away);
  await cluster.until("it caught up", () => back.highWatermark === 40);
  assert.equal(back.logStartOffset, 30);
  // Nothing that the leader keeps is missing at the follower.
  assert.equal(back.log.startOffset, leader.log.startOffset);
  assert.deepEqual((await visible(back)).length, 40 - leader.log.startOffset);
});

test("linearizable reads see everything acknowledged before, and a follower refuses them", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  const { index } = await proposeTo(leader, batchOf("a"));
  assert.ok((await leader.readIndex()) >= index);
  const follower = cluster.replicas().find((replica) => replica !== leader);
  await assert.rejects(follower?.readIndex() ?? Promise.resolve(), { reason: "NOT_LEADER" });
});

test("leadership moves to the replica it is handed to, without an election timeout", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  await proposeTo(leader, batchOf("a"));
  const target = cluster.replicas().find((replica) => replica !== leader);
  assert.ok(target !== undefined);
  const transfer = leader.transfer(target.replicaId);
  await cluster.until("it leads", () => target.serving, 1_000);
  assert.equal(await transfer, true);
});

test("W and R change through joint consensus, and the new W is in force", async () => {
  const cluster = await clusterOf(3, { w: 2, r: 2 });
  const leader = await cluster.leader();
  const { voters } = leader.configuration;
  await leader.reconfigure({ voters, learners: [], w: 3, r: 2 });
  await cluster.until("the change is over", () => leader.configuration.incoming === undefined && leader.configuration.w === 3);
  assert.equal((await proposeTo(leader, batchOf("a"))).replicasOnDisk, 3);
  await assert.rejects(leader.reconfigure({ voters, learners: [], w: 1, r: 2 }), { reason: "INVALID_QUORUM" });
});
