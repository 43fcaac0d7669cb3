import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { nodeId, replicaId, type Term, term } from "../../src/base/ids.js";
import type { AcksName } from "../../src/base/record-batch.js";
import type { DataPlane, OfferedBatch, ProduceResult } from "../../src/broker/types.js";
import { batchOf } from "../support/batches.js";
import { settle } from "../support/fake-clock.js";
import { refusal } from "../support/refusals.js";
import { AT, fixture } from "./fixture.js";

const produce = (
  dataPlane: DataPlane,
  change: { acks?: AcksName; timeoutMs?: number; batch?: OfferedBatch; ifTerm?: Term; topic?: string; partition?: number } = {},
): Promise<ProduceResult> =>
  new Promise((resolve, reject) => {
    let calls = 0;
    dataPlane.produce({ ...AT, acks: "quorum", timeoutMs: 1_000, batch: batchOf(["a", "b"]), ...change }, (outcome) => {
      calls += 1;
      assert.equal(calls, 1, "one outcome");
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    });
  });

test("a batch is acknowledged when it has committed, with its offset, term and replicas", async () => {
  const { dataPlane, replica } = fixture();
  replica.commits = false;
  const answers: ProduceResult[] = [];
  const answer = produce(dataPlane).then((result) => answers.push(result));
  replica.syncAll();
  await settle();
  assert.deepEqual(answers, []);
  replica.commitAll();
  await answer;
  assert.deepEqual(answers, [{ index: 1, baseOffset: 0, term: 3, replicasOnDisk: 2 }]);
  replica.commits = true;
  assert.equal((await produce(dataPlane)).baseOffset, 2);
});

test("acks=leader answers at the leader's sync, acks=none as soon as the batch has a place", async () => {
  const { dataPlane, replica } = fixture();
  replica.commits = false;
  assert.equal((await produce(dataPlane, { acks: "none" })).baseOffset, -1);
  const onLeader = produce(dataPlane, { acks: "leader" });
  replica.syncAll();
  assert.deepEqual(await onLeader, { baseOffset: 2, term: 3, replicasOnDisk: 1 });
});

test("what is not confirmed in time has an unknown outcome, and its bytes are held until the replica lets go", async () => {
  const { dataPlane, replica, clock } = fixture();
  replica.commits = false;
  const answer = produce(dataPlane, { timeoutMs: 200 });
  clock.advance(199);
  await settle();
  clock.advance(60);
  await refusal("WRITE_OUTCOME_UNKNOWN", () => answer);
  assert.ok(dataPlane.inflightBytes > 0);
  replica.commitAll();
  assert.equal(dataPlane.inflightBytes, 0);
  clock.advance(100);
  assert.equal(clock.timers, 0, "no timer while nothing waits");
});

test("a broker that does not lead says who does", async () => {
  const { dataPlane, replica, view } = fixture();
  replica.stepDown({ nodeId: nodeId(2), term: term(4) });
  const error = await refusal("NOT_LEADER", () => produce(dataPlane));
  assert.deepEqual(error.details, { topic: "orders", partition: 0, leaderNodeId: 2, leaderAddress: "127.0.0.1:2", term: 4 });
  view.setLeader(AT, 3, 5);
  assert.equal((await refusal("NOT_LEADER", () => produce(dataPlane))).details["leaderNodeId"], 3, "the newer term wins");
  view.setAlive(3, false);
  await refusal("LEADER_UNKNOWN", () => produce(dataPlane));
});

test("a proposal refused by the replica comes back with the way to the leader", async () => {
  const { dataPlane, replica, view } = fixture();
  replica.commits = false;
  const answer = produce(dataPlane);
  replica.stepDown(null);
  view.setLeader(AT, 2, 9);
  replica.failAll(new QuireError("NOT_LEADER", "gave way"));
  assert.equal((await refusal("NOT_LEADER", () => answer)).details["leaderAddress"], "127.0.0.1:2");
  assert.equal(dataPlane.inflightBytes, 0);
});

