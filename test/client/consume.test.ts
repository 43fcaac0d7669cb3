import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { connect, HandlerFailure, type Quire, type ReceivedRecord, type Topic, text } from "../../src/client/index.js";
import type { FakeCluster } from "../support/fake-cluster.js";
import { connected, gate, until } from "./harness.js";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A cluster with a topic of so many partitions, each with so many records. */
async function withRecords(
  context: Parameters<typeof connected>[0],
  partitions: number,
  records: number,
): Promise<{ cluster: FakeCluster; quire: Quire; topic: Topic<string> }> {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t", partitions);
  const topic = quire.topic<string>("t", { serializer: text });
  for (let partition = 0; partition < partitions; partition++) {
    await topic.sendAll(
      Array.from({ length: records }, (_, at) => `${partition}:${at}`),
      { partition },
    );
  }
  return { cluster, quire, topic };
}

/** What a handler was given, by partition. */
class Seen {
  readonly all: string[] = [];
  readonly handler = (record: ReceivedRecord<string>): void => {
    this.all.push(record.value);
  };

  inOrder(partition: number): string[] {
    return this.all.filter((value) => value.startsWith(`${partition}:`));
  }
}

const numbered = (partition: number, count: number): string[] => Array.from({ length: count }, (_, at) => `${partition}:${at}`);

test("a consumer alone gets every record of every partition in order, and commits behind the last one done", async (context) => {
  const { cluster, topic } = await withRecords(context, 3, 50);
  const seen = new Seen();
  const consumer = await topic.consume("g", seen.handler, { commitIntervalMs: 5 });
  await until(() => seen.all.length === 150, "all are seen");
  for (const partition of [0, 1, 2]) assert.deepEqual(seen.inOrder(partition), numbered(partition, 50));
  await until(() => consumer.assignment().every(({ committed }) => committed === 50), "all is committed");
  for (const partition of [0, 1, 2]) assert.equal(cluster.groups.committed("g", `t/${partition}`), 50);
  assert.deepEqual(
    consumer.assignment().map(({ partition, position, committed, highWatermark }) => [partition, position, committed, highWatermark]),
    [0, 1, 2].map((partition) => [partition, 50, 50, 50]),
  );
  await consumer.close();
  await consumer.done;
  assert.equal(cluster.groups.group("g").members.size, 0);
});

test("the next consumer of the group goes on where the one before has committed", async (context) => {
  const { topic } = await withRecords(context, 1, 10);
  const first = new Seen();
  const one = await topic.consume("g", first.handler);
  await until(() => first.all.length === 10, "all are seen");
  await one.close();
  await topic.send("0:10", { partition: 0 });
  const second = new Seen();
  const two = await topic.consume("g", second.handler);
  await until(() => second.all.length > 0, "the new one is seen");
  await two.close();
  assert.deepEqual(second.all, ["0:10"]);
});

test("a second member gets its share once the first has finished and committed it; what stays notices nothing", async (context) => {
  const { cluster, topic } = await withRecords(context, 2, 5);
  const hold = gate();
  const first: string[] = [];
  const aborted: number[] = [];
  const one = await topic.consume("g", async (record, { signal }) => {
    if (record.offset === 3) await hold.opened;
    first.push(record.value);
    if (signal.aborted) aborted.push(record.partition);
  });
  await until(() => first.length === 6, "both partitions are at their fourth record");
  const second = new Seen();
  const two = await topic.consume("g", second.handler);
  await sleep(50);
  assert.deepEqual(second.all, [], "nobody else begins what is under way");
  hold.open();
  await until(() => first.length + second.all.length === 10, "all is done");
  assert.deepEqual(second.all, ["1:4"], "the second goes on behind the record that was under way");
  assert.deepEqual(aborted, []);
  assert.equal(cluster.groups.committed("g", "t/1"), 5 - 1 + (second.all.length === 1 ? 0 : 1));
  await Promise.all([one.close(), two.close()]);
  assert.equal(cluster.groups.committed("g", "t/1"), 5);
});

