import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { nodeId, term } from "../../src/base/ids.js";
import { fetchService } from "../../src/wire/services.js";
import { fromStatus } from "../../src/wire/status.js";
import { grpcFrame, openDeaf } from "../support/deaf-client.js";
import { type Message, type Stream, stalls, until } from "../support/stubs.js";
import { type EdgeOptions, startEdge } from "./edge-fixture.js";

const NAMED = { earliest: { named: 1 }, latest: { named: 2 } } as const;
const MUCH = 1e12;
const add = (subscriptionId: number, change: Message = {}): Message => ({
  add: { subscriptionId, topic: "orders", partition: 0, position: NAMED.earliest, ...change },
});
const credit = (totalBytes: number): Message => ({ credit: { totalBytes } });

async function subscribed(context: TestContext, partitions = 1, options: EdgeOptions = {}) {
  const edge = await startEdge(context, options);
  edge.view.addTopic("orders", partitions);
  const replicas = Array.from({ length: partitions }, (_, partition) => edge.lead("orders", partition));
  const [replica] = replicas;
  assert.ok(replica !== undefined);
  const stream = edge.stubs.open("FetchService.Subscribe");
  context.after(() => stream.call.cancel());
  return { ...edge, replicas, replica, stream };
}

/** The next step, which must be of this kind. */
async function step(stream: Stream, kind: string): Promise<Message> {
  const message = await stream.next();
  assert.equal(message.step, kind, JSON.stringify(message));
  return message[kind];
}
const bytesOf = (stream: Stream): number =>
  stream.received
    .filter(({ step: kind }) => kind === "batches")
    .reduce((sum, { batches }) => sum + batches.batches.reduce((inner: number, { records }: Message) => inner + records.length, 0), 0);

test("a subscription starts, gets what is there, is told that it has caught up, and gets what comes", async (context) => {
  const { replica, stream } = await subscribed(context);
  replica.add(["a", "b"]);
  stream.send(credit(MUCH));
  stream.send(add(5));
  const started = await step(stream, "started");
  assert.deepEqual([started.subscriptionId, started.offset, started.leader.nodeId, started.leader.term], [5, 0, 1, 3]);
  const first = await step(stream, "batches");
  assert.deepEqual([first.subscriptionId, first.batches[0].baseOffset, first.batches[0].recordCount, first.highWatermark], [5, 0, 2, 2]);
  assert.deepEqual(await step(stream, "caughtUp"), { subscriptionId: 5, offset: 2 });
  replica.add(["c"]);
  assert.equal((await step(stream, "batches")).batches[0].baseOffset, 2);
  replica.add(["d"]);
  assert.equal((await step(stream, "batches")).batches[0].baseOffset, 3, "no CaughtUp that the high watermark tells as well");
});

test("positions are earliest, latest, an offset, a time", async (context) => {
  const { replica, stream } = await subscribed(context);
  replica.add(["a"], 100);
  replica.add(["b"], 200);
  stream.send(add(1, { position: NAMED.latest }));
  stream.send(add(2, { position: { offset: 1 } }));
  stream.send(add(3, { position: { timestampMs: 150 } }));
  stream.send(add(4, { position: NAMED.earliest }));
  const offsets = new Map<number, number>();
  while (offsets.size < 4) {
    const started = await step(stream, "started");
    offsets.set(started.subscriptionId, started.offset);
  }
  assert.deepEqual([...offsets].sort(), [
    [1, 2],
    [2, 1],
    [3, 1],
    [4, 0],
  ]);
});

test("without credit nothing is sent; with some, as much as it allows and at most one batch more", async (context) => {
  const { replica, stream } = await subscribed(context);
  for (let i = 0; i < 20; i++) replica.add(["x".repeat(10_000)]);
  stream.send(add(1));
  await step(stream, "started");
  await stalls(() => stream.received.length);
  assert.equal(bytesOf(stream), 0);
  stream.send(credit(1));
  await stalls(() => stream.received.length);
  assert.ok(bytesOf(stream) > 10_000 && bytesOf(stream) < 10_100, "one batch larger than what is left");
  stream.send(credit(50_000));
  await stalls(() => stream.received.length);
  assert.ok(bytesOf(stream) >= 40_000 && bytesOf(stream) < 61_000, `${bytesOf(stream)} bytes for 50,000 of credit`);
  stream.send(credit(10));
  stream.send(credit(MUCH));
  await stream.until(() => bytesOf(stream) > 200_000);
});

