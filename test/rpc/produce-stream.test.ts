import assert from "node:assert/strict";
import { test } from "node:test";
import { term } from "../../src/base/ids.js";
import { produceService } from "../../src/wire/services.js";
import { fromStatus } from "../../src/wire/status.js";
import { batchOf } from "../support/batches.js";
import { grpcFrame, openDeaf } from "../support/deaf-client.js";
import { type Message, type Stream, stalls, until } from "../support/stubs.js";
import { startEdge } from "./edge-fixture.js";

/** A batch as the generated stubs take it. */
const message = (correlationId: number, values: readonly string[], change: Message = {}): Message => {
  const { body, crc32, ...batch } = batchOf(values);
  return { correlationId, topic: "orders", partition: 0, batch: { ...batch, crc32, records: body }, ...change };
};

async function results(stream: Stream, count: number): Promise<Message[]> {
  const all = (): Message[] => stream.received.flatMap((response: Message) => response.results);
  await stream.until(() => all().length >= count || stream.ended !== undefined);
  return all();
}

test("batches of several partitions in one message each get their outcome", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 2);
  lead("orders", 0);
  lead("orders", 1);
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: [message(7, ["a", "b"]), message(8, ["c"], { partition: 1 }), message(9, ["d"])] });
  const outcomes = (await results(stream, 3)).sort((a, b) => a.correlationId - b.correlationId);
  assert.deepEqual(
    outcomes.map(({ correlationId, baseOffset, replicasOnDisk, error }) => [correlationId, baseOffset, replicasOnDisk, error]),
    [
      [7, 0, 2, null],
      [8, 0, 2, null],
      [9, 2, 2, null],
    ],
  );
  assert.equal(outcomes[0].leader.nodeId, 1);
  assert.equal(outcomes[0].leader.term, 3);
  assert.match(outcomes[0].leader.address, /^127\.0\.0\.1:\d+$/);
  stream.call.end();
  await stream.endsWith("ok");
});

test("outcomes of one partition leave in the order of its batches, refusals too", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 2);
  const replica = lead("orders", 0);
  lead("orders", 1);
  replica.commits = false;
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: [message(1, ["a"]), message(2, ["b"], { acks: 99 }), message(3, ["c"], { partition: 1 })] });
  assert.deepEqual(
    (await results(stream, 1)).map(({ correlationId }) => correlationId),
    [3],
    "another partition does not wait",
  );
  replica.commitAll();
  const outcomes = await results(stream, 3);
  assert.deepEqual(
    outcomes.map(({ correlationId }) => correlationId),
    [3, 1, 2],
  );
  assert.equal(fromStatus(outcomes[2].error).reason, "INVALID_FIELD");
  stream.call.cancel();
});

test("a broker that does not lead says so in band, with the way to the leader, and the stream goes on", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 2);
  view.setLeader({ topic: "orders", partition: 0 }, 2, 5);
  lead("orders", 1);
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: [message(1, ["a"])] });
  const [refused] = await results(stream, 1);
  const error = fromStatus(refused.error);
  assert.equal(error.reason, "NOT_LEADER");
  assert.deepEqual(refused.leader, { nodeId: 2, address: "127.0.0.1:2", term: 5 });
  assert.equal(error.details["leaderAddress"], "127.0.0.1:2");
  stream.send({ batches: [message(2, ["a"], { partition: 1 })] });
  assert.equal((await results(stream, 2))[1].error, null);
  stream.call.cancel();
});

