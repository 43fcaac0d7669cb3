import assert from "node:assert/strict";
import { test } from "node:test";
import { murmur2 } from "../../src/base/murmur2.js";
import type { QuireError } from "../../src/client/index.js";
import { connected, gate, until } from "./harness.js";

test("a full buffer makes send wait, in order, and costs bounded memory", async (context) => {
  const { cluster, quire } = await connected(context, { bufferBytesMax: 1024 * 1024 });
  cluster.createTopic("t");
  const topic = quire.topic<Uint8Array>("t");
  const held = gate();
  cluster.onBatch = async () => {
    await held.opened;
    return undefined;
  };
  const value = new Uint8Array(100_000);
  const sends = Array.from({ length: 100 }, (_, at) => topic.send(Uint8Array.of(at, ...value)));
  await until(() => cluster.received.length > 0, "something is under way");
  await new Promise((resolve) => setTimeout(resolve, 50));
  const underWay = cluster.received.reduce((sum, { batch }) => sum + (batch.batch?.body.length ?? 0), 0);
  assert.ok(underWay < 1.2 * 1024 * 1024, `${underWay} bytes are under way`);
  held.open();
  const results = await Promise.all(sends);
  assert.deepEqual(
    results.map((result) => result.offset),
    results.map((_, at) => at),
  );
});

test("when too many sends wait for room, the next is refused and says what to do", async (context) => {
  const { cluster, quire } = await connected(context, { bufferBytesMax: 1024 * 1024, sendsWaitingMax: 3 });
  cluster.createTopic("t");
  const topic = quire.topic<Uint8Array>("t");
  await topic.send(Uint8Array.of(1));
  const held = gate();
  cluster.onBatch = async () => {
    await held.opened;
    return undefined;
  };
  const sends = [topic.send(new Uint8Array(600_000)), topic.send(new Uint8Array(600_000))];
  for (let at = 0; at < 3; at++) sends.push(topic.send(Uint8Array.of(at)));
  await assert.rejects(topic.send(Uint8Array.of(9)), (error: QuireError) => error.reason === "BUFFER_FULL" && error.message.includes("sendAll"));
  held.open();
  await Promise.all(sends);
});

test("sends before the topic's routes are known keep their order", async (context) => {
  const { cluster, quire } = await connected(context);
  for (const broker of cluster.brokers) broker.hiddenTopic = "t";
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  const sends = [topic.send("1"), topic.send("2"), topic.send("3")];
  await new Promise((resolve) => setTimeout(resolve, 30));
  for (const broker of cluster.brokers) broker.hiddenTopic = "";
  sends.push(topic.send("4"));
  await Promise.all(sends);
  assert.deepEqual(cluster.values("t"), ["1", "2", "3", "4"]);
});

test("a topic that is not there is said so after a second", async (context) => {
  const { quire } = await connected(context);
  await assert.rejects(quire.topic("nowhere").send("x"), { reason: "TOPIC_NOT_FOUND" });
});

test("keys choose partitions as Kafka's default partitioner does; records without a key stay together for a batch", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t", 6);
  const topic = quire.topic<string>("t");
  for (const key of ["a", "customer-7", "é"]) {
    const { partition } = await topic.send("x", { key });
    assert.equal(partition, (murmur2(Buffer.from(key)) & 0x7fffffff) % 6);
  }
  const together = await Promise.all(Array.from({ length: 50 }, () => topic.send("y")));
  assert.equal(new Set(together.map((result) => result.partition)).size, 1);
});

test("records without a key use every partition alike, of a slow producer and of a fast one", async (context) => {
  const { cluster, quire } = await connected(context, { batchBytes: 4_096 });
  for (const name of ["slow", "fast"]) cluster.createTopic(name, 4);
  const count = (name: string): number[] => [0, 1, 2, 3].map((partition) => cluster.records(name, partition).length);
  for (let sent = 0; sent < 40; sent += 1) await quire.topic<string>("slow").send("x");
  assert.ok(
    count("slow").every((records) => records > 0),
    String(count("slow")),
  );
  await Promise.all(Array.from({ length: 20_000 }, () => quire.topic<string>("fast").send("x")));
  assert.ok(
    count("fast").every((records) => records > 2_000),
    String(count("fast")),
  );
});

test("sendAll sends many with one promise, tells its progress, and says where they are", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t", 2);
  const topic = quire.topic<{ n: number }>("t");
  const progress: number[] = [];
  const counted = [0, 0];
  const onProgress = (count: number, partition: number): void => {
    counted[partition] = (counted[partition] ?? 0) + count - (progress.at(-1) ?? 0);
    progress.push(count);
  };
  const values = Array.from({ length: 5_000 }, (_, n) => ({ n }));
  const result = await topic.sendAll(values, { key: ({ n }) => String(n % 7), onProgress });
  assert.equal(result.records, 5_000);
  assert.equal(progress.at(-1), 5_000);
  assert.deepEqual(
    counted,
    [0, 1].map((partition) => result.partitions.get(partition)?.records),
    "each progress is that of one partition",
  );
  const counts = [...result.partitions.values()].map((place) => place.records);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    5_000,
  );
  const read = [0, 1].flatMap((partition) => cluster.records("t", partition)).map((record) => JSON.parse(record.value ?? "") as { n: number });
  assert.deepEqual(
    read.map(({ n }) => n).sort((a, b) => a - b),
    values.map(({ n }) => n),
  );
});

