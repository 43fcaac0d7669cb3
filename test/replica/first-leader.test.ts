import assert from "node:assert/strict";
import { test } from "node:test";
import { timing } from "../../src/base/limits.js";
import { settle } from "../support/fake-clock.js";
import { ReplicaCluster } from "./replica-cluster.js";

async function pass(cluster: ReplicaCluster, ticks: number): Promise<void> {
  for (let tick = 0; tick < ticks; tick++) {
    cluster.clock.advance(timing.tickMs);
    await settle();
  }
}

test("the first voter leads a new replica set first, although the others began seconds before it", async () => {
  const cluster = new ReplicaCluster(3, { w: 2, r: 2 });
  await cluster.start(3);
  await cluster.start(2);
  await pass(cluster, 4 * timing.electionTicks);
  assert.deepEqual(
    cluster.replicas().map(({ role }) => role),
    ["follower", "follower"],
  );
  await cluster.start(1);
  assert.equal((await cluster.leader()).replicaId, 1);
});

test("without the first voter another leads a new replica set, some election timeouts later", async () => {
  const cluster = new ReplicaCluster(3, { w: 2, r: 2 });
  await cluster.start(2);
  await cluster.start(3);
  const beginMs = cluster.clock.monotonicMs();
  await cluster.leader();
  assert.ok(cluster.clock.monotonicMs() - beginMs <= 10 * timing.electionTicks * timing.tickMs);
});

test("nobody waits for a first voter whose broker goes away before it has stood", async () => {
  const cluster = new ReplicaCluster(3, { w: 2, r: 2 });
  await cluster.start(2);
  await cluster.start(3);
  const beginMs = cluster.clock.monotonicMs();
  cluster.kill(1);
  await cluster.leader();
  assert.ok(cluster.clock.monotonicMs() - beginMs < timing.electionTicks * timing.tickMs, "they stand after a few ticks");
});

test("nobody waits for the first voter of a set that was begun before", async () => {
  const cluster = new ReplicaCluster(3, { w: 2, r: 2 });
  for (const id of [1, 2, 3]) await cluster.start(id);
  await cluster.leader();
  for (const id of [1, 2, 3]) cluster.kill(id);
  for (const id of [2, 3]) await cluster.start(id);
  const beginMs = cluster.clock.monotonicMs();
  await cluster.leader();
  assert.ok(cluster.clock.monotonicMs() - beginMs < timing.electionTicks * timing.tickMs, "they stand after a few ticks");
});