test("a close finishes what is under way, commits it, and leaves at once", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 10);
  const hold = gate();
  const seen: number[] = [];
  const consumer = await topic.consume(
    "g",
    async ({ offset }) => {
      seen.push(offset);
      if (offset === 2) await hold.opened;
    },
    { commitIntervalMs: 60_000 },
  );
  await until(() => seen.length === 3, "the third is under way");
  const closed = consumer.close();
  await sleep(30);
  assert.equal(cluster.groups.group("g").members.size, 1, "it waits for the handler");
  hold.open();
  await closed;
  assert.deepEqual([seen, cluster.groups.committed("g", "t/0"), cluster.groups.group("g").members.size], [[0, 1, 2], 3, 0]);
});

test("a handler that outlasts the drain is told to stop, and its record comes again", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 3);
  const consumer = await topic.consume(
    "g",
    (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("stopped")))),
    { drainTimeoutMs: 20 },
  );
  await until(() => consumer.assignment()[0]?.position === 0, "it is at work");
  await sleep(20);
  await consumer.close();
  await consumer.done;
  assert.equal(cluster.groups.committed("g", "t/0"), undefined);
});

test("a handler that throws is called again, then the consumer stops, and says where", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 10);
  const attempts: number[] = [];
  const consumer = await topic.consume(
    "g",
    ({ offset }, { attempt }) => {
      if (offset !== 4) return;
      attempts.push(attempt);
      throw new Error("poison");
    },
    { retries: { attempts: 3, delayMsMin: 1, delayMsMax: 2 } },
  );
  await assert.rejects(consumer.done, (error: HandlerFailure) => {
    assert.ok(error instanceof HandlerFailure);
    assert.deepEqual([error.topic, error.partition, error.offset, error.attempts, (error.cause as Error).message], ["t", 0, 4, 3, "poison"]);
    return true;
  });
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.deepEqual([cluster.groups.committed("g", "t/0"), cluster.groups.group("g").members.size], [4, 0]);
});

test("what ended a consumer is no secret when nobody looks at done: it ends the process, as rejections do", async (context) => {
  const { topic } = await withRecords(context, 1, 1);
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  const unhandled: unknown[] = [];
  process.on("unhandledRejection", (why) => unhandled.push(why));
  try {
    await topic.consume("g", () => assert.fail("poison"), { retries: { attempts: 1 } });
    await until(() => unhandled.length > 0, "it is heard of");
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of others) process.on("unhandledRejection", listener);
  }
  assert.ok(unhandled[0] instanceof HandlerFailure);
});

test("what cannot be handled is skipped, or sent to the dead-letter topic before it is committed, as asked", async (context) => {
  const { cluster, quire, topic } = await withRecords(context, 1, 3);
  cluster.createTopic("dead");
  const failing = async ({ offset }: { offset: number }): Promise<void> => {
    if (offset === 1) throw new Error("poison");
  };
  const retries = { attempts: 2, delayMsMin: 1, delayMsMax: 1 };
  const skipping = await topic.consume("skip", failing, { retries, onFailure: "skip" });
  const burying = await topic.consume("bury", failing, { retries, onFailure: { deadLetter: "dead" } });
  await until(() => ["skip", "bury"].every((group) => cluster.groups.committed(group, "t/0") === 3), "both are through");
  await Promise.all([skipping.close(), burying.close()]);
  let dead: ReceivedRecord<string> | undefined;
  for await (const record of quire.topic<string>("dead", { serializer: text }).read({ to: "latest" })) dead = record;
  assert.equal(dead?.value, "0:1");
  const headers = Object.fromEntries((dead?.headers ?? []).map(({ key, value }) => [key.replace("quire-dead-letter-", ""), value.toString()]));
  const { "timestamp-ms": at, ...others } = headers;
  assert.ok(Number(at) > 0);
  assert.deepEqual(others, { topic: "t", partition: "0", offset: "1", group: "bury", attempts: "2", error: "poison" });
  await assert.rejects(topic.consume("g", failing, { onFailure: { deadLetter: "nowhere" } }), { reason: "TOPIC_NOT_FOUND" });
  await assert.rejects(topic.consume("g", failing, { onFailure: { deadLetter: "t" } }), { reason: "INVALID_SETTING" });
});

test("commit before: nothing is handled that is not committed", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 250);
  const early: number[] = [];
  let seen = 0;
  const consumer = await topic.consume(
    "g",
    ({ offset }) => {
      seen += 1;
      if ((cluster.groups.committed("g", "t/0") ?? 0) <= offset) early.push(offset);
    },
    { commit: "before" },
  );
  await until(() => seen === 250, "all are seen");
  assert.deepEqual(early, []);
  await consumer.close();
});

