import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, QuireError } from "../../src/client/index.js";
import { startFakeCluster } from "../support/fake-broker.js";
import { connected, gate, until } from "./harness.js";

/** Each value's first occurrence, in log order. */
const firsts = (values: readonly (string | undefined)[]): (string | undefined)[] => [...new Set(values)];

test("order per key is kept, and nothing acknowledged is missing, while leaders move and connections break", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 1_024 });
  cluster.createTopic("t", 3);
  const topic = quire.topic<string>("t");
  let batches = 0;
  cluster.onBatch = ({ topic: name, partition }) => {
    batches += 1;
    if (batches % 40 === 7) cluster.elect(name, partition, 1 + (batches % 3), batches % 80 === 7);
    if (batches % 40 === 17) return "append-and-drop";
    if (batches % 40 === 27) return "drop";
    if (batches % 40 === 37) return new QuireError("NOT_READY", "just elected");
    return undefined;
  };
  let acknowledged = 0;
  const sent = new Map<string, string[]>();
  const sends: Promise<void>[] = [];
  for (let at = 0; at < 4_000; at++) {
    const key = `key ${at % 10}`;
    const value = `${key} value ${at}`;
    sent.set(key, [...(sent.get(key) ?? []), value]);
    sends.push(
      topic.send(value, { key }).then(() => {
        acknowledged += 1;
      }),
    );
    if (at % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(sends);
  assert.ok(batches > 100, `there were ${batches} batches, enough to meet every fault`);
  assert.equal(acknowledged, 4_000);
  const log = [0, 1, 2].flatMap((partition) => cluster.records("t", partition));
  for (const [key, values] of sent) {
    const written = log.filter((record) => record.key === key).map((record) => record.value);
    assert.deepEqual(firsts(written), values, key);
  }
});

test("a leader's hint is followed at once", async (context) => {
  const { cluster, quire } = await connected(context, { retryDelayMsMin: 5_000, retryDelayMsMax: 5_000 });
  cluster.createTopic("t");
  const topic = quire.topic("t");
  await topic.send("before");
  cluster.elect("t", 0, 2, true);
  await topic.send("after");
  assert.deepEqual(
    cluster.received.map(({ nodeId }) => nodeId),
    [1, 1, 2],
  );
  assert.deepEqual(cluster.values("t"), ["before", "after"]);
});

test("a lost connection without idempotence: sent again by default, which may write twice", async (context) => {
  const { cluster, quire } = await connected(context, { idempotence: false });
  cluster.createTopic("t");
  const topic = quire.topic("t");
  await topic.send("a");
  let faults = 1;
  cluster.onBatch = () => (faults-- > 0 ? "append-and-drop" : undefined);
  await topic.send("b");
  assert.deepEqual(cluster.values("t"), ["a", "b", "b"]);
});

test("a lost connection with retryUnknown: false is rejected as unknown, and written at most once", async (context) => {
  const { cluster, quire } = await connected(context, { idempotence: false, retryUnknown: false });
  cluster.createTopic("t");
  const topic = quire.topic("t");
  await topic.send("a");
  let faults = 1;
  cluster.onBatch = () => (faults-- > 0 ? "append-and-drop" : undefined);
  await assert.rejects(topic.send("b"), { reason: "WRITE_OUTCOME_UNKNOWN" });
  await topic.send("c");
  assert.deepEqual(cluster.values("t"), ["a", "b", "c"]);
});

test("a paused leader that also is the broker we watch is found out: sends go on at the next leader", async (context) => {
  const { cluster, stop } = await startFakeCluster();
  // Neither pings nor a silent metadata stream tell in time: only that it does not answer.
  const quire = await connect({ brokers: cluster.addresses.slice(0, 1), stallMs: 100, silenceMs: 60_000, keepaliveTimeMs: 60_000, deliveryTimeoutMs: 5_000 });
  context.after(async () => {
    await quire.close({ timeoutMs: 0 });
    await stop();
  });
  cluster.createTopic("t");
  const topic = quire.topic("t");
  await topic.send("before");
  cluster.broker(1).proxy.freeze();
  const sent = topic.send("during");
  await new Promise((resolve) => setTimeout(resolve, 20));
  cluster.elect("t", 0, 2);
  await sent;
  assert.ok(cluster.values("t").includes("during"));
  cluster.broker(1).proxy.restore();
  await topic.send("after");
  assert.deepEqual(firsts(cluster.values("t")), ["before", "during", "after"]);
});

