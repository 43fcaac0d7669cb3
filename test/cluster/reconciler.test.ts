import assert from "node:assert/strict";
import { test } from "node:test";
import { METADATA_REPLICA_SET, type ReplicaId } from "../../src/base/ids.js";
import { broker, founding, id, node } from "./examples.js";
import { clusterOfThree, type Disk, type FakeBroker, FakeCluster } from "./fake-cluster.js";

async function withTopic(partitions = 1): Promise<{ cluster: FakeCluster; one: FakeBroker }> {
  const cluster = await clusterOfThree(founding(1, 2, 3));
  const one = cluster.brokers.get(node(1));
  assert.ok(one);
  await one.controller.createTopic({ name: "orders", partitions });
  await cluster.clock.settle();
  for (let set = 1; set <= partitions; set++) await cluster.elect(id(set), node(1));
  return { cluster, one };
}
const voters = (cluster: FakeCluster, set: number): number[] =>
  cluster
    .set(id(set))
    .configuration.voters.map((voter) => voter.replicaId as number)
    .sort((a, b) => a - b);

test("a cluster that is as wanted costs no timer", async () => {
  const { cluster, one } = await withTopic(20);
  await cluster.clock.advance(10_000);
  assert.equal(one.reconciler.pending, 0);
  assert.equal(cluster.clock.timers, 0);
});

test("a late broker joins as a learner of the metadata and receives new partitions", async () => {
  const { cluster, one } = await withTopic();
  const { metadataReplicaId } = await one.controller.registerBroker(broker(4));
  const four = await cluster.boot(broker(4), metadataReplicaId);
  await cluster.clock.until(() => four.view.ready);
  assert.deepEqual(cluster.set(METADATA_REPLICA_SET).configuration.learners, [{ replicaId: metadataReplicaId, nodeId: 4 }]);
  assert.deepEqual(four.view.topic("orders"), one.view.topic("orders"));
  await one.controller.createTopic({ name: "more", partitions: 4 });
  await cluster.clock.settle();
  assert.ok([...four.host.all()].length > 1);
  await cluster.clock.advance(5_000);
  assert.equal(cluster.clock.timers, 0);
});

test("a wiped broker of three: its replicas are replaced one by one, each when caught up, the metadata's too, while all goes on", async () => {
  const { cluster, one } = await withTopic(5);
  const before = voters(cluster, 1);
  await cluster.stop(node(2));
  const { metadataReplicaId } = await one.controller.registerBroker(broker(2, "new-disk"));
  await cluster.clock.advance(5_000);
  assert.deepEqual(voters(cluster, 1), before, "the dead voter is not removed before its successor lives");
  for (const set of cluster.sets.values()) set.stalled.add(node(2));
  cluster.set(METADATA_REPLICA_SET).stalled.clear();
  await cluster.boot(broker(2, "new-disk"), metadataReplicaId);
  await cluster.clock.advance(5_000);
  assert.deepEqual(voters(cluster, 1), before, "nor before it has caught up");
  await one.controller.createTopic({ name: "meanwhile" });
  for (const set of cluster.sets.values()) set.stalled.clear();
  await cluster.clock.until(() => one.reconciler.pending === 0);
  for (const set of cluster.sets.values()) {
    const { configuration, history } = set;
    assert.deepEqual(configuration.learners, [], `set ${set.id} has no learner left`);
    assert.equal(configuration.voters.length, 3);
    assert.ok(
      history.every((entry) => entry.voters.length === 3),
      "never fewer voters",
    );
  }
  assert.deepEqual(new Set(cluster.set(METADATA_REPLICA_SET).configuration.voters.map((voter) => voter.replicaId)), new Set([1, metadataReplicaId, 3]));
  await cluster.clock.advance(5_000);
  assert.equal(cluster.clock.timers, 0);
});

test("with one broker dead and another wiped nothing is promoted, since the quorum that holds the records is not there", async () => {
  const { cluster, one } = await withTopic();
  const before = voters(cluster, 1);
  await cluster.stop(node(2));
  const { metadataReplicaId } = await one.controller.registerBroker(broker(2, "new-disk"));
  await cluster.stop(node(3));
  await cluster.boot(broker(2, "new-disk"), metadataReplicaId);
  await cluster.clock.advance(10_000);
  assert.deepEqual(voters(cluster, 1), before);
});

test("the former disk of a replaced broker learns that it is out", async () => {
  const { cluster, one } = await withTopic();
  const disk = await cluster.stop(node(2));
  await one.controller.registerBroker(broker(2, "new-disk"));
  cluster.set(METADATA_REPLICA_SET).force({ ...cluster.set(METADATA_REPLICA_SET).configuration });
  const former = await cluster.boot(broker(2), 2 as ReplicaId, disk);
  await cluster.clock.settle();
  assert.equal(former.replaced.length, 1);
  assert.equal(former.replaced[0]?.reason, "CLUSTER_MISMATCH");
});

test("W and R of a topic reach every partition's leader", async () => {
  const { cluster, one } = await withTopic(3);
  await one.controller.updateTopic("orders", { writeQuorum: 3 });
  await cluster.clock.until(() => one.reconciler.pending === 0);
  for (let set = 1; set <= 3; set++) {
    assert.equal(cluster.set(id(set)).configuration.w, 3);
    assert.ok(
      cluster.set(id(set)).history.some((entry) => entry.incoming !== undefined),
      "through a joint configuration",
    );
  }
});

