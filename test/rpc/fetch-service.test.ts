import assert from "node:assert/strict";
import { test } from "node:test";
import { fromStatus } from "../../src/wire/status.js";
import { batchOf } from "../support/batches.js";
import { refusal } from "../support/refusals.js";
import { type Message, until } from "../support/stubs.js";
import { startEdge, startPair } from "./edge-fixture.js";

test("a fetch through any broker gives the leader's batches, with the same bytes", async (context) => {
  const { asked, replicas } = await startPair(context);
  replicas[0]?.add(["a", "b"]);
  const response = await asked.stubs.ask("FetchService.Fetch", { topic: "orders" });
  assert.equal(response.batches.length, 1);
  const [batch] = response.batches;
  assert.deepEqual(batch.records, batchOf(["a", "b"]).body);
  assert.deepEqual([batch.baseOffset, batch.term, batch.recordCount, batch.crc32], [0, 3, 2, batchOf(["a", "b"]).crc32]);
  assert.deepEqual([response.highWatermark, response.logStartOffset, response.nextOffset], [2, 0, 2]);
  assert.equal(response.leader.nodeId, 2);
});

test("a long poll through any broker answers when records come", async (context) => {
  const { asked, replicas } = await startPair(context);
  const answer = asked.stubs.ask("FetchService.Fetch", { topic: "orders", maxWaitMs: 10_000 });
  await until(() => replicas[0]?.watchers.size === 1);
  replicas[0]?.add(["a"]);
  assert.equal((await answer).batches.length, 1);
});

test("a long poll ends before its caller's deadline, with an empty answer", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  lead("orders", 0);
  const response = await stubs.ask("FetchService.Fetch", { topic: "orders", maxWaitMs: 30_000 }, { deadlineMs: 2_000 });
  assert.equal(response.batches.length, 0);
});

test("a caller that gives up is forgotten on every broker", async (context) => {
  const { asked, replicas } = await startPair(context);
  const abort = new AbortController();
  const answer = asked.stubs.ask("FetchService.Fetch", { topic: "orders", maxWaitMs: 10_000 }, { signal: abort.signal });
  await until(() => replicas[0]?.watchers.size === 1);
  abort.abort();
  await refusal("CANCELLED", () => answer);
  await until(() => replicas[0]?.watchers.size === 0);
});

test("many small batches in one answer stay within what a client may receive", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  const replica = lead("orders", 0);
  const tiny = batchOf(["x"]);
  for (let i = 0; i < 40_000; i++) {
    replica.commits = false;
    const { body, ...batch } = tiny;
    replica.propose({ kind: 1, batch: { ...batch, compression: 0, crc32: 1 }, body }, () => {});
  }
  replica.commitAll();
  const response = await stubs.ask("FetchService.Fetch", { topic: "orders", maxBytes: 3_000_000 });
  assert.ok(response.batches.length > 20_000);
});

test("offsets of many partitions are answered by their leaders, each with its own error", async (context) => {
  const { asked, replicas } = await startPair(context, 2);
  replicas[1]?.add(["a"], 500);
  const { answers } = await asked.stubs.ask("FetchService.ListOffsets", {
    queries: [
      { topic: "orders", partition: 1, position: { named: 2 } },
      { topic: "orders", partition: 1, position: { timestampMs: 100 } },
      { topic: "orders", partition: 0, position: { named: 1 } },
      { topic: "orders", partition: 1, position: { offset: 9 } },
      { topic: "nothing", partition: 0, position: { named: 1 } },
    ],
  });
  assert.deepEqual(
    answers.slice(0, 3).map(({ offset }: Message) => offset),
    [1, 0, 0],
  );
  assert.equal(answers[1].timestampMs, 500);
  assert.equal(answers[0].leader.nodeId, 2);
  assert.equal(fromStatus(answers[3].error).reason, "OFFSET_OUT_OF_RANGE");
  assert.equal(answers[3].leader.nodeId, 2);
  assert.equal(fromStatus(answers[4].error).reason, "TOPIC_NOT_FOUND");
});

test("every bad field is refused by name", async (context) => {
  const { view, stubs, lead } = await startEdge(context);
  view.addTopic("orders");
  lead("orders", 0);
  const position = { named: 1 };
  const bad: readonly (readonly [string, Message, string, string])[] = [
    ["Fetch", { topic: "" }, "INVALID_NAME", "topic"],
    ["Fetch", { topic: "orders", partition: -1 }, "INVALID_FIELD", "partition"],
    ["Fetch", { topic: "orders", offset: -1 }, "INVALID_FIELD", "offset"],
    // Beyond what a number holds exactly: refused while decoding, which does not know fields by name.
    ["Fetch", { topic: "orders", offset: 2 ** 60 }, "INVALID_FIELD", ""],
    ["Fetch", { topic: "orders", maxBytes: -1 }, "INVALID_FIELD", "max_bytes"],
    ["Fetch", { topic: "orders", maxBytes: 2 ** 30 }, "INVALID_FIELD", "max_bytes"],
    ["Fetch", { topic: "orders", minBytes: -1 }, "INVALID_FIELD", "min_bytes"],
    ["Fetch", { topic: "orders", minBytes: 10, maxBytes: 5 }, "INVALID_FIELD", "min_bytes"],
    ["Fetch", { topic: "orders", maxWaitMs: -1 }, "INVALID_FIELD", "max_wait_ms"],
    ["Fetch", { topic: "orders", maxWaitMs: 60_001 }, "INVALID_FIELD", "max_wait_ms"],
    ["ListOffsets", { queries: [] }, "INVALID_FIELD", "queries"],
    ["ListOffsets", { queries: Array(1_001).fill({ topic: "orders", position }) }, "INVALID_FIELD", "queries"],
    ["ListOffsets", { queries: [{ topic: "orders" }] }, "INVALID_FIELD", "queries[0].position"],
    ["ListOffsets", { queries: [{ topic: "orders", position: {} }] }, "INVALID_FIELD", "queries[0].position"],
    ["ListOffsets", { queries: [{ topic: "orders", position: { named: 9 } }] }, "INVALID_FIELD", "queries[0].position.named"],
    ["ListOffsets", { queries: [{ topic: "orders", position: { offset: -1 } }] }, "INVALID_FIELD", "queries[0].position.offset"],
    ["ListOffsets", { queries: [{ topic: "orders", position: { timestampMs: -1 } }] }, "INVALID_FIELD", "queries[0].position.timestamp_ms"],
    ["ListOffsets", { queries: [{ topic: "orders", partition: -2, position }] }, "INVALID_FIELD", "queries[0].partition"],
    ["ListOffsets", { queries: [{ topic: "No", position }] }, "INVALID_NAME", "queries[0].topic"],
  ];
  for (const [method, request, reason, field] of bad) {
    const error = await refusal(reason as "INVALID_FIELD", () => stubs.ask(`FetchService.${method}`, request));
    assert.equal(error.fields[0]?.field, field, JSON.stringify(request).slice(0, 100));
  }
  const outside = await refusal("OFFSET_OUT_OF_RANGE", () => stubs.ask("FetchService.Fetch", { topic: "orders", offset: 5 }));
  assert.deepEqual([outside.details["earliest"], outside.details["latest"]], ["0", "0"]);
});
