import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, connect, type QuireError, type ReadFrom, type ReceivedRecord, type Topic, text } from "../../src/client/index.js";
import { connected, until } from "./harness.js";

/** Reads until `count` values came, calling `each` after every one. */
async function take(topic: Topic<string>, count: number, from: ReadFrom = "earliest", each: (taken: number) => void = () => {}): Promise<string[]> {
  const values: string[] = [];
  for await (const record of topic.read({ from })) {
    values.push(record.value);
    each(values.length);
    if (values.length === count) break;
  }
  return values;
}

const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, at) => `value ${from + at}`);

async function sendEach(topic: Topic<string>, values: readonly string[]): Promise<void> {
  for (const value of values) await topic.send(value);
}

test("reads from earliest, latest, an offset, offsets by partition, and a time", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t", 2);
  const topic = quire.topic<string>("t", { serializer: text });
  for (let at = 0; at < 5; at++) await topic.send(`p0 ${at}`, { partition: 0, timestampMs: 1_000 + at });
  for (let at = 0; at < 5; at++) await topic.send(`p1 ${at}`, { partition: 1, timestampMs: 2_000 + at });
  const all = async (from: ReadFrom): Promise<string[]> => {
    const values: string[] = [];
    for await (const { value } of topic.read({ from, to: "latest" })) values.push(value);
    return values.sort();
  };
  assert.equal((await all("earliest")).length, 10);
  assert.deepEqual(await all("latest"), []);
  assert.deepEqual(await all({ offset: 4 }), ["p0 4", "p1 4"]);
  assert.deepEqual(await all({ offsets: { 0: 5, 1: 3 } }), ["p1 3", "p1 4"]);
  await assert.rejects(all({ offsets: { 1: 6 } }), (error: QuireError) => {
    assert.deepEqual([error.reason, error.details["partition"], error.details["latest"]], ["OFFSET_OUT_OF_RANGE", 1, 5]);
    return true;
  });
  assert.deepEqual(await all(new Date(1_004)), ["p0 4", "p1 0", "p1 1", "p1 2", "p1 3", "p1 4"]);
  assert.deepEqual(await all({ timestampMs: 2_003 }), ["p1 3", "p1 4"]);
  assert.deepEqual(
    [...(await topic.offsets("latest"))],
    [
      [0, 5],
      [1, 5],
    ],
  );
});

test("reads some partitions, up to offsets", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t", 3);
  const topic = quire.topic<string>("t", { serializer: text });
  for (let at = 0; at < 30; at++) await topic.send(`${at}`, { partition: at % 3 });
  const offsets: [number, number][] = [];
  for await (const record of topic.read({ partitions: [1], to: { offset: 4 } })) offsets.push([record.partition, record.offset]);
  assert.deepEqual(offsets, [
    [1, 0],
    [1, 1],
    [1, 2],
    [1, 3],
  ]);
  assert.throws(() => topic.read({ partitions: [] }), { reason: "INVALID_SETTING" });
  await assert.rejects(topic.read({ partitions: [3] }).started(), { reason: "PARTITION_NOT_FOUND" });
});

test("from latest: what is sent after reading has started is not missed", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  await topic.send("before");
  const reader = topic.read({ from: "latest" });
  await reader.started();
  await topic.send("after");
  for await (const record of reader) {
    assert.equal(record.value, "after");
    break;
  }
});

test("each record comes once and in order while leaders move, connections break and streams fall silent", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  const values = numbered(300);
  const sending = sendEach(topic, values);
  const read = await take(topic, 300, "earliest", (taken) => {
    if (taken % 100 === 20) cluster.elect("t", 0, 1 + ((cluster.partition("t", 0).leader + 1) % 3), taken === 120);
    if (taken % 100 === 50) cluster.broker(cluster.partition("t", 0).leader).proxy.drop();
    if (taken % 100 !== 80) return;
    const leader = cluster.broker(cluster.partition("t", 0).leader);
    leader.mute = true;
    setTimeout(() => Object.assign(leader, { mute: false }), 300);
  });
  await sending;
  // A send that met a broken connection was repeated: its record is there twice, once in the log's order.
  assert.deepEqual(read, cluster.values("t").slice(0, 300));
});