test("what cannot be served is refused, and nothing is appended", async () => {
  const { dataPlane, replica, view, replicas } = fixture();
  await refusal("TOPIC_NOT_FOUND", () => produce(dataPlane, { topic: "nothing" }));
  await refusal("PARTITION_NOT_FOUND", () => produce(dataPlane, { partition: 1 }));
  await refusal("CORRUPT_BATCH", () => produce(dataPlane, { batch: batchOf(["a"], { recordCount: 2 }) }));
  await refusal("STALE_TERM", () => produce(dataPlane, { ifTerm: term(2) }));
  replica.failure = new Error("fdatasync failed");
  await refusal("REPLICA_FAILED", () => produce(dataPlane));
  replicas.clear();
  await refusal("LEADER_UNKNOWN", () => produce(dataPlane));
  view.ready = false;
  await refusal("NOT_READY", () => produce(dataPlane, { topic: "nothing" }));
  assert.equal(replica.frames.length, 0);
  assert.equal(dataPlane.inflightBytes, 0);
});

test("a leader takes batches before its own term's first entry has committed: they commit with it", async () => {
  const { dataPlane, replica } = fixture();
  replica.serving = false;
  await produce(dataPlane, { ifTerm: replica.term });
  assert.equal(replica.frames.length, 1);
});

test("a full disk refuses produce and nothing else", async () => {
  let room = false;
  const { dataPlane, replica } = fixture({ hasRoom: () => room });
  const error = await refusal("DISK_FULL", () => produce(dataPlane));
  assert.ok(error.retryAfterMs !== undefined);
  assert.equal(replica.frames.length, 0);
  room = true;
  await produce(dataPlane);
});

test("producing is refused while too few replicas have room, counting those that are up", async () => {
  const full = new Set<number>([2]);
  const { dataPlane, replica, view } = fixture({ hasRoomAt: (broker) => !full.has(broker) });
  const voters = [1, 2, 3].map((broker) => ({ replicaId: replicaId(broker), nodeId: nodeId(broker) }));
  replica.configuration = { voters, learners: [], w: 2, r: 2 };
  await produce(dataPlane);
  full.add(3);
  const error = await refusal("DISK_FULL", () => produce(dataPlane));
  assert.equal(error.details["brokers"], "2,3");
  full.delete(3);
  view.setAlive(3, false);
  assert.equal((await refusal("DISK_FULL", () => produce(dataPlane))).details["brokers"], "2");
  // That brokers are down is no statement about their disks: such a batch may still commit in time.
  full.clear();
  await produce(dataPlane);
  assert.equal(replica.frames.length, 2);
});

test("a topic's own batch limit holds below the broker's", async () => {
  const { dataPlane, view, topic } = fixture();
  view.addTopic("orders", 1, { ...topic, settings: { ...topic.settings, batchBytesMax: 1_024 } });
  const error = await refusal("BATCH_TOO_LARGE", () => produce(dataPlane, { batch: batchOf(["x".repeat(1_100)]) }));
  assert.equal(error.details["limit"], 1_024);
});

test("bytes in flight are bounded; who waits is called in order, when there is room", async () => {
  const { dataPlane, replica } = fixture({ inflightBytesMax: 100 });
  replica.commits = false;
  const first = produce(dataPlane, { batch: batchOf(["x".repeat(150)]) });
  const error = await refusal("THROTTLED", () => produce(dataPlane));
  assert.ok(error.retryAfterMs !== undefined);
  const order: string[] = [];
  dataPlane.onDrain(() => {
    order.push("a");
    produce(dataPlane, { batch: batchOf(["x".repeat(150)]) }).then(
      () => {},
      () => {},
    );
  });
  dataPlane.onDrain(() => order.push("b"));
  const cancel = dataPlane.onDrain(() => order.push("cancelled"));
  cancel();
  await settle();
  assert.deepEqual(order, []);
  replica.commitAll();
  await first;
  await settle();
  assert.deepEqual(order, ["a"], "the first one filled it again");
  replica.commitAll();
  await settle();
  assert.deepEqual(order, ["a", "b"]);
});