test("every bad field of a batch is refused in band, and nothing is appended", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  const replica = lead("orders", 0);
  const { batch } = message(0, ["a"]);
  const bad: readonly (readonly [Message, string])[] = [
    [{ topic: "" }, "INVALID_NAME"],
    [{ topic: "Orders!" }, "INVALID_NAME"],
    [{ topic: "nothing" }, "TOPIC_NOT_FOUND"],
    [{ partition: -1 }, "INVALID_FIELD"],
    [{ partition: 1 }, "PARTITION_NOT_FOUND"],
    [{ partition: 1_000_000 }, "INVALID_FIELD"],
    [{ acks: 3 }, "INVALID_FIELD"],
    [{ timeoutMs: -1 }, "INVALID_FIELD"],
    [{ timeoutMs: 300_001 }, "INVALID_FIELD"],
    [{ batch: null }, "INVALID_FIELD"],
    [{ batch: { ...batch, recordCount: 0 } }, "CORRUPT_BATCH"],
    [{ batch: { ...batch, crc32: 1 } }, "CORRUPT_BATCH"],
    [{ batch: { ...batch, compression: 12 } }, "UNSUPPORTED"],
    [{ batch: { ...batch, records: Buffer.from("not records") } }, "CORRUPT_BATCH"],
    [{ batch: { ...batch, records: Buffer.alloc(0) } }, "CORRUPT_BATCH"],
    [{ batch: { ...batch, producerEpoch: 5 } }, "INVALID_FIELD"],
    [{ batch: { ...batch, maxTimestampMs: -5 } }, "INVALID_FIELD"],
  ];
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: bad.map(([change], i) => message(i, ["a"], change)) });
  const outcomes = await results(stream, bad.length);
  bad.forEach(([change, reason], i) => {
    const outcome = outcomes.find(({ correlationId }) => correlationId === i);
    assert.equal(fromStatus(outcome.error).reason, reason, JSON.stringify(change));
  });
  assert.equal(replica.frames.length, 0);
  stream.call.cancel();
});

test("a message without batches, and one that is no message, end the stream with a status", async (context) => {
  const { stubs } = await startEdge(context);
  const empty = stubs.open("ProduceService.Produce");
  empty.send({ batches: [] });
  const error = await empty.endsWith("INVALID_FIELD");
  assert.equal(error?.fields[0]?.field, "batches");

  const garbage = stubs.openRaw("/quire.v1.ProduceService/Produce");
  garbage.send(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x01, 0x00]));
  await garbage.endsWith("INVALID_FIELD");
});

test("a client that never reads its outcomes is not read for ever", async (context) => {
  const { server, dataPlane } = await startEdge(context);
  let produced = 0;
  const { produce } = dataPlane;
  dataPlane.produce = (...call) => {
    produced += 1;
    produce.apply(dataPlane, call);
  };
  const stream = openDeaf(context, server.address, "/quire.v1.ProduceService/Produce");
  // A thousand refusals in a message: each costs the broker an outcome and the client a few bytes.
  const refused = Array.from({ length: 1_000 }, (_, i) => message(i + 1, ["a"], { topic: "nothing" }));
  const frame = grpcFrame(produceService.Produce.requestSerialize({ batches: refused.map((each) => ({ acks: 0, timeoutMs: 0, ...each })) }));
  for (let i = 0; i < 100; i++) stream.write(frame);
  await until(() => produced > 0);
  await stalls(() => produced);
  assert.ok(produced < 60_000, `${produced} batches of 100,000 were taken`);
});

test("a broker whose memory is full reads no further, and loses nothing", async (context) => {
  const { view, stubs, lead, dataPlane } = await startEdge(context, { inflightBytesMax: 100_000 });
  view.addTopic("orders");
  const replica = lead("orders", 0);
  replica.commits = false;
  const stream = stubs.open("ProduceService.Produce");
  const value = "x".repeat(30_000);
  const sent = 300;
  let flushed = 0;
  for (let i = 0; i < sent; i++) stream.call.write({ batches: [message(i, [value])] }, () => flushed++);
  await until(() => dataPlane.inflightBytes >= 100_000);
  await stalls(() => flushed);
  assert.ok(replica.frames.length <= 5, `${replica.frames.length} batches were admitted beyond the limit`);
  assert.ok(flushed < sent - 50, `the broker took ${flushed} messages off the connection while it had no room`);
  replica.commits = true;
  replica.commitAll();
  const outcomes = await results(stream, sent);
  assert.deepEqual(
    outcomes.map(({ correlationId }) => correlationId),
    Array.from({ length: sent }, (_, i) => i),
  );
  assert.ok(outcomes.every(({ error }) => error === null));
  stream.call.cancel();
});

