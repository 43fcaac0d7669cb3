import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeId, term } from "../../src/base/ids.js";
import { partitionOfKey } from "../../src/base/murmur2.js";
import { RecordsCursor } from "../../src/wire/records-codec.js";
import { fromStatus } from "../../src/wire/status.js";
import { refusal } from "../support/refusals.js";
import { type Message, until } from "../support/stubs.js";
import { startEdge, startPair } from "./edge-fixture.js";

const record = (value: string, key?: string): Message => ({ value: Buffer.from(value), ...(key !== undefined && { key: Buffer.from(key) }) });

test("records go to the partition of their key, and the answers come in their order", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 4);
  const replicas = [0, 1, 2, 3].map((partition) => lead("orders", partition));
  const keys = ["21", "foobar", "a", "b", "21", "c"];
  const { records } = await stubs.ask("ProduceService.Append", { topic: "orders", records: keys.map((key, i) => record(`value ${i}`, key)) });
  assert.equal(records.length, keys.length);
  keys.forEach((key, i) => {
    const { partition, offset, error } = records[i];
    assert.equal(error, null);
    assert.equal(partition, partitionOfKey(Buffer.from(key), 4));
    const frame = replicas[partition]?.frames[0];
    assert.ok(frame !== undefined);
    const cursor = new RecordsCursor(frame.body);
    for (let n = 0; n <= offset; n++) cursor.next();
    assert.equal(cursor.value?.toString(), `value ${i}`);
    assert.equal(cursor.key?.toString(), key);
  });
});

test("what a record says is kept: headers, times, absent and empty keys and values", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  const replica = lead("orders", 0);
  const before = Date.now();
  await stubs.ask("ProduceService.Append", {
    topic: "orders",
    records: [
      {
        key: Buffer.alloc(0),
        value: Buffer.alloc(0),
        headers: [
          { key: "h", value: Buffer.from([0, 255]) },
          { key: "h", value: Buffer.alloc(0) },
        ],
        timestampMs: 1_000,
      },
      { timestampMs: 400 },
      { value: Buffer.from("now") },
    ],
  });
  const [frame] = replica.frames;
  assert.ok(frame !== undefined);
  assert.equal(frame.batch.baseTimestampMs, 400);
  assert.ok(frame.batch.maxTimestampMs >= before && frame.batch.maxTimestampMs <= Date.now());
  const cursor = new RecordsCursor(frame.body);
  assert.ok(cursor.next());
  assert.equal(cursor.key?.length, 0);
  assert.equal(cursor.value?.length, 0);
  assert.deepEqual(cursor.headers(), [
    { key: "h", value: Buffer.from([0, 255]) },
    { key: "h", value: Buffer.alloc(0) },
  ]);
  assert.equal(cursor.timestampDeltaMs, 600);
  assert.ok(cursor.next());
  assert.deepEqual([cursor.key, cursor.value, cursor.timestampDeltaMs], [undefined, undefined, 0]);
});

test("records without a key stay together", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders", 8);
  for (let partition = 0; partition < 8; partition++) lead("orders", partition);
  const { records } = await stubs.ask("ProduceService.Append", { topic: "orders", records: [record("a"), record("b"), record("c")] });
  assert.equal(new Set(records.map(({ partition }: Message) => partition)).size, 1);
  assert.deepEqual(
    records.map(({ offset }: Message) => offset),
    [0, 1, 2],
  );
});

test("any broker takes records, and passes them on to the leaders", async (context) => {
  const { asked, leader, replicas } = await startPair(context, 2);
  const { records } = await asked.stubs.ask("ProduceService.Append", { topic: "orders", partition: 1, records: [record("a"), record("b")] });
  assert.deepEqual(
    records.map(({ partition, offset, replicasOnDisk }: Message) => [partition, offset, replicasOnDisk]),
    [
      [1, 0, 2],
      [1, 1, 2],
    ],
  );
  assert.equal(replicas[1]?.frames.length, 1);
  assert.equal(leader.dataPlane.inflightBytes, 0);
});

test("a forwarded request is never passed on again", async (context) => {
  // Both believe that the other one leads: without the mark, they would send it back and forth.
  const { asked, leader, replicas } = await startPair(context);
  replicas[0]?.stepDown({ nodeId: nodeId(1), term: term(9) });
  leader.view.setLeader({ topic: "orders", partition: 0 }, 1, 9);
  const startMs = Date.now();
  const error = await refusal("NOT_LEADER", () =>
    asked.stubs.ask("ProduceService.Append", { topic: "orders", records: [record("a")] }, { metadata: { "quire-forwarded": "1" } }),
  );
  assert.ok(Date.now() - startMs < 500, "a forwarded request does not look for a leader");
  assert.equal(error.details["leaderNodeId"], "2");
  await refusal("NOT_LEADER", () => asked.stubs.ask("ProduceService.Append", { topic: "orders", records: [record("a")] }));
});

test("a request waits for a leader while there is none, and finds it", async (context) => {
  const { asked, replicas } = await startPair(context);
  const at = { topic: "orders", partition: 0 };
  asked.view.setLeader(at, 0, 0);
  const answer = asked.stubs.ask("ProduceService.Append", { topic: "orders", records: [record("a")] });
  await until(() => asked.view.watchers.size > 1);
  asked.view.setLeader(at, 2, 4);
  assert.equal((await answer).records[0].error, null);
  assert.equal(replicas[0]?.frames.length, 1);
});

