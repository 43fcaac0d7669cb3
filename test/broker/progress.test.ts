import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { offset } from "../../src/base/ids.js";
import { limits } from "../../src/base/limits.js";
import { decodeProgressEntry } from "../../src/base/progress-entry.js";
import { EntryKind } from "../../src/replica/types.js";
import { settle } from "../support/fake-clock.js";
import { refusal } from "../support/refusals.js";
import { AT, fixture } from "./fixture.js";

/** Four records, written at 1,000 to 4,000 ms, of a partition that member `m` of `billing` owns. */
function owned(change: Parameters<typeof fixture>[0] = {}) {
  const all = fixture(change);
  for (const [at, value] of ["a", "b", "c", "d"].entries()) all.replica.add([value], 1_000 * (at + 1));
  const generation = all.groups.own("billing", all.replica.replicaSetId, "m");
  const { dataPlane, replica } = all;
  const commit = (to: number, change: { memberId?: string; generation?: number; group?: string } = {}) =>
    dataPlane.commitProgress({ ...AT, group: "billing", memberId: "m", generation, offset: offset(to), ...change });
  const begin = (memberId = "m", inGeneration = generation) => dataPlane.progress({ ...AT, group: "billing", owner: { memberId, generation: inGeneration } });
  const look = (group = "billing") => dataPlane.progress({ ...AT, group, owner: undefined });
  const entries = () => replica.frames.filter(({ kind }) => kind === EntryKind.progress).map(({ body }) => decodeProgressEntry(body).lines);
  return { ...all, generation, commit, begin, look, entries };
}

test("an owner begins, commits, and finds it again; who only looks sees the same and writes nothing", async () => {
  const { begin, commit, look, entries, generation } = owned();
  const begun = await begin();
  assert.deepEqual([begun.offset, begun.generation, begun.highWatermark, begun.term], [undefined, generation, 4, 3]);
  assert.deepEqual(await commit(3), { offset: 3, term: 3 });
  assert.deepEqual([(await begin()).offset, (await look()).offset], [3, 3]);
  assert.deepEqual(
    entries().map((lines) => lines.map(({ kind }) => kind)),
    [["claim"], ["commit"]],
  );
});

test("what is committed already costs no entry, and a lower offset changes nothing", async () => {
  const { commit, entries } = owned();
  await commit(3);
  for (const to of [3, 2, 0]) assert.equal((await commit(to)).offset, 3);
  assert.equal(entries().length, 1);
});

test("a new owner fences the former one, in the log, whatever the former leader still believes", async () => {
  const { begin, commit, groups, replica, generation } = owned();
  await commit(2);
  const next = groups.own("billing", replica.replicaSetId, "n");
  assert.equal((await begin("n", next)).offset, 2);
  const error = await refusal("STALE_GENERATION", () => commit(4));
  assert.equal(error.details["currentGeneration"], next);
  assert.equal((await commit(3, { memberId: "n", generation: next })).offset, 3);
  // The metadata as it was before, on a leader that has not heard of the change.
  groups.own("billing", replica.replicaSetId, "m");
  replica.progress.applied({ nowMs: 1, lines: [{ kind: "claim", group: "billing", generation: groups.newestGeneration + 5, since: 0 }] }, offset(4));
  await refusal("STALE_GENERATION", () => commit(4, { generation: groups.newestGeneration }));
  await refusal("STALE_GENERATION", () => begin("m", groups.newestGeneration));
  await refusal("STALE_GENERATION", () => commit(4, { generation }));
});

test("what a commit was overtaken by is decided where its entry stands", async () => {
  const { commit, begin, groups, replica } = owned();
  await commit(1);
  replica.commits = false;
  const first = commit(2);
  await settle();
  const late = commit(3);
  await settle();
  const next = groups.own("billing", replica.replicaSetId, "n");
  const claimed = begin("n", next);
  await settle();
  replica.commits = true;
  replica.commitAll();
  assert.equal((await first).offset, 2);
  assert.equal((await late).offset, 3, "it stands before the claim");
  assert.equal((await claimed).offset, 3);
});