test("a closed data plane refuses with SHUTTING_DOWN", async () => {
  const { dataPlane } = fixture();
  dataPlane.close();
  await refusal("SHUTTING_DOWN", () => produce(dataPlane));
});

const numbered = (baseSequence: number, producerEpoch = 0): OfferedBatch => batchOf(["a", "b"], { producerId: 7, producerEpoch, baseSequence });

test("a batch that is sent again is answered with its first offset, under way or written, and appended once", async () => {
  const { dataPlane, replica } = fixture();
  replica.commits = false;
  const answers = [produce(dataPlane, { batch: numbered(0) }), produce(dataPlane, { batch: numbered(0) }), produce(dataPlane, { batch: numbered(2) })];
  replica.commitAll();
  assert.deepEqual(
    (await Promise.all(answers)).map(({ baseOffset }) => baseOffset),
    [0, 0, 2],
  );
  const again = await produce(dataPlane, { batch: numbered(0) });
  assert.deepEqual([again.baseOffset, again.term], [0, 3]);
  assert.equal((await produce(dataPlane, { batch: numbered(2), acks: "none" })).baseOffset, -1);
  assert.equal(replica.frames.length, 2);
  assert.equal(dataPlane.inflightBytes, 0);
});

test("a retry is answered although the disk is full, a new batch is not, and leaves no trace of its sequence", async () => {
  let hasRoom = true;
  const { dataPlane } = fixture({ hasRoom: () => hasRoom });
  await produce(dataPlane, { batch: numbered(0) });
  hasRoom = false;
  assert.equal((await produce(dataPlane, { batch: numbered(0) })).baseOffset, 0);
  await refusal("DISK_FULL", () => produce(dataPlane, { batch: numbered(2) }));
  hasRoom = true;
  await refusal("OUT_OF_ORDER_SEQUENCE", () => produce(dataPlane, { batch: numbered(4) }));
  assert.equal((await produce(dataPlane, { batch: numbered(2) })).baseOffset, 2);
});

test("what a producer wrote before is asked for only once the leader has applied it: until then nobody is answered", async () => {
  const { dataPlane, replica } = fixture();
  replica.serving = false;
  await refusal("NOT_READY", () => produce(dataPlane, { batch: numbered(0) }));
  assert.equal((await produce(dataPlane)).baseOffset, 0, "without a sequence it is taken");
  replica.serving = true;
  assert.equal((await produce(dataPlane, { batch: numbered(0) })).baseOffset, 2);
});

test("another term begins with what is written: what was under way in the old one is no longer there", async () => {
  const { dataPlane, replica } = fixture();
  replica.commits = false;
  const lost = produce(dataPlane, { batch: numbered(0) });
  const follower = produce(dataPlane, { batch: numbered(0) });
  replica.failAll(new QuireError("WRITE_OUTCOME_UNKNOWN", "lost its leadership"));
  await refusal("WRITE_OUTCOME_UNKNOWN", () => lost);
  await refusal("WRITE_OUTCOME_UNKNOWN", () => follower);
  replica.frames.pop();
  replica.term = term(4);
  await refusal("OUT_OF_ORDER_SEQUENCE", () => produce(dataPlane, { batch: numbered(2) }));
  const again = produce(dataPlane, { batch: numbered(0) });
  replica.commitAll();
  assert.equal((await again).baseOffset, 0);
});

test("a retry gives up in time although the original goes on", async () => {
  const { dataPlane, replica, clock } = fixture();
  replica.commits = false;
  const original = produce(dataPlane, { batch: numbered(0), timeoutMs: 10_000 });
  const retry = produce(dataPlane, { batch: numbered(0), timeoutMs: 200 });
  clock.advance(300);
  const error = await refusal("WRITE_OUTCOME_UNKNOWN", () => retry);
  assert.match(error.message, /send it again as it is/);
  replica.commitAll();
  assert.equal((await original).baseOffset, 0);
  assert.equal(dataPlane.inflightBytes, 0);
});
