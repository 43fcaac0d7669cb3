import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { refusal } from "../support/refusals.js";
import { startEdge } from "./edge-fixture.js";

const begin = (groups: Awaited<ReturnType<typeof startEdge>>["groups"], group: string, coordinator: number, rest: object = {}) =>
  groups.changeGroup({ group, version: 0, coordinator: coordinator as never, strategy: "uniform", nowMs: 1, ...rest });
const member = (memberId: string) => ({ memberId, instanceId: "", clientId: "", sessionTimeoutMs: 10_000, topics: ["orders"], pattern: "" });

async function startWith(context: TestContext) {
  const edge = await startEdge(context);
  edge.view.addTopic("orders", 2);
  // One broker, so that it is the coordinator.
  for (const other of [2, 3]) edge.view.setAlive(other, false);
  return edge;
}

test("groups are listed by name, in pages", async (context) => {
  const { stubs, groups } = await startWith(context);
  for (const name of ["c", "a", "ab"]) await begin(groups, name, 2);
  const page = await stubs.ask("GroupService.ListGroups", { pageSize: 2 });
  assert.deepEqual([page.groups.map(({ name }: { name: string }) => name), page.groups[0].state], [["a", "ab"], 1]);
  const rest = await stubs.ask("GroupService.ListGroups", { pageSize: 2, pageToken: page.nextPageToken });
  assert.deepEqual([rest.groups.map(({ name }: { name: string }) => name), rest.nextPageToken], [["c"], ""]);
  const some = await stubs.ask("GroupService.ListGroups", { namePrefix: "a" });
  assert.equal(some.groups.length, 2);
});

test("a group's offsets are moved while it has no members, each partition with its own answer; asking only changes nothing", async (context) => {
  const { stubs, groups, lead } = await startWith(context);
  lead("orders", 0);
  lead("orders", 1);
  const ask = (rest: object = {}) =>
    stubs.ask("GroupService.ResetOffsets", { group: "billing", topics: [{ topic: "orders" }], position: { named: 1 }, ...rest });
  const would = await ask({ validateOnly: true });
  assert.deepEqual(
    would.answers.map(({ partition, offset, error }: { partition: number; offset: number; error: unknown }) => [partition, offset, error]),
    [
      [0, 0, null],
      [1, 0, null],
    ],
  );
  assert.equal(groups.group("billing"), undefined);
  const beyond = await ask({ position: { offset: 1_000_000 } });
  assert.equal(beyond.answers[0].error?.code, 11, "OUT_OF_RANGE");
  assert.equal(groups.group("billing"), undefined, "nothing to move, nothing begun");
});

test("what cannot be moved is refused by name", async (context) => {
  const { stubs, groups } = await startWith(context);
  const ask = (rest: object) => () =>
    stubs.ask("GroupService.ResetOffsets", { group: "billing", topics: [{ topic: "orders" }], position: { named: 1 }, ...rest });
  await refusal("TOPIC_NOT_FOUND", ask({ topics: [{ topic: "none" }] }));
  await refusal("PARTITION_NOT_FOUND", ask({ topics: [{ topic: "orders", partitions: [2] }] }));
  await refusal("INVALID_FIELD", ask({ topics: [] }));
  await refusal("INVALID_FIELD", ask({ topics: [{ topic: "orders" }, { topic: "orders" }] }));
  await refusal("INVALID_FIELD", ask({ position: null }));
  await refusal("INVALID_NAME", ask({ group: "No" }));
  await begin(groups, "billing", 2, { entered: [member("a")] });
  await refusal("GROUP_NOT_EMPTY", ask({}));
});

test("a group that is not there is not described", async (context) => {
  const { stubs } = await startWith(context);
  await refusal("GROUP_NOT_FOUND", () => stubs.ask("GroupService.DescribeGroup", { group: "billing" }));
});

test("a group is described with its members, who owns what, and who waits for it", async (context) => {
  const { stubs, lead } = await startWith(context);
  lead("orders", 0);
  lead("orders", 1);
  const stream = stubs.open("GroupService.Join");
  stream.send({ enter: { group: "billing", memberId: "a", clientId: "till 3", topics: ["orders"] } });
  await stream.until(() => stream.received.some((message) => message.assignment?.partitions.length === 2));
  const { summary, members, partitions } = await stubs.ask("GroupService.DescribeGroup", { group: "billing" });
  assert.deepEqual([summary.state, summary.members, summary.topics], [2, 1, ["orders"]]);
  assert.deepEqual([members[0].memberId, members[0].clientId, members[0].partitions], ["a", "till 3", 2]);
  assert.match(members[0].address, /127\.0\.0\.1/);
  assert.deepEqual(
    partitions.map(({ partition, memberId, nextMemberId }: Record<string, unknown>) => [partition, memberId, nextMemberId]),
    [
      [0, "a", ""],
      [1, "a", ""],
    ],
  );
  const listed = await stubs.ask("GroupService.ListGroups", {});
  assert.deepEqual(listed.groups, [summary]);
});
