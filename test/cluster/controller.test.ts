import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { METADATA_REPLICA_SET, replicaId } from "../../src/base/ids.js";
import { checkTopicSettings } from "../../src/cluster/topic-settings.js";
import type { TopicRequest } from "../../src/cluster/view.js";
import { EntryKind } from "../../src/replica/types.js";
import { broker, founding, id, node, settings } from "./examples.js";
import { clusterOfThree, type FakeBroker, type FakeCluster } from "./fake-cluster.js";

async function setUp(): Promise<{ cluster: FakeCluster; one: FakeBroker; two: FakeBroker; three: FakeBroker }> {
  const cluster = await clusterOfThree(founding(1, 2, 3));
  const at = (n: number): FakeBroker => {
    const found = cluster.brokers.get(node(n));
    assert.ok(found);
    return found;
  };
  return { cluster, one: at(1), two: at(2), three: at(3) };
}

async function refused(promise: Promise<unknown>, reason: string): Promise<QuireError> {
  const error = await promise.then(
    () => assert.fail(`not refused with ${reason}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof QuireError, String(error));
  assert.equal(error.reason, reason, error.message);
  return error;
}

test("a topic gets the defaults, is spread over the brokers, runs on each, and is seen everywhere", async () => {
  const { cluster, one, two } = await setUp();
  const topic = await one.controller.createTopic({ name: "orders", partitions: 6, settings: { retentionMs: 60_000 } });
  assert.deepEqual([topic.replicas, topic.writeQuorum, topic.readQuorum, topic.partitions], [3, 2, 2, 6]);
  assert.deepEqual(topic.settings, { ...settings, retentionMs: 60_000 });
  const preferred = topic.assignments.map((partition) => partition.replicas[0]?.nodeId);
  for (const n of [1, 2, 3]) assert.equal(preferred.filter((nodeId) => nodeId === n).length, 2);
  await cluster.clock.settle();
  assert.deepEqual(two.view.topic("orders"), topic);
  for (const running of cluster.brokers.values()) assert.equal([...running.host.all()].length, 7, "six partitions and the metadata");
});

test("with fewer than three brokers a topic gets as many replicas as there are", async () => {
  const cluster = await clusterOfThree(founding(1));
  const topic = await cluster.brokers.get(node(1))?.controller.createTopic({ name: "small" });
  assert.deepEqual([topic?.replicas, topic?.writeQuorum, topic?.readQuorum], [1, 1, 1]);
});

test("every bad field of a topic is refused by name, and nothing is created", async () => {
  const { one } = await setUp();
  const cases: [TopicRequest, string][] = [
    [{ name: "Not Allowed" }, "INVALID_NAME"],
    [{ name: "" }, "INVALID_NAME"],
    [{ name: "x", partitions: 0 }, "INVALID_FIELD"],
    [{ name: "x", partitions: 10_001 }, "INVALID_FIELD"],
    [{ name: "x", partitions: 1.5 }, "INVALID_FIELD"],
    [{ name: "x", replicas: 4 }, "NOT_ENOUGH_BROKERS"],
    [{ name: "x", replicas: 8 }, "INVALID_QUORUM"],
    [{ name: "x", replicas: 0 }, "INVALID_QUORUM"],
    [{ name: "x", writeQuorum: 1, readQuorum: 2 }, "INVALID_QUORUM"],
    [{ name: "x", writeQuorum: 3, readQuorum: 1 }, "INVALID_QUORUM"],
    [{ name: "x", settings: { segmentBytes: 1 } }, "INVALID_SETTING"],
    [{ name: "x", settings: { batchBytesMax: 3 * 2 ** 20 } }, "INVALID_SETTING"],
    [{ name: "x", settings: { retentionMs: -1 } }, "INVALID_SETTING"],
    [{ name: "x", settings: { flush: "never" as "batch" } }, "INVALID_SETTING"],
  ];
  for (const [request, reason] of cases) await refused(one.controller.createTopic(request), reason);
  assert.deepEqual(one.view.topics(), []);
});

test("settings: unknown names are refused, zero means none only where it may", () => {
  assert.throws(() => checkTopicSettings({ retentoinMs: 1 } as object));
  assert.throws(() => checkTopicSettings({ flushIntervalMs: 0 }));
  checkTopicSettings({ retentionMs: 0, retentionBytes: 0, segmentAgeMs: 0 });
});

test("a second creation is refused and says whether the topic is as asked for", async () => {
  const { one } = await setUp();
  await one.controller.createTopic({ name: "orders", partitions: 2 });
  const same = await refused(one.controller.createTopic({ name: "orders", partitions: 2 }), "TOPIC_ALREADY_EXISTS");
  const other = await refused(one.controller.createTopic({ name: "orders", partitions: 3 }), "TOPIC_ALREADY_EXISTS");
  assert.deepEqual([same.details["asRequested"], other.details["asRequested"]], ["true", "false"]);
});

test("of two creations at the same time one wins", async () => {
  const { one } = await setUp();
  const outcomes = await Promise.allSettled([one.controller.createTopic({ name: "orders" }), one.controller.createTopic({ name: "orders" })]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
});

test("validateOnly checks everything and creates nothing", async () => {
  const { one } = await setUp();
  const topic = await one.controller.createTopic({ name: "orders", partitions: 2, validateOnly: true });
  assert.equal(topic.assignments.length, 2);
  assert.deepEqual(one.view.topics(), []);
  await one.controller.createTopic({ name: "orders" });
  await refused(one.controller.createTopic({ name: "orders", validateOnly: true }), "TOPIC_ALREADY_EXISTS");
});

test("partitions may only grow, W and R stay safe, and other fields stay as they are", async () => {
  const { cluster, one } = await setUp();
  const { controller } = one;
  await controller.createTopic({ name: "orders", partitions: 2 });
  await refused(controller.updateTopic("orders", { partitions: 1 }), "INVALID_FIELD");
  await refused(controller.updateTopic("orders", { writeQuorum: 1 }), "INVALID_QUORUM");
  await refused(controller.updateTopic("nothing", { partitions: 3 }), "TOPIC_NOT_FOUND");
  const updated = await controller.updateTopic("orders", { partitions: 4, writeQuorum: 3, settings: { flush: "interval" } });
  assert.deepEqual([updated.partitions, updated.writeQuorum, updated.readQuorum, updated.settings.flush, updated.version], [4, 3, 2, "interval", 2]);
  await cluster.clock.settle();
  assert.ok(one.host.calls.includes("update 1 interval"), "running replicas hear of it");
  assert.ok(
    one.host.calls.some((call) => /^create 4\/\d+ interval$/.test(call)),
    "new ones begin with it",
  );
});

test("a broker that is not the controller says where it is; without one it says so", async () => {
  const { cluster, two } = await setUp();
  const error = await refused(two.controller.createTopic({ name: "orders" }), "NOT_LEADER");
  assert.deepEqual(error.details, { leaderNodeId: 1, leaderAddress: "host1:9701", term: 1 });
  await cluster.stop(node(1));
  await refused(two.controller.createTopic({ name: "orders" }), "LEADER_UNKNOWN");
});

test("a change that cannot commit has an unknown outcome, never a false success", async () => {
  const { cluster, one } = await setUp();
  await cluster.stop(node(2));
  await cluster.stop(node(3));
  await refused(one.controller.createTopic({ name: "orders", replicas: 1 }), "WRITE_OUTCOME_UNKNOWN");
});

test("deleting frees the name at once, and every broker removes its replicas, a sleeping one when it is back", async () => {
  const { cluster, one, two } = await setUp();
  await one.controller.createTopic({ name: "orders" });
  await cluster.clock.settle();
  const disk = await cluster.stop(node(3));
  assert.ok(disk.replicas.has(id(1)));
  await one.controller.deleteTopic("orders");
  await one.controller.createTopic({ name: "orders" });
  await cluster.clock.settle();
  assert.equal(two.host.get(id(1)), undefined);
  assert.ok(two.host.get(id(2)));
  const back = await cluster.boot(broker(3), one.cluster.founding.founders[2]?.replicaId ?? assert.fail(), disk);
  await cluster.clock.until(() => !disk.replicas.has(id(1)) && back.host.get(id(2)) !== undefined);
  await refused(one.controller.deleteTopic("never"), "TOPIC_NOT_FOUND");
});

test("new topics go to brokers that are up, as long as there are enough", async () => {
  const { cluster, one } = await setUp();
  const { metadataReplicaId } = await one.controller.registerBroker(broker(4));
  await cluster.boot(broker(4), metadataReplicaId);
  await cluster.stop(node(2));
  const topic = await one.controller.createTopic({ name: "orders", partitions: 4 });
  for (const { replicas } of topic.assignments) assert.ok(replicas.every((replica) => replica.nodeId !== 2));
  const single = await one.controller.createTopic({ name: "wide", replicas: 4 });
  assert.equal(single.assignments[0]?.replicas.length, 4, "a broker that is down is better than no topic");
});

test("leadership moves at the leader's hand, to a voter that is up and not far behind", async () => {
  const { cluster, one, two } = await setUp();
  const { assignments } = await one.controller.createTopic({ name: "orders" });
  await cluster.clock.settle();
  await refused(one.controller.transferLeader({ topic: "orders", partition: 0 }, node(2)), "LEADER_UNKNOWN");
  await cluster.elect(id(1), node(1));
  const at = { topic: "orders", partition: 0 };
  assert.equal((await refused(two.controller.transferLeader(at, node(3)), "NOT_LEADER")).details["leaderNodeId"], 1);
  await refused(one.controller.transferLeader(at, node(9)), "INVALID_FIELD");
  await refused(one.controller.transferLeader({ topic: "orders", partition: 1 }, node(2)), "PARTITION_NOT_FOUND");
  await one.controller.transferLeader(at, node(1));
  cluster.set(id(1)).stalled.add(node(2));
  while (cluster.set(id(1)).lastIndex < 5_000) cluster.set(id(1)).push(EntryKind.records, Buffer.alloc(0));
  const lagging = await refused(one.controller.transferLeader(at, node(2)), "NOT_READY");
  assert.match(lagging.message, /5000 entries behind/);
  await one.controller.transferLeader(at, node(3));
  assert.deepEqual(one.host.get(id(1))?.transfers, [assignments[0]?.replicas.find((replica) => replica.nodeId === 3)?.replicaId]);
  assert.equal(two.view.leader(id(1))?.nodeId, 3);
  await cluster.stop(node(2));
  await refused(cluster.brokers.get(node(3))?.controller.transferLeader(at, node(2)) ?? assert.fail(), "BROKER_UNREACHABLE");
});

test("leadership is not moved to a broker whose disk was replaced before its new replica votes", async () => {
  const { cluster, one } = await setUp();
  await one.controller.createTopic({ name: "orders" });
  await cluster.clock.settle();
  await cluster.elect(id(1), node(1));
  const set = cluster.set(id(1));
  set.force({ ...set.configuration, learners: [{ nodeId: node(3), replicaId: replicaId(99) }] });
  const refusal = await refused(one.controller.transferLeader({ topic: "orders", partition: 0 }, node(3)), "NOT_READY");
  assert.match(refusal.message, /its former replica is gone/);
  assert.deepEqual(one.host.get(id(1))?.transfers, []);
});

test("a second process with the node id of a broker that is up is refused, and bad addresses too", async () => {
  const { one } = await setUp();
  await refused(one.controller.registerBroker(broker(2, "another-disk")), "CONFLICT");
  await refused(one.controller.registerBroker(broker(1, "another-disk")), "CONFLICT");
  await refused(one.controller.registerBroker({ ...broker(5), address: "" }), "INVALID_FIELD");
  await refused(one.controller.registerBroker(broker(70_000)), "INVALID_FIELD");
  assert.equal(one.view.controller, 1);
  assert.equal(one.view.leader(METADATA_REPLICA_SET)?.term, 1);
});
