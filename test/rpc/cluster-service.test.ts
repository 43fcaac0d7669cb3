import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterService } from "../../src/wire/services.js";
import { grpcFrame, openDeaf } from "../support/deaf-client.js";
import { refusal } from "../support/refusals.js";
import { type Message, until } from "../support/stubs.js";
import { startEdge } from "./edge-fixture.js";

const names = (topics: readonly Message[]): string[] => topics.map(({ name }) => name);

test("metadata tells brokers, topics, leaders and limits", async (context) => {
  const { view, stubs, lead, server } = await startEdge(context);
  view.addTopic("orders", 2);
  view.addTopic("bills");
  lead("orders", 1);
  view.setAlive(3, false);
  const { metadata } = await stubs.ask("ClusterService.GetMetadata", {});
  assert.equal(metadata.clusterId, "a-cluster");
  assert.deepEqual([metadata.controllerNodeId, metadata.answeredByNodeId], [1, 1]);
  assert.deepEqual(
    metadata.brokers.map(({ nodeId, alive }: Message) => [nodeId, alive]),
    [
      [1, true],
      [2, true],
      [3, false],
    ],
  );
  assert.equal(metadata.brokers[0].address, server.address);
  assert.deepEqual(names(metadata.topics), ["bills", "orders"]);
  assert.deepEqual(
    metadata.topics[1].partitions.map(({ leaderNodeId, term, replicaNodeIds }: Message) => [leaderNodeId, term, replicaNodeIds]),
    [
      [0, 0, [1, 2, 3]],
      [1, 3, [1, 2, 3]],
    ],
  );
  assert.deepEqual(metadata.limits, { recordBytesMax: 65_536, batchBytesMax: 2_097_152, requestBytesMax: 3_145_728 });
  assert.deepEqual(names((await stubs.ask("ClusterService.GetMetadata", { topics: ["orders", "nothing"] })).metadata.topics), ["orders"]);
});

test("a broker without metadata says so instead of showing an empty cluster", async (context) => {
  const { view, stubs } = await startEdge(context);
  view.ready = false;
  await refusal("NOT_READY", () => stubs.ask("ClusterService.GetMetadata", {}));
  await refusal("NOT_READY", () => stubs.ask("ClusterService.DescribeCluster", {}));
  await stubs.open("ClusterService.WatchMetadata", {}).endsWith("NOT_READY");
});

test("names are checked", async (context) => {
  const { stubs } = await startEdge(context);
  const error = await refusal("INVALID_NAME", () => stubs.ask("ClusterService.GetMetadata", { topics: ["good", "Bad"] }));
  assert.equal(error.fields[0]?.field, "topics[1]");
  await refusal("INVALID_FIELD", () => stubs.ask("ClusterService.GetMetadata", { topics: Array(10_001).fill("a") }));
  await stubs.open("ClusterService.WatchMetadata", { topics: [""] }).endsWith("INVALID_NAME");
});

test("a watcher gets a snapshot, then what changes and nothing else", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  const stream = stubs.open("ClusterService.WatchMetadata", {});
  context.after(() => stream.call.cancel());
  const { snapshot } = await stream.next();
  assert.deepEqual(names(snapshot.topics), ["orders"]);

  lead("orders", 0);
  const leader = (await stream.next()).delta;
  assert.deepEqual([names(leader.topics), leader.topics[0].partitions[0].leaderNodeId, leader.brokers, leader.deletedTopics], [["orders"], 1, [], []]);

  view.addTopic("bills");
  assert.deepEqual(names((await stream.next()).delta.topics), ["bills"]);

  view.removeTopic("orders");
  assert.deepEqual((await stream.next()).delta.deletedTopics, ["orders"]);

  view.setAlive(2, false);
  assert.deepEqual(
    (await stream.next()).delta.brokers.map(({ alive }: Message) => alive),
    [true, false, true],
  );

  view.controller = undefined;
  view.changed();
  assert.equal((await stream.next()).delta.controllerNodeId, 0);
});

test("a watcher of some topics hears of no others, but of theirs when they come", async (context) => {
  const { view, stubs } = await startEdge(context);
  const stream = stubs.open("ClusterService.WatchMetadata", { topics: ["orders"] });
  context.after(() => stream.call.cancel());
  assert.deepEqual((await stream.next()).snapshot.topics, []);
  view.addTopic("bills");
  view.addTopic("orders");
  assert.deepEqual(names((await stream.next()).delta.topics), ["orders"]);
});