test("without any leader, the answer is LEADER_UNKNOWN within the deadline", async (context) => {
  const { asked } = await startPair(context, 1, { leaderWaitMsMax: 10_000 });
  asked.view.setLeader({ topic: "orders", partition: 0 }, 0, 0);
  await refusal("LEADER_UNKNOWN", () => asked.stubs.ask("ProduceService.Append", { topic: "orders", records: [record("a")] }, { deadlineMs: 500 }));
});

test("a leader that cannot be reached was sent nothing; one that vanishes leaves an unknown outcome", async (context) => {
  const { asked, leader, replicas } = await startPair(context);
  const [replica] = replicas;
  assert.ok(replica !== undefined);
  replica.commits = false;
  const answer = asked.stubs.ask("ProduceService.Append", { topic: "orders", records: [record("a")] });
  const refused = refusal("WRITE_OUTCOME_UNKNOWN", () => answer);
  await until(() => replica.proposals === 1);
  await leader.server.stop(0);
  await refused;
  await refusal("BROKER_UNREACHABLE", () => asked.stubs.ask("ProduceService.Append", { topic: "orders", records: [record("a")] }));
});

test("when only some partitions fail, their records say so, and the others are written", async (context) => {
  const { view, stubs, lead } = await startEdge(context, { leaderWaitMsMax: 50 });
  view.addTopic("orders", 2);
  lead("orders", 0);
  const keyOf = (partition: number): string => ["a", "b", "c", "d", "e", "f"].find((key) => partitionOfKey(Buffer.from(key), 2) === partition) ?? "";
  const { records } = await stubs.ask("ProduceService.Append", { topic: "orders", records: [record("x", keyOf(1)), record("y", keyOf(0))] });
  assert.equal(fromStatus(records[0].error).reason, "LEADER_UNKNOWN");
  assert.equal(records[1].error, null);
  assert.equal(records[1].offset, 0);
});

test("records of an idempotent producer are written once, through another broker too", async (context) => {
  const { asked, leader, replicas } = await startPair(context);
  const request = { topic: "orders", partition: 0, records: [record("a"), record("b")], producerId: 7, producerEpoch: 2, baseSequence: 0 };
  for (const { stubs } of [asked, leader, asked]) {
    const { records } = await stubs.ask("ProduceService.Append", request);
    assert.deepEqual(
      records.map(({ offset }: Message) => offset),
      [0, 1],
    );
  }
  assert.equal(replicas[0]?.frames.length, 1);
  await refusal("OUT_OF_ORDER_SEQUENCE", () => asked.stubs.ask("ProduceService.Append", { ...request, baseSequence: 3 }));
  await refusal("PRODUCER_FENCED", () => asked.stubs.ask("ProduceService.Append", { ...request, producerEpoch: 1 }));
});

test("every bad field is refused by name, and nothing is appended", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  const replica = lead("orders", 0);
  const records = [record("a")];
  const bad: readonly (readonly [Message, string, string])[] = [
    [{ topic: "", records }, "INVALID_NAME", "topic"],
    [{ topic: "a/b", records }, "INVALID_NAME", "topic"],
    [{ topic: "x".repeat(250), records }, "INVALID_NAME", "topic"],
    [{ topic: "orders", records: [] }, "INVALID_FIELD", "records"],
    [{ topic: "orders", records, partition: -1 }, "INVALID_FIELD", "partition"],
    [{ topic: "orders", records, producerId: 7 }, "INVALID_FIELD", "partition"],
    [{ topic: "orders", records, partition: 0, producerId: -7 }, "INVALID_FIELD", "batch.producer_id"],
    [{ topic: "orders", records, partition: 0, baseSequence: 1 }, "INVALID_FIELD", "batch.producer_id"],
    [{ topic: "orders", records, acks: 7 }, "INVALID_FIELD", "acks"],
    [{ topic: "orders", records: [record("a"), { timestampMs: -1 }] }, "INVALID_FIELD", "records[1].timestamp_ms"],
    [{ topic: "orders", records: [{ headers: Array(101).fill({ key: "k" }) }] }, "INVALID_FIELD", "records[0].headers"],
    [{ topic: "orders", records: [record("a"), record("x".repeat(65_537))] }, "RECORD_TOO_LARGE", "records[1]"],
    [{ topic: "orders", records: Array(40).fill(record("x".repeat(60_000))) }, "BATCH_TOO_LARGE", "records"],
  ];
  for (const [request, reason, field] of bad) {
    const error = await refusal(reason as "INVALID_FIELD", () => stubs.ask("ProduceService.Append", request));
    assert.equal(error.fields[0]?.field, field);
  }
  await refusal("TOPIC_NOT_FOUND", () => stubs.ask("ProduceService.Append", { topic: "nothing", records }));
  await refusal("PARTITION_NOT_FOUND", () => stubs.ask("ProduceService.Append", { topic: "orders", partition: 5, records }));
  assert.equal(replica.frames.length, 0);
});