test("commit by hand: what was not committed comes again, and a commit resolves when it is there", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 10);
  let seen = 0;
  const consumer = await topic.consume(
    "g",
    async ({ offset }, { commit: _, ...context_ }) => {
      seen += 1;
      assert.equal(context_.attempt, 1);
      return offset;
    },
    { commit: "manual" },
  );
  await until(() => seen === 10, "all are seen");
  await consumer.close();
  assert.equal(cluster.groups.committed("g", "t/0"), undefined);
  const done = gate();
  const again = await topic.consume(
    "g",
    async ({ offset }, handled) => {
      if (offset !== 6) return;
      await handled.commit();
      assert.equal(cluster.groups.committed("g", "t/0"), 7);
      done.open();
    },
    { commit: "manual" },
  );
  await done.opened;
  await again.close();
  const automatic = await topic.consume("g", (_, handled) => assert.rejects(handled.commit(), { reason: "UNSUPPORTED" }));
  await until(() => cluster.groups.committed("g", "t/0") === 10, "the rest is done");
  await automatic.close();
});

test("commits are gathered: one request per leader at a time, however many records are done meanwhile", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 500);
  let open = 0;
  let most = 0;
  cluster.groups.onCommit = async () => {
    most = Math.max(most, ++open);
    await sleep(5);
    open -= 1;
    return undefined;
  };
  const consumer = await topic.consume("g", () => sleep(0), { commitIntervalMs: 0 });
  await until(() => cluster.groups.committed("g", "t/0") === 500, "all is committed");
  await consumer.close();
  assert.equal(most, 1);
  assert.ok(cluster.groups.requests < 250, `${cluster.groups.requests} requests`);
});

test("a commit that fails for the moment is repeated; one that others' generation refuses loses the partition, which comes anew", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 4);
  let failures = 2;
  cluster.groups.onCommit = () => (failures-- > 0 ? new QuireError("LEADER_UNKNOWN", "an election is under way") : undefined);
  const seen: number[] = [];
  const reasons: unknown[] = [];
  const consumer = await topic.consume(
    "g",
    async ({ offset }, { signal }) => {
      seen.push(offset);
      if (offset !== 4 || seen.length > 5) return;
      cluster.groups.steal("g", "t/0");
      await topic.send("0:5", { partition: 0 });
      signal.addEventListener("abort", () => reasons.push((signal.reason as QuireError).reason));
    },
    { commitIntervalMs: 1 },
  );
  await until(() => cluster.groups.committed("g", "t/0") === 4, "it is committed in the end");
  await topic.send("0:4", { partition: 0 });
  await until(() => consumer.assignment().length === 0, "the partition is lost");
  assert.equal(cluster.groups.committed("g", "t/0"), 4);
  cluster.groups.group("g").owners.clear();
  cluster.groups.rebalance("g");
  await until(() => cluster.groups.committed("g", "t/0") === 6, "it goes on from what was committed");
  assert.deepEqual(reasons, ["STALE_GENERATION"]);
  assert.ok(seen.filter((offset) => offset === 4).length === 2, "at least once");
  await consumer.close();
});

test("from latest: what comes after is not missed, even by the next consumer", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 5);
  const seen = new Seen();
  const consumer = await topic.consume("g", seen.handler, { from: "latest" });
  await until(() => cluster.groups.committed("g", "t/0") === 5, "the place is committed");
  await consumer.close();
  await topic.send("0:5", { partition: 0 });
  const next = await topic.consume("g", seen.handler, { from: "latest" });
  await until(() => seen.all.length === 1, "it is seen");
  await next.close();
  assert.deepEqual(seen.all, ["0:5"]);
});

test("records that are gone by retention: on from the earliest, with a warning", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 10);
  cluster.groups.group("g").offsets.set("t/0", { offset: 2, generation: 0 });
  cluster.partition("t", 0).logStart = 6;
  const warnings: string[] = [];
  const logger = { debug() {}, info() {}, error() {}, warn: (_: object, message: string) => warnings.push(message), child: () => logger };
  await using quire = await connect({ brokers: cluster.addresses, logger });
  const seen: number[] = [];
  await quire.topic("t").consume("g", ({ offset }) => seen.push(offset));
  await until(() => seen.length === 4, "the rest is seen");
  assert.deepEqual([seen, warnings.length], [[6, 7, 8, 9], 1]);
  assert.ok(topic.name === "t");
});

