import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Stream, Stubs } from "../support/stubs.js";
import { startEdge } from "./edge-fixture.js";

async function startWith(context: TestContext, partitions = 4) {
  const edge = await startEdge(context);
  edge.view.addTopic("orders", partitions);
  // One broker, so that it is the coordinator.
  for (const other of [2, 3]) edge.view.setAlive(other, false);
  return edge;
}

const enter = (rest: object = {}) => ({ enter: { group: "billing", memberId: "a", topics: ["orders"], ...rest } });
function joined(stubs: Stubs, rest: object = {}): Stream {
  const stream = stubs.open("GroupService.Join");
  stream.send(enter(rest));
  return stream;
}
const partitionsIn = (message: { assignment: { partitions: { topic: string; partition: number; generation: number }[] } }) => message.assignment.partitions;

/** Reads until so many partitions are assigned. */
async function assigned(stream: Stream, count: number) {
  for (;;) {
    const message = await stream.next();
    if (message.step === "assignment" && partitionsIn(message).length === count) return message.assignment;
  }
}

test("a member enters, is told its terms, and what it owns", async (context) => {
  const { stubs } = await startWith(context);
  const stream = joined(stubs, { sessionTimeoutMs: 6_000, strategy: 3 });
  const first = await stream.next();
  assert.deepEqual(first.entered, { heartbeatIntervalMs: 2_000, sessionTimeoutMs: 6_000, strategy: 3, coordinatorNodeId: first.entered.coordinatorNodeId });
  const { partitions } = await assigned(stream, 4);
  assert.deepEqual(partitions.map(({ topic, partition }: { topic: string; partition: number }) => `${topic}/${partition}`).sort(), [
    "orders/0",
    "orders/1",
    "orders/2",
    "orders/3",
  ]);
  assert.ok(partitions.every(({ generation }: { generation: number }) => generation > 0));
});

test("every heartbeat is answered, and nothing is said of itself", async (context) => {
  const { stubs } = await startWith(context);
  const stream = joined(stubs);
  await assigned(stream, 4);
  const before = stream.received.length;
  stream.send({ heartbeat: {} });
  stream.send({ heartbeat: {} });
  await stream.until(() => stream.received.length === before + 2);
  assert.deepEqual(
    stream.received.slice(before).map(({ step }) => step),
    ["heartbeat", "heartbeat"],
  );
});

test("a partition changes hands when it was given back, and only then", async (context) => {
  const { stubs } = await startWith(context);
  const a = joined(stubs);
  const all = await assigned(a, 4);
  a.send({ holding: all });
  const b = joined(stubs, { memberId: "b" });
  const less = await assigned(a, 2);
  assert.equal(partitionsIn({ assignment: less }).length, 2);
  a.send({ holding: { version: all.version, partitions: less.partitions } });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(
    b.received.every((message) => message.step !== "assignment" || partitionsIn(message).length === 0),
    "it has not seen the newer assignment yet",
  );
  a.send({ holding: { version: less.version, partitions: less.partitions } });
  const given = await assigned(b, 2);
  assert.ok(given.partitions.every(({ generation }: { generation: number }) => generation > all.partitions[0].generation));
});

test("who leaves is told OK, and the rest goes to the others at once", async (context) => {
  const { stubs, groups } = await startWith(context);
  const a = joined(stubs);
  await assigned(a, 4);
  const b = joined(stubs, { memberId: "b" });
  await b.next();
  a.send({ leave: {} });
  await a.endsWith("ok");
  await assigned(b, 4);
  assert.equal(groups.group("billing")?.members.size, 1);
});