test("a leader that has not heard of a change does not undo it", async () => {
  const { cluster, one } = await withTopic();
  const metadata = cluster.set(METADATA_REPLICA_SET);
  const set = cluster.set(id(1));
  metadata.stalled.add(node(3));
  await one.controller.updateTopic("orders", { writeQuorum: 3 });
  await cluster.clock.until(() => set.configuration.w === 3 && set.configuration.incoming === undefined);
  const changes = set.history.length;
  await cluster.elect(id(1), node(3));
  await cluster.clock.advance(5_000);
  assert.deepEqual([set.configuration.w, set.history.length], [3, changes]);
  metadata.stalled.clear();
  cluster.deliver(metadata);
  await cluster.clock.advance(5_000);
  assert.deepEqual([set.configuration.w, set.history.length], [3, changes]);
  assert.equal(cluster.clock.timers, 0);
});

test("a leader elected later finishes what the one before it could not", async () => {
  const { cluster, one } = await withTopic();
  await cluster.stop(node(2));
  await cluster.stop(node(3));
  const set = cluster.set(id(1));
  set.leader = null;
  const wanted = one.machine.state.topics.get("orders");
  assert.ok(wanted);
  one.machine.state.apply({ kind: "update-topic", name: "orders", topicId: wanted.topicId, partitionsBefore: 1, added: [], writeQuorum: 3 });
  await cluster.clock.advance(1_000);
  assert.equal(set.configuration.w, 2);
  await cluster.boot(broker(2), 2 as ReplicaId, {
    incarnation: "disk-2",
    replicas: new Map([[id(1), set.configuration.voters.find((v) => v.nodeId === node(2))?.replicaId ?? assert.fail()]]),
  });
  await cluster.boot(broker(3), 3 as ReplicaId, {
    incarnation: "disk-3",
    replicas: new Map([[id(1), set.configuration.voters.find((v) => v.nodeId === node(3))?.replicaId ?? assert.fail()]]),
  });
  await cluster.elect(id(1), node(1));
  await cluster.clock.until(() => set.configuration.w === 3);
});

test("a restarted broker runs what is on its disk before it heard of any metadata, and creates or deletes nothing", async () => {
  const { cluster } = await withTopic(2);
  const disk = await cluster.stop(node(3));
  const alone = new FakeCluster(founding(1, 2, 3));
  const stored: Disk = { incarnation: "disk-3", replicas: new Map(disk.replicas) };
  const three = await alone.boot(broker(3), 3 as ReplicaId, stored).catch((error: unknown) => assert.fail(String(error)));
  await alone.clock.advance(5_000);
  assert.deepEqual([...three.host.all()].map((replica) => replica.replicaSetId as number).sort(), [0, 1, 2]);
  assert.ok(three.host.calls.every((call) => call.startsWith("open")));
  assert.equal(stored.replicas.size, 3);
});

test("before its own registration is applied, a new disk starts none of its predecessor's replicas", async () => {
  const { cluster, one } = await withTopic(3);
  await cluster.stop(node(2));
  const { metadataReplicaId } = await one.controller.registerBroker(broker(2, "new-disk"));
  cluster.set(METADATA_REPLICA_SET).stalled.add(node(2));
  const two = await cluster.boot(broker(2, "new-disk"), metadataReplicaId);
  cluster.set(METADATA_REPLICA_SET).stalled.clear();
  cluster.deliver(cluster.set(METADATA_REPLICA_SET));
  await cluster.clock.until(() => [...two.host.all()].length === 4);
  const former = [1, 2, 3].flatMap((set) => cluster.set(id(set)).history[0]?.voters.map((voter) => `${set}/${voter.replicaId}`) ?? []);
  for (const name of former) assert.ok(!two.host.calls.some((call) => call.includes(` ${name} `)), `replica ${name} was never begun again`);
});

test("a start that fails is tried again", async () => {
  const { cluster, one } = await withTopic();
  one.host.failStarts = 3;
  await one.controller.createTopic({ name: "more" });
  await cluster.clock.until(() => one.host.get(id(2)) !== undefined);
  await cluster.clock.until(() => one.reconciler.pending === 0);
  assert.equal(cluster.clock.timers, 0);
});

test("a change of members that hangs does not keep a broker from stopping", async () => {
  const { cluster, one } = await withTopic();
  const replica = one.host.get(id(1));
  assert.ok(replica);
  let asked = 0;
  replica.reconfigure = () => {
    asked += 1;
    return new Promise(() => undefined);
  };
  await one.controller.updateTopic("orders", { writeQuorum: 3 });
  await cluster.clock.settle();
  assert.equal(asked, 1);
  await one.reconciler.stop();
  assert.equal(cluster.clock.timers, 0);
});

test("a stopped reconciler does nothing more and leaves no timer", async () => {
  const { cluster, one } = await withTopic();
  one.host.failStarts = 100;
  await one.controller.createTopic({ name: "more" });
  await cluster.clock.settle();
  await one.reconciler.stop();
  const calls = one.host.calls.length;
  await one.controller.createTopic({ name: "even-more" });
  await cluster.clock.advance(5_000);
  assert.equal(one.host.calls.length, calls);
  assert.equal(cluster.clock.timers, 0);
});