test("sendAll takes an async iterable, and keeps to the buffer", async (context) => {
  const { cluster, quire } = await connected(context, { bufferBytesMax: 1024 * 1024 });
  cluster.createTopic("t");
  async function* values(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < 40; at++) yield new Uint8Array(100_000).fill(at);
  }
  const { records } = await quire.topic<Uint8Array>("t").sendAll(values());
  assert.equal(records, 40);
  assert.equal(cluster.partition("t", 0).nextOffset, 40);
});

test("sendAll stops at the first failure and says how many were acknowledged", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const values = ["a", "b", "x".repeat(2_000_000), "c"];
  await assert.rejects(
    quire.topic<string>("t").sendAll(values),
    (error: QuireError) => error.reason === "RECORD_TOO_LARGE" && error.details["acknowledged"] === 2,
  );
  assert.deepEqual(cluster.values("t"), ["a", "b"]);
});

test("a record too large is refused before it is sent, with its size and the limit", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  await assert.rejects(
    quire.topic("t").send("x".repeat(1_100_000)),
    (error: QuireError) => error.reason === "RECORD_TOO_LARGE" && error.details["limit"] === 1_048_576,
  );
  assert.equal(cluster.received.length, 0);
});

test("an aborted send is rejected with the signal's reason; others go on", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic("t");
  const held = gate();
  cluster.onBatch = async () => {
    await held.opened;
    return undefined;
  };
  const abort = new AbortController();
  const aborted = topic.send("x", { signal: abort.signal });
  const other = topic.send("y");
  abort.abort(new Error("enough"));
  await assert.rejects(aborted, { message: "enough" });
  held.open();
  await other;
  await assert.rejects(topic.send("z", { signal: AbortSignal.abort(new Error("before")) }), { message: "before" });
});

test("misspelt options and bad values are refused and name the remedy", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t", 2);
  const topic = quire.topic<unknown>("t");
  const send = (options: object): Promise<unknown> => topic.send("x", options);
  await assert.rejects(send({ kee: "a" }), (error: QuireError) => error.reason === "INVALID_SETTING" && error.message.includes("did you mean key"));
  await assert.rejects(send({ key: 7 }), { reason: "INVALID_FIELD" });
  await assert.rejects(send({ partition: 2 }), { reason: "PARTITION_NOT_FOUND" });
  await assert.rejects(send({ timestampMs: 1.5 }), { reason: "INVALID_SETTING" });
  await assert.rejects(send({ timestampMs: 9e15 }), { reason: "INVALID_SETTING" });
  await assert.rejects(send({ headers: { a: 5 as unknown as string } }), { reason: "INVALID_FIELD" });
  await assert.rejects(send({ headers: Array.from({ length: 101 }, () => ({ key: "a", value: "b" })) }), { reason: "INVALID_FIELD" });
  await assert.rejects(topic.send(undefined), { reason: "INVALID_FIELD" });
  await assert.rejects(topic.send(1n), TypeError);
  assert.throws(() => quire.topic("UPPER"), { reason: "INVALID_NAME" });
});

test("linger lets a batch grow though nothing is under way; flush does not wait for it", async (context) => {
  const { cluster, quire } = await connected(context, { lingerMs: 5_000 });
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  const sends = [topic.send("a")];
  await new Promise((resolve) => setTimeout(resolve, 30));
  sends.push(topic.send("b"));
  assert.equal(cluster.received.length, 0);
  await quire.flush();
  await Promise.all(sends);
  assert.deepEqual(
    cluster.received.map(({ batch }) => batch.batch?.recordCount),
    [2],
  );
});

test("close flushes, can be called twice, and nothing is taken afterwards", async (context) => {
  const { cluster, quire } = await connected(context, { lingerMs: 5_000, bufferBytesMax: 1024 * 1024 });
  cluster.createTopic("t");
  const topic = quire.topic<Uint8Array>("t");
  const sends = Array.from({ length: 30 }, () => topic.send(new Uint8Array(100_000)));
  const closing = [quire.close(), quire.close()];
  await assert.rejects(topic.send(Uint8Array.of(1)), { reason: "CANCELLED" });
  await Promise.all(closing);
  await Promise.all(sends);
  assert.equal(cluster.partition("t", 0).nextOffset, 30);
  await assert.rejects(topic.sendAll([Uint8Array.of(1)]), { reason: "CANCELLED" });
});

test("close with a time limit rejects what was not answered", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  cluster.onBatch = () => "swallow";
  const sent = assert.rejects(quire.topic("t").send("x"), { reason: "WRITE_OUTCOME_UNKNOWN" });
  await until(() => cluster.received.length === 1, "it is under way");
  await quire.close({ timeoutMs: 50 });
  await sent;
});

test("headers that are neither an object nor a list are refused", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  await assert.rejects(quire.topic("t").send("x", { headers: 5 as unknown as [] }), /headers are an object or a list, not number/);
});

test("one signal for many sends is no leak to warn of", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const warnings: string[] = [];
  const warned = (warning: Error): number => warnings.push(warning.name);
  process.on("warning", warned);
  context.after(() => process.off("warning", warned));
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 50 }, () => quire.topic<string>("t").send("x", { signal })));
  assert.deepEqual(warnings, []);
});