test("a half-closed stream still gets its outcomes, then ends", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  const replica = lead("orders", 0);
  replica.commits = false;
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: [message(1, ["a"])] });
  stream.call.end();
  await until(() => replica.proposals === 1);
  replica.commitAll();
  assert.equal((await results(stream, 1))[0].error, null);
  await stream.endsWith("ok");
});

test("only so many streams are open at a time; a closed one makes room", async (context) => {
  const { view, stubs, lead } = await startEdge(context, { limits: { streamsMax: 2 } });
  view.addTopic("orders");
  lead("orders", 0);
  const open = [stubs.open("ProduceService.Produce"), stubs.open("ProduceService.Produce")];
  for (const stream of open) {
    stream.send({ batches: [message(1, ["a"])] });
    await results(stream, 1);
  }
  const refused = await stubs.open("ProduceService.Produce").endsWith("TOO_MANY_STREAMS");
  assert.equal(refused?.details["limit"], "2");
  open[0]?.call.cancel();
  await until(() => open[0]?.ended !== undefined);
  const again = stubs.open("ProduceService.Produce");
  again.send({ batches: [message(1, ["a"])] });
  assert.equal((await results(again, 1)).length, 1);
  for (const stream of [...open, again]) stream.call.cancel();
});

test("a broker that shuts down answers what it took, then ends the stream", async (context) => {
  const { view, stubs, lead, server } = await startEdge(context);
  view.addTopic("orders");
  const replica = lead("orders", 0);
  replica.commits = false;
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: [message(1, ["a"])] });
  await until(() => replica.proposals === 1);
  const stopped = server.stop(2_000);
  replica.commitAll();
  assert.equal((await results(stream, 1))[0].error, null);
  await stream.endsWith("SHUTTING_DOWN");
  stubs.close();
  await stopped;
});

test("what follows a refused batch in its run is refused too, and another run is taken", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 1);
  const replica = lead("orders", 0);
  replica.role = "follower";
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: [message(1, ["a"], { run: 5 })] });
  await results(stream, 1);
  replica.role = "leader";
  stream.send({ batches: [message(2, ["b"], { run: 5 }), message(3, ["a"], { run: 6 }), message(4, ["b"], { run: 6 }), message(5, ["c"])] });
  const outcomes = await results(stream, 5);
  assert.deepEqual(
    outcomes.map(({ error }) => (error === null ? "written" : fromStatus(error).reason)),
    ["LEADER_UNKNOWN", "EARLIER_BATCH_REFUSED", "written", "written", "written"],
  );
});

test("a run does not go on in another term: what was before it there may have been lost in between", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 1);
  const replica = lead("orders", 0);
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: [message(1, ["a"], { run: 1 })] });
  await results(stream, 1);
  replica.term = term(9);
  stream.send({ batches: [message(2, ["b"], { run: 1 }), message(3, ["c"], { run: 1 })] });
  const outcomes = await results(stream, 3);
  assert.deepEqual(
    outcomes.map(({ error }) => (error === null ? "written" : fromStatus(error).reason)),
    ["written", "STALE_TERM", "EARLIER_BATCH_REFUSED"],
  );
});

test("a batch that can never be written does not break its run", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 1);
  lead("orders", 0);
  const stream = stubs.open("ProduceService.Produce");
  stream.send({ batches: [message(1, ["a"], { run: 1, batch: { records: Buffer.from("?"), recordCount: 1 } }), message(2, ["b"], { run: 1 })] });
  const outcomes = await results(stream, 2);
  assert.deepEqual(
    outcomes.map(({ error }) => (error === null ? "written" : fromStatus(error).reason)),
    ["CORRUPT_BATCH", "written"],
  );
});