test("a leader that is cut off together with the broker we watch: others are asked who leads now", async (context) => {
  const { cluster, quire } = await connected(context, { deliveryTimeoutMs: 5_000 }, 5);
  cluster.createTopic("t");
  const topic = quire.topic("t");
  await topic.send("before");
  cluster.cutOff(...cluster.brokers.filter((broker) => broker.nodeId === 1 || broker.metadataStreams > 0).map((broker) => broker.nodeId));
  cluster.elect("t", 0, cluster.brokers.find((broker) => broker.stale === undefined)?.nodeId ?? 0);
  await topic.send("during");
  assert.deepEqual(cluster.values("t"), ["before", "during"]);
});

test("nothing goes to a new leader before the old one has answered what was sent to it", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 1_024 });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("warm");
  const held = gate();
  cluster.onBatch = async (_, { nodeId }) => {
    if (nodeId === 1) await held.opened;
    return undefined;
  };
  const long = "x".repeat(1_100);
  const sends = [topic.send(`a${long}`)];
  await until(() => cluster.received.length === 2, "the first is under way");
  cluster.elect("t", 0, 2);
  sends.push(topic.send(`b${long}`), topic.send(`c${long}`));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(cluster.received.length, 2);
  held.open();
  await Promise.all(sends);
  assert.deepEqual(
    cluster.values("t").map((value) => value?.slice(0, 1)),
    ["w", "a", "b", "c"],
  );
});

test("a dead leader: what waits is sent to the next one", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic("t");
  await topic.send("before");
  cluster.broker(1).proxy.kill();
  const sent = [topic.send("x"), topic.send("y")];
  await new Promise((resolve) => setTimeout(resolve, 50));
  cluster.elect("t", 0, 3);
  await Promise.all(sent);
  assert.deepEqual(cluster.values("t"), ["before", "x", "y"]);
});

test("a broker that keeps to runs takes nothing behind a refused batch: all are written in order", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 1_024 });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("warm");
  let seen = 0;
  cluster.onBatch = () => (++seen === 1 ? new QuireError("DISK_FULL", "no room for this one") : undefined);
  const values = Array.from({ length: 5 }, (_, at) => `${at}${"x".repeat(1_100)}`);
  await Promise.all(values.map((value) => topic.send(value)));
  assert.deepEqual(cluster.values("t"), ["warm", ...values]);
});

test("by a broker that does not know runs: records ones were taken are rejected, not written out of order", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 1_024, idempotence: false });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("warm");
  cluster.ignoresRuns = true;
  const held = gate();
  let seen = 0;
  cluster.onBatch = async () => {
    seen += 1;
    const refuse = seen === 1;
    await held.opened;
    return refuse ? new QuireError("DISK_FULL", "no room for this one") : undefined;
  };
  const big = "x".repeat(1_100);
  const outcomes = Promise.allSettled([topic.send(`1${big}`), topic.send(`2${big}`), topic.send(`3${big}`)]);
  await until(() => cluster.received.length === 2, "the first is under way");
  held.open();
  const [first, second, third] = await outcomes;
  assert.equal(first?.status, "rejected");
  assert.equal(((first as PromiseRejectedResult).reason as QuireError).reason, "OUT_OF_ORDER_SEQUENCE");
  assert.equal(second?.status, "fulfilled");
  assert.equal(third?.status, "fulfilled");
  assert.deepEqual(
    cluster.values("t").map((value) => value?.slice(0, 1)),
    ["w", "2", "3"],
  );
});

test("after any failure one batch goes alone: a leader that refuses the first cannot take the second before it", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 1_024 });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  let refusals = 3;
  cluster.onBatch = () => (refusals-- > 0 ? new QuireError("NOT_READY", "just elected") : undefined);
  const values = Array.from({ length: 20 }, (_, at) => `${at} ${"x".repeat(600)}`);
  await Promise.all(values.map((value) => topic.send(value)));
  assert.deepEqual(cluster.values("t"), values);
});

test("without a leader a send is rejected when its time is up, and says why", async (context) => {
  const { cluster, quire } = await connected(context, { deliveryTimeoutMs: 300 });
  cluster.createTopic("t");
  cluster.elect("t", 0, 0);
  await assert.rejects(quire.topic("t").send("x"), { reason: "LEADER_UNKNOWN" });
});

test("an unanswered send is rejected when its time is up, with an unknown outcome; its late answer changes nothing", async (context) => {
  const { cluster, quire } = await connected(context, { deliveryTimeoutMs: 300 });
  cluster.createTopic("t");
  cluster.onBatch = () => "swallow";
  await assert.rejects(quire.topic("t").send("x"), { reason: "WRITE_OUTCOME_UNKNOWN" });
});

test("the broker is told how long it may take", async (context) => {
  const { cluster, quire } = await connected(context, { deliveryTimeoutMs: 2_000, requestTimeoutMs: 1_000 });
  cluster.createTopic("t");
  await quire.topic("t").send("x");
  assert.equal(cluster.received[0]?.batch.timeoutMs, 1_000);
});