/** Clients that give credit and read nothing; returns how many bytes were read for them by the time nothing moves. */
async function readForDeaf(context: TestContext, clients: number, recordBytes: number): Promise<number> {
  const { replica, server } = await subscribed(context, 1, { limits: { streamsMax: clients + 1 } });
  let read = 0;
  const { readCached } = replica.log;
  Object.defineProperty(replica.log, "readCached", {
    value: (...range: Parameters<typeof readCached>) => {
      const frames = readCached(...range);
      read += frames?.reduce((sum, { body }) => sum + body.length, 0) ?? 0;
      return frames;
    },
  });
  for (let i = 0; i < 200; i++) replica.add(["x".repeat(recordBytes)]);
  const { requestSerialize } = fetchService.Subscribe;
  const streams = Array.from({ length: clients }, () => openDeaf(context, server.address, "/quire.v1.FetchService/Subscribe"));
  for (const stream of streams) stream.write(grpcFrame(requestSerialize({ step: "credit", credit: { totalBytes: MUCH } })));
  // All streams stand before any is served: those served earlier may have more.
  await Promise.all(streams.map((stream) => once(stream, "response")));
  const position = { position: "named", named: 1 } as const;
  for (const stream of streams) stream.write(grpcFrame(requestSerialize({ step: "add", add: { subscriptionId: 1, topic: "orders", partition: 0, position } })));
  await until(() => read > 0);
  await stalls(() => read);
  return read;
}

test("a client that does not read costs bounded memory", async (context) => {
  const read = await readForDeaf(context, 1, 60_000);
  assert.ok(read < 3_000_000, `${read} bytes were read for a client that takes none`);
});

test("a hundred clients that do not read cost what all may have waiting together, not a hundred times the most for one", async (context) => {
  const read = await readForDeaf(context, 100, 20_000);
  assert.ok(read < 40_000_000, `${read} bytes were read for clients that take none`);
});

test("subscriptions take turns", async (context) => {
  const { replicas, stream } = await subscribed(context, 2);
  for (let i = 0; i < 40; i++) replicas[0]?.add(["x".repeat(60_000)]);
  replicas[1]?.add(["y"]);
  stream.send(add(1, { partition: 0 }));
  stream.send(add(2, { partition: 1 }));
  await step(stream, "started");
  await step(stream, "started");
  stream.send(credit(MUCH));
  await stream.until(() => bytesOf(stream) > 40 * 60_000);
  const order = stream.received.filter(({ step: kind }) => kind === "batches").map(({ batches }) => batches.subscriptionId);
  assert.ok(order.indexOf(2) <= 1, `turns: ${order}`);
});

test("a seek goes on elsewhere, and nothing of the old place follows its Started", async (context) => {
  const { replica, stream } = await subscribed(context);
  for (let i = 0; i < 50; i++) replica.add([`${i}`]);
  replica.cached = false;
  stream.send(credit(MUCH));
  stream.send(add(1));
  await step(stream, "started");
  stream.send({ seek: { subscriptionId: 1, position: { offset: 40 } } });
  stream.send({ seek: { subscriptionId: 1, position: { offset: 45 } } });
  let started = 0;
  for (;;) {
    const message = await stream.next();
    if (message.step === "started") {
      started += 1;
      assert.equal(message.started.offset, started === 1 ? 40 : 45);
    }
    if (started === 2 && message.step === "batches") {
      assert.equal(message.batches.batches[0].baseOffset, 45);
      break;
    }
  }
});

test("a removed subscription ends without an error, and the stream goes on", async (context) => {
  const { replica, stream } = await subscribed(context);
  stream.send(credit(MUCH));
  stream.send(add(1));
  await step(stream, "started");
  await step(stream, "caughtUp");
  stream.send({ remove: { subscriptionId: 1 } });
  const end = await step(stream, "end");
  assert.deepEqual([end.subscriptionId, end.error, end.leader.nodeId], [1, null, 1]);
  assert.equal(replica.watchers.size, 0);
  stream.send({ remove: { subscriptionId: 1 } });
  assert.equal(fromStatus((await step(stream, "end")).error).reason, "SUBSCRIPTION_NOT_FOUND");
  stream.send(add(1));
  await step(stream, "started");
});

