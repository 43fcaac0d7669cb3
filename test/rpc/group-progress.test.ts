import assert from "node:assert/strict";
import { test } from "node:test";
import { fromStatus } from "../../src/wire/status.js";
import { refusal } from "../support/refusals.js";
import type { Message } from "../support/stubs.js";
import { startEdge, startPair } from "./edge-fixture.js";

/** Broker 2 leads three partitions with two records each, which member `m` of `billing` owns; broker 1 is asked. */
async function started(context: Parameters<typeof startPair>[0]) {
  const pair = await startPair(context, 3);
  const generations = pair.replicas.map((replica) => {
    replica.add(["a", "b"], 1_000);
    return pair.leader.groups.own("billing", replica.replicaSetId, "m");
  });
  return { ...pair, generations };
}

const commitsOf = (generations: readonly number[], offset: number): Message[] =>
  generations.map((generation, partition) => ({ topic: "orders", partition, generation, offset }));
const fetchesOf = (generations: readonly number[]): Message[] => generations.map((generation, partition) => ({ topic: "orders", partition, generation }));

test("offsets are committed and fetched through any broker, and an offset of 0 is not none", async (context) => {
  const { asked, leader, generations } = await started(context);
  const calls: string[] = [];
  for (const verb of ["commitProgress", "progress"] as const) {
    const real = leader.dataPlane[verb].bind(leader.dataPlane) as (of: Message) => Promise<never>;
    leader.dataPlane[verb] = (of: Message) => {
      calls.push(verb);
      return real(of);
    };
  }
  const claimed = await asked.stubs.ask("GroupService.FetchOffsets", { group: "billing", memberId: "m", fetches: fetchesOf(generations) });
  assert.equal(claimed.answers.length, 3);
  for (const [partition, answer] of claimed.answers.entries()) {
    assert.equal(answer.error, null);
    assert.equal(answer.offset, undefined, "nothing was committed yet, which is not the same as 0");
    assert.deepEqual([answer.generation, answer.logStartOffset, answer.highWatermark, answer.leader.nodeId], [generations[partition], 0, 2, 2]);
  }
  const committed = await asked.stubs.ask("GroupService.CommitOffsets", { group: "billing", memberId: "m", commits: commitsOf(generations, 1) });
  assert.deepEqual(
    committed.answers.map(({ offset, error, leader: { nodeId, term } }: Message) => [offset, error, nodeId, term]),
    [1, 2, 3].map(() => [1, null, 2, 3]),
  );
  const looked = await asked.stubs.ask("GroupService.FetchOffsets", { group: "billing", fetches: fetchesOf([0, 0, 0]) });
  assert.deepEqual(
    looked.answers.map(({ offset }: Message) => offset),
    [1, 1, 1],
  );
  assert.ok(looked.answers.every(({ lagMs, committedMs }: Message) => lagMs > 0 && committedMs > 0));
  assert.equal(calls.length, 9);
});

test("each commit has its own answer: one that is refused, and why, beside one that is taken", async (context) => {
  const { asked, leader, replicas, generations } = await started(context);
  leader.groups.own("billing", replicas[1]?.replicaSetId as never, "n");
  const commits = [
    ...commitsOf(generations, 2),
    { topic: "orders", partition: 2, generation: generations[2], offset: 3 },
    { topic: "orders", partition: 9, generation: 1, offset: 0 },
    { topic: "payments", partition: 0, generation: 1, offset: 0 },
  ];
  const { answers } = await asked.stubs.ask("GroupService.CommitOffsets", { group: "billing", memberId: "m", commits });
  assert.deepEqual(
    answers.map(({ error, offset }: Message) => (error === null ? offset : fromStatus(error).reason)),
    [2, "STALE_GENERATION", 2, "OFFSET_OUT_OF_RANGE", "PARTITION_NOT_FOUND", "TOPIC_NOT_FOUND"],
  );
});