test("a leader that moved is told as its partition alone, and only to who watches its topic", async (context) => {
  const { view, stubs } = await startEdge(context);
  view.addTopic("orders", 10);
  view.addTopic("bills", 10);
  const all = stubs.open("ClusterService.WatchMetadata", {});
  const some = stubs.open("ClusterService.WatchMetadata", { topics: ["orders"] });
  for (const stream of [all, some]) {
    context.after(() => stream.call.cancel());
    await stream.next();
  }
  view.setLeader({ topic: "bills", partition: 1 }, 2, 4);
  assert.equal((await all.next()).delta.partitions[0].topic, "bills");
  view.setLeader({ topic: "orders", partition: 7 }, 2, 5);
  for (const stream of [all, some]) {
    const { topics, partitions } = (await stream.next()).delta;
    assert.deepEqual([topics, partitions.length, partitions[0].topic, partitions[0].topicId === ""], [[], 1, "orders", false]);
    assert.deepEqual(
      partitions[0].partitions.map(({ partition, leaderNodeId }: Message) => [partition, leaderNodeId]),
      [[7, 2]],
    );
  }
});

test("changes in quick succession are told as one, the last state of each", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  lead("orders", 0);
  const stream = stubs.open("ClusterService.WatchMetadata", {});
  context.after(() => stream.call.cancel());
  await stream.next();
  for (let term = 4; term < 200; term++) view.setLeader({ topic: "orders", partition: 0 }, 1 + (term % 3), term);
  let last: Message;
  let deltas = 0;
  do {
    last = (await stream.next()).delta.topics[0].partitions[0];
    deltas += 1;
  } while (last.term < 199);
  assert.ok(deltas <= 3, `${deltas} deltas`);
  assert.equal(last.leaderNodeId, 1 + (199 % 3));
});

test("a watcher that does not read is told the state when it does, not the history", async (context) => {
  const { view, server } = await startEdge(context);
  view.addTopic("orders", 5_000);
  const request = clusterService.WatchMetadata.requestSerialize({ topics: [] });
  const stream = openDeaf(context, server.address, "/quire.v1.ClusterService/WatchMetadata");
  stream.end(grpcFrame(request));
  await until(() => view.watchers.size > 0);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 1; i < 60; i++) {
    for (let partition = 0; partition < 5_000; partition++) view.setLeader({ topic: "orders", partition }, 2, i);
    await new Promise((resolve) => setTimeout(resolve, 11));
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 4_000_000, "deltas of 5,000 partitions pile up");
});

test("a silent watch carries heartbeats", async (context) => {
  const { stubs } = await startEdge(context, { limits: { streamHeartbeatMs: 40 } });
  const stream = stubs.open("ClusterService.WatchMetadata", {});
  context.after(() => stream.call.cancel());
  await stream.until(() => stream.received.filter(({ change }) => change === "heartbeat").length >= 2);
});

test("watchers are bounded, and one that leaves is forgotten", async (context) => {
  const { view, stubs } = await startEdge(context, { limits: { streamsMax: 1 } });
  const stream = stubs.open("ClusterService.WatchMetadata", {});
  await stream.next();
  await stubs.open("ClusterService.WatchMetadata", {}).endsWith("TOO_MANY_STREAMS");
  const watching = view.watchers.size;
  stream.call.cancel();
  await until(() => view.watchers.size === watching - 1);
});

test("the cluster's description counts replicas, leaders and what is missing", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 3);
  lead("orders", 0);
  view.setLeader({ topic: "orders", partition: 1 }, 2, 4);
  view.setAlive(3, false);
  const cluster = await stubs.ask("ClusterService.DescribeCluster", {});
  assert.deepEqual([cluster.topics, cluster.partitions, cluster.leaderlessPartitions, cluster.underReplicatedPartitions], [1, 3, 1, 3]);
  assert.deepEqual(
    cluster.brokers.map(({ nodeId, replicas, leaders, alive, incarnation }: Message) => [nodeId, replicas, leaders, alive, incarnation]),
    [
      [1, 3, 1, true, "disk-1"],
      [2, 3, 1, true, "disk-2"],
      [3, 3, 0, false, "disk-3"],
    ],
  );
});