test("a lost leadership ends the subscription with the way to the leader, and not the stream", async (context) => {
  const { replicas, view, stream } = await subscribed(context, 2);
  stream.send(credit(MUCH));
  stream.send(add(1));
  stream.send(add(2, { partition: 1 }));
  await stream.until(() => stream.received.filter(({ step: kind }) => kind === "caughtUp").length === 2);
  const seen = stream.received.length;
  view.setLeader({ topic: "orders", partition: 0 }, 2, 8);
  replicas[0]?.stepDown({ nodeId: nodeId(2), term: term(8) });
  await stream.until(() => stream.received.length > seen);
  const { end } = stream.received[seen];
  assert.equal(end.subscriptionId, 1);
  assert.equal(fromStatus(end.error).reason, "NOT_LEADER");
  assert.deepEqual(end.leader, { nodeId: 2, address: "127.0.0.1:2", term: 8 });
  replicas[1]?.add(["a"]);
  await stream.until(() => stream.received.length > seen + 1);
  assert.equal(stream.received[seen + 1].batches.subscriptionId, 2);
});

test("what cannot be read is said per subscription", async (context) => {
  const { stream } = await subscribed(context, 1, { limits: { subscriptionsPerStreamMax: 1 } });
  const reasonOf = async (message: Message): Promise<string> => {
    stream.send(message);
    return fromStatus((await step(stream, "end")).error).reason;
  };
  assert.equal(await reasonOf(add(1, { topic: "nothing" })), "TOPIC_NOT_FOUND");
  assert.equal(await reasonOf(add(1, { partition: 3 })), "PARTITION_NOT_FOUND");
  assert.equal(await reasonOf(add(1, { position: { offset: 7 } })), "OFFSET_OUT_OF_RANGE");
  stream.send(add(1));
  await step(stream, "started");
  assert.equal(await reasonOf(add(2)), "TOO_MANY_STREAMS");
});

test("a step that makes no sense ends the stream with the field's name", async (context) => {
  const { stubs, view, lead } = await startEdge(context);
  view.addTopic("orders");
  lead("orders", 0);
  const bad: readonly (readonly [Message, string, string])[] = [
    [{}, "INVALID_FIELD", "step"],
    [add(0), "INVALID_FIELD", "add.subscription_id"],
    [add(-1), "INVALID_FIELD", "add.subscription_id"],
    [add(1, { topic: "!" }), "INVALID_NAME", "add.topic"],
    [add(1, { partition: -1 }), "INVALID_FIELD", "add.partition"],
    [add(1, { position: null }), "INVALID_FIELD", "add.position"],
    [add(1, { position: { named: 8 } }), "INVALID_FIELD", "add.position.named"],
    [{ seek: { subscriptionId: 0, position: NAMED.latest } }, "INVALID_FIELD", "seek.subscription_id"],
    [{ seek: { subscriptionId: 1 } }, "INVALID_FIELD", "seek.position"],
    [{ remove: { subscriptionId: -4 } }, "INVALID_FIELD", "remove.subscription_id"],
    [credit(-1), "INVALID_FIELD", "credit.total_bytes"],
  ];
  for (const [message, reason, field] of bad) {
    const stream = stubs.open("FetchService.Subscribe");
    stream.send(message);
    const error = await stream.endsWith(reason as "INVALID_FIELD");
    assert.equal(error?.fields[0]?.field, field);
  }
  const twice = stubs.open("FetchService.Subscribe");
  twice.send(add(1));
  twice.send(add(1));
  await twice.endsWith("SUBSCRIPTION_ALREADY_EXISTS");
});

test("a silent stream carries heartbeats", async (context) => {
  const { stream } = await subscribed(context, 1, { limits: { streamHeartbeatMs: 40 } });
  stream.send(add(1));
  await stream.until(() => stream.received.filter(({ step: kind }) => kind === "heartbeat").length >= 3);
});

test("a client that half-closes gets what its credit allows, then the stream ends", async (context) => {
  const { replica, stream } = await subscribed(context);
  for (let i = 0; i < 10; i++) replica.add(["x".repeat(1_000)]);
  stream.send(add(1));
  stream.send(credit(5_000));
  stream.call.end();
  await stream.endsWith("ok");
  assert.ok(bytesOf(stream) >= 5_000 && bytesOf(stream) < 6_100);
  await until(() => replica.watchers.size === 0);
});