test("from latest, records gone amid the work: the place that is gone on from is committed before any record comes", async (context) => {
  const { cluster, topic } = await withRecords(context, 1, 10);
  const seen = new Seen();
  cluster.groups.group("g").offsets.set("t/0", { offset: 8, generation: 0 });
  const consumer = await topic.consume("g", seen.handler, { from: "latest" });
  await until(() => cluster.groups.committed("g", "t/0") === 10, "what is there is done");
  consumer.pause();
  for (let at = 10; at < 15; at++) await topic.send(`0:${at}`, { partition: 0 });
  cluster.partition("t", 0).logStart = 12;
  consumer.resume();
  await until(() => cluster.groups.committed("g", "t/0") === 15, "the new place is committed");
  await topic.send("0:15", { partition: 0 });
  await until(() => seen.all.length === 3, "it goes on there");
  await consumer.close();
  assert.deepEqual(seen.all, ["0:8", "0:9", "0:15"]);
});

test("paused, nothing more begins; resumed, it goes on, each partition by itself too", async (context) => {
  const { topic } = await withRecords(context, 2, 3);
  const seen = new Seen();
  const consumer = await topic.consume("g", seen.handler);
  await until(() => seen.all.length === 6, "all are seen");
  consumer.pause();
  for (const partition of [0, 1]) await topic.send(`${partition}:3`, { partition });
  await sleep(50);
  assert.equal(seen.all.length, 6);
  consumer.resume([{ topic: "t", partition: 0 }]);
  consumer.pause([{ topic: "t", partition: 1 }]);
  await sleep(30);
  assert.equal(seen.all.length, 6, "all is still paused");
  consumer.resume();
  await until(() => seen.all.length === 8, "both go on");
  consumer.pause([{ topic: "t", partition: 1 }]);
  for (const partition of [0, 1]) await topic.send(`${partition}:4`, { partition });
  await until(() => seen.all.length === 9, "one goes on");
  await sleep(30);
  assert.deepEqual(seen.inOrder(1), numbered(1, 4));
  await consumer.close();
});

test("slow partitions hold back themselves, not the others, and not more than a bounded part is read ahead", async (context) => {
  const { cluster, quire } = await connected(context, { readAheadBytes: 65_536 });
  cluster.createTopic("t", 6);
  for (let partition = 1; partition < 6; partition++) cluster.elect("t", partition, 1);
  const topic = quire.topic<Uint8Array>("t", { serializer: { serialize: (value) => value, deserialize: (read) => read ?? Buffer.alloc(0) } });
  for (let at = 0; at < 40; at++) for (let partition = 0; partition < 6; partition++) await topic.send(new Uint8Array(10_000), { partition });
  const hold = gate();
  const seen = [0, 0, 0, 0, 0, 0];
  const consumer = await topic.consume("g", async ({ partition }) => {
    if (partition > 0) await hold.opened;
    seen[partition] = (seen[partition] ?? 0) + 1;
  });
  await until(() => seen[0] === 40, "the other partition is through");
  assert.deepEqual(seen, [40, 0, 0, 0, 0, 0]);
  assert.ok(cluster.broker(1).sentBytes < 400_000 + 5 * 65_536 + 100_000, `${cluster.broker(1).sentBytes} bytes were sent`);
  hold.open();
  await until(() => seen.every((count) => count === 40), "the slow ones too");
  await consumer.close();
});

test("concurrency bounds how many partitions are worked at; of each it is one record at a time", async (context) => {
  const { topic } = await withRecords(context, 4, 5);
  let open = 0;
  let most = 0;
  let done = 0;
  const consumer = await topic.consume(
    "g",
    async () => {
      most = Math.max(most, ++open);
      await sleep(2);
      open -= 1;
      done += 1;
    },
    { concurrency: 2 },
  );
  await until(() => done === 20, "all are done");
  assert.equal(most, 2);
  await consumer.close();
});
