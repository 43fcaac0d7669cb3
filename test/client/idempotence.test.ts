import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { connect, QuireError } from "../../src/client/index.js";
import type { FakeCluster } from "../support/fake-cluster.js";
import { connected, until } from "./harness.js";

/** A second client of the same cluster, gone after the test. */
async function another(context: TestContext, cluster: FakeCluster, producer: string) {
  const quire = await connect({ brokers: cluster.addresses, producer, retryDelayMsMin: 5, retryDelayMsMax: 50 });
  context.after(() => quire.close({ timeoutMs: 0 }));
  return quire;
}

/** Stamps of the batches as brokers received them, each attempt: id, epoch, base sequence. */
const stamps = (cluster: FakeCluster): (readonly number[])[] =>
  cluster.received.map(({ batch: { batch } }) => [batch?.producerId ?? 0, batch?.producerEpoch ?? 0, batch?.baseSequence ?? 0]);

test("lost acknowledgements: sent again by default, written once, each answered with its own offset", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 1_024 });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  let batches = 0;
  cluster.onBatch = ({ topic: name }) => {
    batches += 1;
    if (batches % 7 === 3) cluster.elect(name, 0, 1 + (batches % 3), batches % 2 === 0);
    return batches % 5 === 4 ? "append-and-drop" : undefined;
  };
  const values = Array.from({ length: 400 }, (_, at) => `${at} ${"x".repeat(200)}`);
  const sent = await Promise.all(values.map((value) => topic.send(value)));
  assert.ok(batches > 100, `${batches} batches, enough to lose many answers`);
  assert.deepEqual(cluster.values("t"), values);
  assert.deepEqual(
    sent.map(({ offset }) => offset),
    values.map((_, at) => at),
  );
});

test("a client asks once who it is, when it first sends; sequences count the records of each partition", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t", 2);
  const topic = quire.topic<string>("t");
  assert.deepEqual(cluster.begun, []);
  await Promise.all(["a", "b", "c"].map((value) => topic.send(value, { partition: 0 })));
  await topic.send("d", { partition: 1 });
  await topic.send("e", { partition: 0 });
  assert.deepEqual(cluster.begun, [""]);
  assert.deepEqual(stamps(cluster), [
    [1, 0, 0],
    [1, 0, 0],
    [1, 0, 3],
  ]);
});

test("with acks none nobody asks, and no batch carries a sequence", async (context) => {
  const { cluster, quire } = await connected(context, { acks: "none" });
  cluster.createTopic("t");
  await quire.topic("t").send("a");
  assert.deepEqual([cluster.begun, stamps(cluster)], [[], [[0, 0, 0]]]);
});

test("a batch given up with an unknown outcome: the next one begins a new epoch, and is written", async (context) => {
  const { cluster, quire } = await connected(context, { deliveryTimeoutMs: 300 });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("a");
  cluster.onBatch = () => "drop";
  await assert.rejects(topic.send("b"), { reason: "WRITE_OUTCOME_UNKNOWN" });
  cluster.onBatch = () => undefined;
  await topic.send("c");
  await topic.send("d");
  assert.deepEqual(cluster.values("t"), ["a", "c", "d"]);
  assert.deepEqual(stamps(cluster).slice(-2), [
    [1, 1, 0],
    [1, 1, 1],
  ]);
});

test("a producer that was forgotten: what was certainly not written is numbered anew, and nothing is lost", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("a");
  cluster.forgetProducers();
  await topic.send("b");
  assert.deepEqual(cluster.values("t"), ["a", "b"]);
  assert.deepEqual(stamps(cluster), [
    [1, 0, 0],
    [1, 0, 1],
    [1, 1, 0],
  ]);
});

test("a producer that was forgotten with an unknown outcome is told so, instead of writing twice", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("a");
  let faults = 1;
  cluster.onBatch = () => {
    if (faults-- > 0) return "append-and-drop";
    cluster.forgetProducers();
    return undefined;
  };
  await assert.rejects(topic.send("b"), { reason: "WRITE_OUTCOME_UNKNOWN" });
  cluster.onBatch = () => undefined;
  await topic.send("c");
  assert.deepEqual(cluster.values("t"), ["a", "b", "c"]);
});

test("a batch that is refused for good takes nothing behind it with it", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 1_024 });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("warm");
  let seen = 0;
  cluster.onBatch = () => (++seen === 1 ? new QuireError("CORRUPT_BATCH", "this one never") : undefined);
  const values = Array.from({ length: 6 }, (_, at) => `${at}${"x".repeat(1_100)}`);
  const outcomes = await Promise.allSettled(values.map((value) => topic.send(value)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", ...values.slice(1).map(() => "fulfilled")],
  );
  assert.deepEqual(cluster.values("t"), ["warm", ...values.slice(1)]);
});

test("used-up epochs: the client asks again who it is, and goes on", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  cluster.epochs = 2;
  const topic = quire.topic<string>("t");
  for (const value of ["a", "b", "c", "d"]) {
    await topic.send(value);
    cluster.forgetProducers();
  }
  assert.deepEqual(cluster.values("t"), ["a", "b", "c", "d"]);
  assert.deepEqual(cluster.begun, ["", ""]);
});

test("a named producer fences its former self, which says so from then on", async (context) => {
  const { cluster, quire: former } = await connected(context, { producer: "billing-1" });
  cluster.createTopic("t");
  await former.topic<string>("t").send("a");
  const next = await another(context, cluster, "billing-1");
  await next.topic<string>("t").send("b");
  await assert.rejects(former.topic<string>("t").send("c"), { reason: "PRODUCER_FENCED" });
  const received = cluster.received.length;
  await assert.rejects(former.topic<string>("t").send("d"), { reason: "PRODUCER_FENCED" });
  assert.equal(cluster.received.length, received, "a fenced client sends nothing more");
  await next.topic<string>("t").send("e");
  assert.deepEqual(cluster.values("t"), ["a", "b", "e"]);
});

test("a cluster that refuses to say who the client is: sends are told why, and the next one asks again", async (context) => {
  const { cluster, quire } = await connected(context, { producer: "billing-1", deliveryTimeoutMs: 300 });
  cluster.createTopic("t");
  let isRefused = true;
  cluster.onInitProducer = () => (isRefused ? new QuireError("UNSUPPORTED", "an old broker") : undefined);
  await assert.rejects(quire.topic("t").send("a"), { reason: "UNSUPPORTED" });
  cluster.onInitProducer = () => new QuireError("QUOTA_EXCEEDED", "too many names");
  await assert.rejects(quire.topic("t").send("b"), { reason: "QUOTA_EXCEEDED" });
  isRefused = false;
  cluster.onInitProducer = () => undefined;
  await quire.topic("t").send("c");
  assert.deepEqual(cluster.values("t"), ["c"]);
});

test("several batches under way keep their order through refusals, with the sequences they had", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 1_024 });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("warm");
  let seen = 0;
  cluster.onBatch = () => {
    seen += 1;
    if (seen % 6 === 2) return new QuireError("NOT_READY", "just elected");
    return seen % 9 === 5 ? "drop" : undefined;
  };
  const values = Array.from({ length: 60 }, (_, at) => `${at} ${"x".repeat(1_100)}`);
  await Promise.all(values.map((value) => topic.send(value)));
  await until(() => cluster.values("t").length === 61, "all are written");
  assert.deepEqual(cluster.values("t"), ["warm", ...values]);
  assert.ok(
    stamps(cluster).every(([, epoch]) => epoch === 0),
    "no epoch was lost",
  );
});