test("batches that come again, old ones too, are not handed out again", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  cluster.broker(1).repeats = true;
  const topic = quire.topic<string>("t", { serializer: text });
  await sendEach(topic, numbered(20));
  const sendMore = (taken: number): void => {
    if (taken !== 20) return;
    cluster.broker(1).proxy.drop();
    void sendEach(topic, numbered(5, 20));
  };
  const read = await take(topic, 25, "earliest", sendMore);
  assert.deepEqual(read.slice(0, 21), numbered(21));
  assert.deepEqual([...new Set(read)].length >= 24, true, "only a send that met the broken connection may be there twice");
});

test("a leader that is cut off together with the broker we watch: reading goes on at the next one", async (context) => {
  const { cluster, quire } = await connected(context, {}, 5);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  await topic.send("before");
  const reading = take(topic, 2);
  await until(() => cluster.broker(1).subscribeStreams > 0, "it is read");
  cluster.cutOff(...cluster.brokers.filter((broker) => broker.nodeId === 1 || broker.metadataStreams > 0).map((broker) => broker.nodeId));
  const next = cluster.brokers.find((broker) => broker.stale === undefined)?.nodeId ?? 0;
  cluster.elect("t", 0, next);
  const other = await connect({ brokers: [cluster.broker(next).address] });
  context.after(() => other.close());
  await other.topic<string>("t", { serializer: text }).send("during");
  assert.deepEqual(await reading, ["before", "during"]);
});

test("a silent stream is opened again and continues where it was", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  await sendEach(topic, numbered(5));
  const leader = cluster.broker(1);
  const read = await take(topic, 10, "earliest", (taken) => {
    if (taken !== 5) return;
    leader.mute = true;
    void sendEach(topic, numbered(5, 5));
    void until(() => leader.subscribeStreams === 2, "the stream is opened again").then(() => {
      leader.mute = false;
    });
  });
  assert.deepEqual(read, numbered(10));
});

test("heartbeats keep a stream with nothing to say open", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  const reader = topic.read();
  await reader.started();
  await new Promise((resolve) => setTimeout(resolve, 600));
  await topic.send("x");
  for await (const record of reader) {
    assert.equal(record.value, "x");
    break;
  }
  assert.equal(cluster.broker(1).subscribeStreams, 1);
});

test("a consumer that does not take holds back the broker; one that does gets everything", async (context) => {
  const { cluster, quire } = await connected(context, { readAheadBytes: 65_536 });
  cluster.createTopic("t");
  const topic = quire.topic<Uint8Array>("t", { serializer: bytes });
  for (let at = 0; at < 60; at++) await topic.send(new Uint8Array(10_000).fill(at));
  const seen: number[] = [];
  for await (const record of topic.read({ to: "latest" })) {
    seen.push(record.value[0] ?? -1);
    if (seen.length > 1) continue;
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { sentBytes } = cluster.broker(1);
    assert.ok(sentBytes <= 65_536 + 10_100, `${sentBytes} bytes were sent to a consumer that took one record`);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 60 }, (_, at) => at),
  );
});

test("a consumer that does not take, on a stream that breaks again and again, costs bounded memory", async (context) => {
  const { cluster, quire } = await connected(context, { readAheadBytes: 65_536 });
  cluster.createTopic("t");
  const topic = quire.topic<Uint8Array>("t", { serializer: bytes });
  for (let at = 0; at < 100; at++) await topic.send(new Uint8Array(10_000));
  let read = 0;
  for await (const _ of topic.read({ to: "latest" })) {
    read += 1;
    if (read > 1) continue;
    for (let breaks = 0; breaks < 8; breaks++) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      cluster.broker(1).proxy.drop();
    }
    const { sentBytes } = cluster.broker(1);
    assert.ok(sentBytes < 3 * 65_536, `${sentBytes} bytes were sent through all streams`);
  }
  assert.equal(read, 100);
});

test("ends: by break, by close without an error, by its signal with the signal's reason, by the client's close", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  await topic.send("x");
  const drain = async (reader: AsyncIterable<ReceivedRecord<string>>, each: () => unknown): Promise<number> => {
    let count = 0;
    for await (const _ of reader) {
      count += 1;
      setTimeout(() => void each(), 20);
    }
    return count;
  };
  const closing = topic.read();
  assert.equal(await drain(closing, () => closing.close()), 1);
  const abort = new AbortController();
  await assert.rejects(
    drain(topic.read({ signal: abort.signal }), () => abort.abort(new Error("enough"))),
    { message: "enough" },
  );
  assert.equal(await drain(topic.read(), () => quire.close()), 1);
});