test("a commit that stands behind the claim of the next owner changes nothing, and is told so", async () => {
  const { commit, begin, groups, replica, generation } = owned();
  await commit(1);
  const known = groups.group("billing");
  const next = groups.own("billing", replica.replicaSetId, "n");
  replica.commits = false;
  const claimed = begin("n", next);
  await settle();
  groups.group = () => known;
  const late = commit(2, { generation });
  late.catch(() => undefined);
  await settle();
  replica.commits = true;
  replica.commitAll();
  assert.equal((await claimed).offset, 1);
  const error = await refusal("STALE_GENERATION", () => late);
  assert.equal(error.details["currentGeneration"], next);
  assert.equal(replica.progress.get("billing")?.offset, 1);
});

test("who does not own the partition commits nothing, and each reason has its name", async () => {
  const { commit, groups, replica, generation, entries } = owned();
  await refusal("PARTITION_NOT_OWNED", () => commit(1, { memberId: "other" }));
  await refusal("GROUP_NOT_FOUND", () => commit(1, { group: "nobody" }));
  await refusal("GROUP_NOT_EMPTY", () => commit(1, { memberId: "" }));
  await refusal("OFFSET_OUT_OF_RANGE", () => commit(5));
  await refusal("OFFSET_OUT_OF_RANGE", () => commit(-1));
  groups.own("billing", replica.replicaSetId);
  await refusal("PARTITION_NOT_OWNED", () => commit(1));
  groups.own("billing", replica.replicaSetId, "m");
  await refusal("STALE_GENERATION", () => commit(1, { generation }));
  assert.equal(entries().length, 0);
});

test("a generation that is not known here yet is awaited, and then refused", async () => {
  const { commit, groups, replica, clock, generation } = owned();
  const early = commit(1, { memberId: "n", generation: generation + 1 });
  await settle();
  groups.own("billing", replica.replicaSetId, "n");
  assert.equal((await early).offset, 1);
  const never = commit(2, { memberId: "n", generation: generation + 2 });
  never.catch(() => undefined);
  await settle();
  clock.advance(1_100);
  const error = await refusal("NOT_READY", () => never);
  assert.equal(error.details["newestGeneration"], generation + 1);
  assert.equal(groups.watchers.size, 0);
});

test("an empty group is reset, back too, in its newest generation only", async () => {
  const { commit, groups, look } = owned();
  await commit(3);
  const generation = groups.empty("billing");
  await refusal("STALE_GENERATION", () => commit(1, { memberId: "", generation: generation - 1 }));
  assert.equal((await commit(1, { memberId: "", generation })).offset, 1);
  assert.deepEqual([(await look()).offset, (await look()).generation], [1, generation]);
});

test("commits that come while an entry is under way are the next entry, and each has its answer", async () => {
  const { commit, groups, replica, entries } = owned();
  const names = Array.from({ length: 500 }, (_, n) => `group-${n}`);
  for (const name of names) groups.own(name, replica.replicaSetId, "m");
  replica.commits = false;
  const commits = names.map((group) => commit(1, { group, generation: groups.group(group)?.generation as number }));
  await settle();
  assert.equal(entries().length, 1);
  replica.commits = true;
  replica.commitAll();
  assert.deepEqual([...new Set((await Promise.all(commits)).map((answer) => answer.offset))], [1]);
  assert.deepEqual(
    entries().map((lines) => lines.length),
    [2, 998],
  );
});

test("a leadership that is lost answers what is under way and what waits, and nothing hangs", async () => {
  const { commit, replica, view, entries } = owned();
  await commit(1);
  replica.commits = false;
  const underWay = commit(2);
  await settle();
  const waiting = commit(3);
  await settle();
  view.setLeader(AT, 2, 4);
  replica.stepDown({ nodeId: 2 as never, term: 4 as never });
  replica.failAll(new QuireError("WRITE_OUTCOME_UNKNOWN", "leadership was lost"));
  await refusal("WRITE_OUTCOME_UNKNOWN", () => underWay);
  const error = await refusal("NOT_LEADER", () => waiting);
  assert.equal(error.details["leaderNodeId"], 2);
  assert.equal(entries().length, 2);
});