test("contradictions and nonsense are refused by name, and change nothing", async (context) => {
  const { stubs, groups } = await startWith(context);
  const wrong: [object, "INVALID_FIELD" | "INVALID_NAME" | "TOPIC_NOT_FOUND", RegExp][] = [
    [{ topics: ["orders"], pattern: "o*" }, "INVALID_FIELD", /pattern/],
    [{ topics: [] }, "INVALID_FIELD", /topics/],
    [{ topics: ["orders", "orders"] }, "INVALID_FIELD", /twice/],
    [{ topics: ["none"] }, "TOPIC_NOT_FOUND", /none/],
    [{ topics: [], pattern: "O?" }, "INVALID_FIELD", /pattern/],
    [{ topics: [""] }, "INVALID_NAME", /empty/],
    [{ group: "Billing" }, "INVALID_NAME", /group/],
    [{ group: "" }, "INVALID_NAME", /group/],
    [{ memberId: "" }, "INVALID_FIELD", /member_id/],
    [{ memberId: "x".repeat(65) }, "INVALID_FIELD", /member_id/],
    [{ instanceId: "Ä" }, "INVALID_FIELD", /instance_id/],
    [{ clientId: "x".repeat(250) }, "INVALID_FIELD", /client_id/],
    [{ sessionTimeoutMs: 999 }, "INVALID_FIELD", /session_timeout_ms is 999/],
    [{ sessionTimeoutMs: 1_800_001 }, "INVALID_FIELD", /session_timeout_ms/],
    [{ strategy: 9 }, "INVALID_FIELD", /strategy/],
  ];
  for (const [rest, reason, text] of wrong) {
    const error = await joined(stubs, rest).endsWith(reason);
    assert.match(error?.message ?? "", text);
  }
  assert.equal(groups.groups().length, 0);
});

test("steps out of turn end the stream", async (context) => {
  const { stubs } = await startWith(context);
  for (const step of [{ heartbeat: {} }, { holding: { version: 1 } }, { leave: {} }, {}]) {
    const stream = stubs.open("GroupService.Join");
    stream.send(step);
    await stream.endsWith("INVALID_FIELD");
  }
  const twice = joined(stubs);
  await twice.next();
  twice.send(enter());
  await twice.endsWith("INVALID_FIELD");
});

test("another strategy than the group's is INCONSISTENT_GROUP", async (context) => {
  const { stubs } = await startWith(context);
  await joined(stubs, { strategy: 1 }).next();
  await joined(stubs, { memberId: "b", strategy: 2 }).endsWith("INCONSISTENT_GROUP");
});

test("a broker that does not coordinate the group says who does", async (context) => {
  const { stubs, view, groups } = await startWith(context);
  view.setAddress(2, "host2:1");
  view.setAlive(2, true);
  await groups.changeGroup({ group: "billing", version: 0, coordinator: view.brokers()[1]?.nodeId ?? view.self, strategy: "uniform", nowMs: 1 });
  const error = await joined(stubs).endsWith("NOT_COORDINATOR");
  assert.deepEqual([error?.details["coordinatorNodeId"], error?.details["coordinatorAddress"]], ["2", "host2:1"]);
});

test("a member that says nothing is fenced after its session timeout", async (context) => {
  const { stubs, groups } = await startWith(context);
  const stream = joined(stubs, { sessionTimeoutMs: 1_000 });
  await stream.next();
  await stream.endsWith("MEMBER_FENCED");
  assert.equal(groups.group("billing")?.members.size, 0);
});

test("streams are bounded, and a broker that stops ends them", async (context) => {
  const { stubs, coordinator } = await startWith(context);
  const streams = ["a", "b", "c", "d"].map((memberId) => joined(stubs, { memberId }));
  for (const stream of streams) await stream.next();
  await joined(stubs, { memberId: "e" }).endsWith("TOO_MANY_STREAMS");
  await coordinator.close();
  for (const stream of streams) await stream.until(() => stream.ended !== undefined);
  await joined(stubs, { memberId: "f" }).until(() => true);
});

test("who holds something of a generation that this broker has not heard of is sent away for a moment: its topic may not be known here yet", async (context) => {
  const { stubs, groups } = await startWith(context);
  const newest = groups.newestGeneration;
  const stream = joined(stubs, { holding: [{ topic: "not-here-yet", partition: 0, generation: newest + 1 }] });
  await stream.endsWith("NOT_READY");
});