test("while nobody leads, the answer says so, and what another broker is in charge of comes when it is", async (context) => {
  const { asked, replicas, generations } = await started(context);
  asked.view.setLeader({ topic: "orders", partition: 1 }, 0, 0);
  const answer = asked.stubs.ask("GroupService.CommitOffsets", { group: "billing", memberId: "m", commits: commitsOf(generations, 1) });
  setTimeout(() => asked.view.setLeader({ topic: "orders", partition: 1 }, 2, 3), 100);
  assert.deepEqual(
    (await answer).answers.map(({ offset, error }: Message) => [offset, error]),
    [1, 2, 3].map(() => [1, null]),
  );
  replicas[0]?.stepDown(null);
  const later = await asked.stubs.ask("GroupService.CommitOffsets", { group: "billing", memberId: "m", commits: commitsOf(generations, 2) });
  assert.equal(fromStatus(later.answers[0].error).reason, "LEADER_UNKNOWN");
  assert.equal(later.answers[1].offset, 2);
});

test("a description that another broker gives has the offsets of partitions that are led elsewhere still", async (context) => {
  const { asked, leader, replicas, generations } = await started(context);
  // Broker 1 coordinates, broker 2 leads, and is asked.
  for (const { replicaSetId } of replicas) asked.groups.own("billing", replicaSetId, "m");
  await leader.stubs.ask("GroupService.CommitOffsets", { group: "billing", memberId: "m", commits: commitsOf(generations, 1) });
  const { partitions } = await leader.stubs.ask("GroupService.DescribeGroup", { group: "billing" });
  assert.deepEqual(
    partitions.map(({ progress }: Message) => [progress.offset, progress.error]),
    [1, 2, 3].map(() => [1, null]),
  );
});

test("offsets of a group without members are moved through any broker, and by nobody else", async (context) => {
  const { asked, leader, replicas, generations } = await started(context);
  await asked.stubs.ask("GroupService.CommitOffsets", { group: "billing", memberId: "m", commits: commitsOf(generations, 2) });
  const generation = leader.groups.empty("billing");
  const commits = generations.map((_, partition) => ({ topic: "orders", partition, generation, offset: 1 }));
  await refusal("INVALID_FIELD", () => asked.stubs.ask("GroupService.CommitOffsets", { group: "billing", commits }));
  const moved = await asked.stubs.ask("GroupService.CommitOffsets", { group: "billing", commits }, { metadata: { "quire-forwarded": "1" } });
  assert.ok(moved.answers.every(({ error }: Message) => fromStatus(error).reason === "NOT_LEADER"));
  const { answers } = await leader.stubs.ask("GroupService.CommitOffsets", { group: "billing", commits }, { metadata: { "quire-forwarded": "1" } });
  assert.deepEqual(
    answers.map(({ offset, error }: Message) => [offset, error]),
    [1, 2, 3].map(() => [1, null]),
  );
  assert.equal(replicas[0]?.progress.get("billing")?.offset, 1);
});

test("what is wrong with a request is named, and nothing of it is done", async (context) => {
  const { view, stubs, lead, groups } = await startEdge(context);
  view.addTopic("orders");
  const replica = lead("orders", 0);
  replica.add(["a"]);
  const generation = groups.own("billing", replica.replicaSetId, "m");
  const good = { topic: "orders", partition: 0, generation, offset: 1 };
  const request = { group: "billing", memberId: "m", commits: [good] };
  const bad: [string, Message][] = [
    ["member_id", { ...request, memberId: "" }],
    ["member_id", { ...request, memberId: "No Good" }],
    ["commits", { ...request, commits: [] }],
    ["commits", { ...request, commits: Array.from({ length: 1_001 }, () => good) }],
    ["commits[1].offset", { ...request, commits: [good, { ...good, offset: -1 }] }],
    ["commits[1].generation", { ...request, commits: [good, { ...good, generation: 0 }] }],
    ["commits[1].partition", { ...request, commits: [good, { ...good, partition: -1 }] }],
  ];
  for (const [field, wrong] of bad) {
    const error = await refusal("INVALID_FIELD", () => stubs.ask("GroupService.CommitOffsets", wrong));
    assert.deepEqual(
      error.fields.map((each) => each.field),
      [field],
    );
  }
  await refusal("INVALID_NAME", () => stubs.ask("GroupService.CommitOffsets", { ...request, group: "No Group" }));
  await refusal("INVALID_NAME", () => stubs.ask("GroupService.FetchOffsets", { group: "billing", fetches: [{ topic: "", partition: 0 }] }));
  await refusal("INVALID_FIELD", () => stubs.ask("GroupService.FetchOffsets", { group: "billing", fetches: [{ topic: "orders", generation: 1 }] }));
  assert.equal(replica.progress.size, 0);
});