test("without a quorum a commit has an unknown outcome, and one that waits behind it was not written", async () => {
  const { commit, replica, clock, entries } = owned();
  await commit(1);
  replica.commits = false;
  const underWay = commit(2);
  await settle();
  const waiting = commit(3);
  for (const each of [underWay, waiting]) each.catch(() => undefined);
  await settle();
  clock.advance(10_100);
  await refusal("WRITE_OUTCOME_UNKNOWN", () => underWay);
  await refusal("QUORUM_UNAVAILABLE", () => waiting);
  replica.commits = true;
  replica.commitAll();
  assert.equal((await commit(4)).offset, 4);
  assert.deepEqual(
    entries().map((lines) => lines.length),
    [2, 1, 1],
  );
});

test("a partition knows so many groups, those on their way included, and not one more", async () => {
  const { commit, groups, replica } = owned();
  const names = Array.from({ length: limits.groupsPerPartition + 1 }, (_, n) => `group-${n}`);
  const first = groups.newestGeneration + 1;
  for (const name of names) groups.own(name, replica.replicaSetId, "m");
  replica.commits = false;
  const outcomes = Promise.allSettled(names.map((group, n) => commit(1, { group, generation: first + n })));
  await settle();
  replica.commits = true;
  replica.commitAll();
  const refused = (await outcomes).filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
  assert.deepEqual(
    refused.map(({ reason }) => reason.reason),
    ["QUOTA_EXCEEDED"],
  );
  assert.equal(replica.progress.size, limits.groupsPerPartition);
});

test("lag is the age of the oldest record that is not processed, from memory or disk, looked up once", async () => {
  const { commit, look, clock, replica } = owned();
  const lagOf = async () => clock.wallMs() - (await look()).lagMs;
  assert.equal(await lagOf(), 1_000, "nothing processed");
  await commit(2);
  replica.cached = false;
  assert.equal(await lagOf(), 3_000);
  assert.equal(await lagOf(), 3_000);
  assert.equal(replica.diskReads, 1);
  replica.drop(3);
  assert.equal(await lagOf(), 4_000, "what retention took is not waited for");
  await commit(4);
  assert.equal((await look()).lagMs, 0);
});

test("a look says how fast a group goes, and needs a confirmed leadership", async () => {
  const { commit, look, clock, replica } = owned();
  await commit(1);
  clock.advance(1_000);
  await commit(3);
  assert.equal((await look()).recordsPerSecond, 2);
  replica.readIndexFails = new QuireError("THROTTLED", "too many");
  await refusal("THROTTLED", () => look());
});

test("a group that is gone is forgotten by an entry of the log, seen by nobody before that, and nothing newer goes with it", async () => {
  const { commit, look, groups, replica, dataPlane, view, entries } = owned();
  await commit(2);
  const tell = async () => {
    dataPlane.tellTime(replica, AT);
    await settle();
  };
  await tell();
  assert.equal(entries().length, 1, "it is there");
  groups.delete("billing");
  assert.equal((await look()).offset, undefined);
  view.ready = false;
  await tell();
  assert.equal(replica.progress.size, 1, "who has not read the metadata knows of nobody that is gone");
  view.ready = true;
  await tell();
  assert.deepEqual([replica.progress.size, entries().length], [0, 2]);
  await tell();
  assert.equal(entries().length, 2);
});

test("a group that is begun anew under its old name inherits nothing, even before the old one is forgotten", async () => {
  const { commit, begin, look, groups, replica } = owned();
  await commit(2);
  groups.delete("billing");
  const generation = groups.own("billing", replica.replicaSetId, "n");
  assert.equal((await look()).offset, undefined);
  assert.equal((await begin("n", generation)).offset, undefined);
  assert.equal((await commit(1, { memberId: "n", generation })).offset, 1);
});

test("a commit without a claim before it inherits nothing either", async () => {
  const { commit, groups, replica } = owned();
  await commit(2);
  groups.delete("billing");
  const generation = groups.own("billing", replica.replicaSetId, "n");
  assert.equal((await commit(1, { memberId: "n", generation })).offset, 1);
});

test("a full disk takes no records, but what is processed of those that are there", async () => {
  const { commit } = owned({ hasRoom: () => false, hasRoomAt: () => false });
  assert.equal((await commit(3)).offset, 3);
});