test("a reader that is closed, or whose time is up, before its topic is there does not hang", async (context) => {
  const { quire } = await connected(context);
  const topic = quire.topic<string>("nowhere");
  await assert.rejects(topic.read().started(), { reason: "TOPIC_NOT_FOUND" });
  const reader = topic.read();
  setTimeout(() => void reader.close(), 20);
  for await (const _ of reader) assert.fail("nothing is there");
  await assert.rejects(topic.read({ signal: AbortSignal.timeout(20) }).started(), { name: "TimeoutError" });
});

test("offsets that are gone: an error by default, or on from where records are", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  await sendEach(topic, numbered(10));
  cluster.partition("t", 0).logStart = 4;
  await assert.rejects(take(topic, 1, { offset: 1 }), { reason: "OFFSET_OUT_OF_RANGE" });
  for await (const record of topic.read({ from: { offset: 1 }, outOfRange: "earliest" })) {
    assert.equal(record.offset, 4);
    break;
  }
  assert.deepEqual(await take(topic, 1, "earliest"), ["value 4"]);
});

test("a deleted topic ends the reading with its reason; a topic that grows is followed", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t", 1);
  const topic = quire.topic<string>("t", { serializer: text });
  await topic.send("0");
  const read: string[] = [];
  await assert.rejects(
    async () => {
      for await (const record of topic.read()) {
        read.push(`${record.partition}:${record.value}`);
        if (read.length === 1) {
          cluster.topics.get("t")?.partitions.push({ leader: 2, term: 1, logStart: 0, nextOffset: 0, batches: [] });
          cluster.changed();
          setTimeout(() => void topic.send("1", { partition: 1 }), 50);
        } else await topic.delete();
      }
    },
    { reason: "TOPIC_NOT_FOUND" },
  );
  assert.deepEqual(read, ["0:0", "1:1"]);
});

test("the same by batch; records below the position in a batch are left out", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  await topic.sendAll(numbered(100));
  const values: string[] = [];
  for await (const batch of topic.read({ from: { offset: 42 }, to: { offset: 90 } }).batches()) {
    assert.equal(batch.size, batch.to - batch.from);
    for (const record of batch) values.push(record.value);
  }
  assert.deepEqual(values, numbered(48, 42));
});

test("a batch with another checksum than it was written with is refused", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t", { serializer: text });
  await topic.send("x");
  cluster.partition("t", 0).batches[0]?.body.fill(7);
  await assert.rejects(take(topic, 1), (error: QuireError) => error.reason === "CORRUPT_BATCH");
});

test("a reader is told of its misspelt options, and iterated once", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic("t");
  assert.throws(() => topic.read({ form: "earliest" } as object), /did you mean from/);
  assert.throws(() => topic.read({ from: "first" as "earliest" }), /earliest/);
  assert.throws(() => topic.read({ from: { offset: -1 } }), /whole numbers/);
  const reader = topic.read({ to: "latest" });
  for await (const _ of reader) assert.fail("nothing is there");
  await assert.rejects(reader[Symbol.asyncIterator]().next(), { reason: "UNSUPPORTED" });
});

test("the metadata stream is opened at another broker when its own dies or falls silent", async (context) => {
  const { cluster, quire } = await connected(context, { keepaliveTimeMs: 60_000 });
  const watched = (): number => cluster.brokers.reduce((sum, broker) => sum + broker.metadataStreams, 0);
  const first = cluster.brokers.find((broker) => broker.metadataStreams > 0);
  first?.proxy.kill();
  await until(() => watched() === 2, "another is watched");
  cluster.createTopic("t");
  const second = cluster.brokers.find((broker) => broker !== first && broker.metadataStreams > 0);
  second?.proxy.freeze();
  await until(() => watched() >= 3, "a third is watched");
  second?.proxy.restore();
  first?.proxy.restore();
  assert.equal((await quire.topic("t").partitions()).length, 1);
});
