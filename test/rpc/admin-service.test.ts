import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { nodeId } from "../../src/base/ids.js";
import type { TopicRequest } from "../../src/cluster/view.js";
import { refusal } from "../support/refusals.js";
import { type Message, until } from "../support/stubs.js";
import { startEdge, startPair } from "./edge-fixture.js";

test("a topic is created with what was asked for, and answered when it has leaders", async (context) => {
  const { view, admin, stubs, lead } = await startEdge(context);
  admin.answer = (_, request) => view.addTopic((request as TopicRequest).name, 2);
  const answer = stubs.ask("AdminService.CreateTopic", {
    topic: { name: "orders", partitions: 2, replicas: 3, writeQuorum: 3, readQuorum: 2, settings: { retentionMs: 5_000, flushMode: 2, batchBytesMax: 2_048 } },
  });
  let answered = false;
  answer.then(
    () => {
      answered = true;
    },
    () => {},
  );
  await until(() => view.topic("orders") !== undefined);
  lead("orders", 0);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(answered, false, "one partition has no leader yet");
  lead("orders", 1);
  const { topic } = await answer;
  assert.deepEqual(
    topic.partitionStates.map(({ leaderNodeId }: Message) => leaderNodeId),
    [1, 1],
  );
  assert.equal(topic.settings.flushMode, 1);
  assert.deepEqual(admin.calls, [
    [
      "createTopic",
      { name: "orders", partitions: 2, replicas: 3, writeQuorum: 3, readQuorum: 2, settings: { retentionMs: 5_000, batchBytesMax: 2_048, flush: "interval" } },
    ],
  ]);
});

test("defaults are left to the control plane, and a mere check creates nothing to wait for", async (context) => {
  const { view, admin, stubs } = await startEdge(context);
  admin.answer = () => {
    const topic = view.addTopic("orders");
    view.removeTopic("orders");
    return topic;
  };
  const { topic } = await stubs.ask("AdminService.CreateTopic", { topic: { name: "orders" }, validateOnly: true });
  assert.equal(topic.name, "orders");
  assert.deepEqual(admin.calls, [["createTopic", { name: "orders", validateOnly: true }]]);
});

test("any broker takes administration, and passes it on to the controller", async (context) => {
  const { asked, leader } = await startPair(context);
  asked.view.controller = nodeId(2);
  leader.view.controller = nodeId(2);
  asked.admin.answer = () => {
    throw new QuireError("NOT_LEADER", "not the controller");
  };
  leader.admin.answer = () => {
    asked.view.removeTopic("orders");
    leader.view.removeTopic("orders");
  };
  await asked.stubs.ask("AdminService.DeleteTopic", { name: "orders" });
  assert.deepEqual(leader.admin.calls, [["deleteTopic", "orders"]]);
});

test("a leadership is handed over by the partition's leader, whatever broker is asked", async (context) => {
  const { asked, leader } = await startPair(context);
  asked.admin.answer = () => {
    throw new QuireError("NOT_LEADER", "not this partition's leader");
  };
  await asked.stubs.ask("AdminService.TransferLeader", { topic: "orders", partition: 0, nodeId: 3 });
  assert.deepEqual(leader.admin.calls, [["transferLeader", { topic: "orders", partition: 0 }, 3]]);
});

test("the controller's refusals come back as they were", async (context) => {
  const { asked, leader } = await startPair(context);
  asked.view.controller = nodeId(2);
  asked.admin.answer = () => {
    throw new QuireError("NOT_LEADER", "not the controller");
  };
  leader.admin.answer = () => {
    throw new QuireError("INVALID_QUORUM", "W + R is not above N", { details: { n: 3, w: 1, r: 2 }, fields: [{ field: "quorum", description: "unsafe" }] });
  };
  const error = await refusal("INVALID_QUORUM", () => asked.stubs.ask("AdminService.CreateTopic", { topic: { name: "unsafe" } }));
  assert.deepEqual(error.details, { n: "3", w: "1", r: "2" });
  assert.deepEqual(error.fields, [{ field: "quorum", description: "unsafe" }]);
});

test("two brokers that both deny being controller do not pass a request back and forth", async (context) => {
  const { asked, leader } = await startPair(context);
  asked.view.controller = nodeId(2);
  leader.view.controller = nodeId(1);
  const deny = (): never => {
    throw new QuireError("NOT_LEADER", "not the controller");
  };
  asked.admin.answer = deny;
  leader.admin.answer = deny;
  await refusal("NOT_LEADER", () => asked.stubs.ask("AdminService.DeleteTopic", { name: "orders" }));
  assert.ok(asked.admin.calls.length <= 12, `${asked.admin.calls.length} calls`);
  assert.ok(leader.admin.calls.length <= asked.admin.calls.length, "each was asked once per look");
});

test("topics are listed by name, page by page, for a prefix", async (context) => {
  const { view, stubs } = await startEdge(context);
  for (const name of ["b2", "a", "b1", "b3", "c"]) view.addTopic(name);
  const first = await stubs.ask("AdminService.ListTopics", { namePrefix: "b", pageSize: 2 });
  assert.deepEqual(
    first.topics.map(({ name }: Message) => name),
    ["b1", "b2"],
  );
  view.addTopic("b0");
  const second = await stubs.ask("AdminService.ListTopics", { namePrefix: "b", pageSize: 2, pageToken: first.nextPageToken });
  assert.deepEqual([second.topics.map(({ name }: Message) => name), second.nextPageToken], [["b3"], ""]);
  const all = await stubs.ask("AdminService.ListTopics", {});
  assert.equal(all.topics.length, 6);
  await refusal("INVALID_PAGE_TOKEN", () => stubs.ask("AdminService.ListTopics", { namePrefix: "c", pageToken: first.nextPageToken }));
  for (const pageToken of ["garbage", "e30", Buffer.from('[2,"a",""]').toString("base64url"), "A".repeat(5_000)]) {
    await refusal("INVALID_PAGE_TOKEN", () => stubs.ask("AdminService.ListTopics", { pageToken }));
  }
});

test("an update changes what its mask names, and nothing else", async (context) => {
  const { view, admin, stubs } = await startEdge(context);
  const before = view.addTopic("orders");
  admin.answer = () => view.addTopic("orders", 1, { ...before, version: 2 });
  const topic = { name: "orders", partitions: 6, writeQuorum: 3, settings: { retentionMs: 0, segmentAgeMs: 0, segmentBytes: 5, flushMode: 1 } };
  const response = await stubs.ask("AdminService.UpdateTopic", {
    topic,
    updateMask: { paths: ["partitions", "settings.retention_ms", "settings.segment_age_ms", "settings.flush_mode"] },
  });
  assert.equal(response.topic.version, 2);
  assert.deepEqual(admin.calls, [["updateTopic", "orders", { partitions: 6, settings: { retentionMs: 0, segmentAgeMs: 0, flush: "batch" } }]]);
});

test("records are trimmed by the partition's leader", async (context) => {
  const { asked, replicas } = await startPair(context);
  replicas[0]?.add(["a"]);
  replicas[0]?.add(["b"]);
  const { logStartOffset } = await asked.stubs.ask("AdminService.TrimRecords", { topic: "orders", partition: 0, beforeOffset: 1 });
  assert.equal(logStartOffset, 1);
  await refusal("OFFSET_OUT_OF_RANGE", () => asked.stubs.ask("AdminService.TrimRecords", { topic: "orders", partition: 0, beforeOffset: 3 }));
});

const updating = (change: Message, ...paths: string[]): Message => ({ topic: { name: "orders", ...change }, updateMask: { paths } });
const withSettings = (settings: Message): Message => ({ topic: { name: "orders", settings } });

const bad: readonly (readonly [string, Message, string, string])[] = [
  ["CreateTopic", {}, "INVALID_FIELD", "topic"],
  ["CreateTopic", { topic: {} }, "INVALID_NAME", "topic.name"],
  ["CreateTopic", { topic: { name: "UPPER" } }, "INVALID_NAME", "topic.name"],
  ["CreateTopic", { topic: { name: ".." } }, "INVALID_NAME", "topic.name"],
  ["CreateTopic", { topic: { name: "orders", partitions: -1 } }, "INVALID_FIELD", "topic.partitions"],
  ["CreateTopic", { topic: { name: "orders", partitions: 10_001 } }, "INVALID_FIELD", "topic.partitions"],
  ["CreateTopic", { topic: { name: "orders", replicas: 8 } }, "INVALID_FIELD", "topic.replicas"],
  ["CreateTopic", { topic: { name: "orders", writeQuorum: -2 } }, "INVALID_FIELD", "topic.write_quorum"],
  ["CreateTopic", { topic: { name: "orders", readQuorum: 99 } }, "INVALID_FIELD", "topic.read_quorum"],
  ["CreateTopic", withSettings({ retentionMs: -1 }), "INVALID_FIELD", "topic.settings.retention_ms"],
  ["CreateTopic", withSettings({ retentionBytes: -1 }), "INVALID_FIELD", "topic.settings.retention_bytes"],
  ["CreateTopic", withSettings({ segmentBytes: 1_000 }), "INVALID_FIELD", "topic.settings.segment_bytes"],
  ["CreateTopic", withSettings({ segmentAgeMs: 1 }), "INVALID_FIELD", "topic.settings.segment_age_ms"],
  ["CreateTopic", withSettings({ retentionMs: 1 }), "INVALID_FIELD", "topic.settings.retention_ms"],
  ["CreateTopic", withSettings({ flushMode: 5 }), "INVALID_FIELD", "topic.settings.flush_mode"],
  ["CreateTopic", withSettings({ flushIntervalMs: 0 }), "INVALID_FIELD", "topic.settings.flush_interval_ms"],
  ["CreateTopic", withSettings({ batchBytesMax: 2 ** 30 }), "INVALID_FIELD", "topic.settings.batch_bytes_max"],
  ["GetTopic", {}, "INVALID_NAME", "name"],
  ["ListTopics", { pageSize: -1 }, "INVALID_FIELD", "page_size"],
  ["ListTopics", { pageSize: 1_001 }, "INVALID_FIELD", "page_size"],
  ["ListTopics", { namePrefix: "x".repeat(250) }, "INVALID_FIELD", "name_prefix"],
  ["UpdateTopic", {}, "INVALID_FIELD", "topic"],
  ["UpdateTopic", { topic: { name: "orders" } }, "INVALID_FIELD", "update_mask"],
  ["UpdateTopic", updating({}), "INVALID_FIELD", "update_mask.paths"],
  ["UpdateTopic", updating({}, "replicas"), "INVALID_FIELD", "update_mask.paths"],
  ["UpdateTopic", updating({}, "settings"), "INVALID_FIELD", "update_mask.paths"],
  ["UpdateTopic", updating({}, "partitions"), "INVALID_FIELD", "topic.partitions"],
  ["UpdateTopic", updating({}, "settings.retention_ms"), "INVALID_FIELD", "topic.settings.retention_ms"],
  ["UpdateTopic", updating({ settings: {} }, "settings.flush_mode"), "INVALID_FIELD", "topic.settings.flush_mode"],
  ["UpdateTopic", updating({ writeQuorum: 9 }, "write_quorum"), "INVALID_FIELD", "topic.write_quorum"],
  ["UpdateTopic", { topic: {}, updateMask: { paths: ["partitions"] } }, "INVALID_NAME", "topic.name"],
  ["DeleteTopic", { name: "a b" }, "INVALID_NAME", "name"],
  ["TransferLeader", { topic: "", nodeId: 1 }, "INVALID_NAME", "topic"],
  ["TransferLeader", { topic: "orders", partition: -1, nodeId: 1 }, "INVALID_FIELD", "partition"],
  ["TransferLeader", { topic: "orders" }, "INVALID_FIELD", "node_id"],
  ["TransferLeader", { topic: "orders", nodeId: 65_536 }, "INVALID_FIELD", "node_id"],
  ["TrimRecords", { topic: "!" }, "INVALID_NAME", "topic"],
  ["TrimRecords", { topic: "orders", partition: -1 }, "INVALID_FIELD", "partition"],
  ["TrimRecords", { topic: "orders", beforeOffset: -1 }, "INVALID_FIELD", "before_offset"],
];

test("every bad field is refused by name, and the control plane is not asked", async (context) => {
  const { admin, stubs } = await startEdge(context);
  for (const [method, request, reason, field] of bad) {
    const error = await refusal(reason as "INVALID_FIELD", () => stubs.ask(`AdminService.${method}`, request));
    assert.equal(error.fields[0]?.field, field, `${method} ${JSON.stringify(request)}`);
  }
  await refusal("TOPIC_NOT_FOUND", () => stubs.ask("AdminService.GetTopic", { name: "nothing" }));
  assert.deepEqual(admin.calls, []);
});
