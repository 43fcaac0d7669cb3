import assert from "node:assert/strict";
import { test } from "node:test";
import { type NodeId, type ReplicaSetId, replicaSetId } from "../../../src/base/ids.js";
import type { Command } from "../../../src/cluster/commands.js";
import type { GroupChange, GroupInfo } from "../../../src/cluster/group-info.js";
import { GroupOwnership } from "./group-ownership.js";

const P: readonly ReplicaSetId[] = [1, 2, 3].map(replicaSetId);
type Owners = readonly (readonly [set: number, memberId: string, generation: number])[];

function group(version: number, generation: number, members: readonly string[], owners: Owners, more: Partial<GroupInfo> = {}): GroupInfo {
  return {
    name: "billing",
    version,
    begunAfter: 0,
    generation,
    coordinator: 1 as NodeId,
    strategy: "uniform",
    members: new Map(
      members.map((memberId) => [memberId, { memberId, instanceId: "", clientId: "", sessionTimeoutMs: 1_000, topics: ["orders"], pattern: "" }]),
    ),
    owners: new Map(owners.map(([set, memberId, of]) => [P[set] as ReplicaSetId, { memberId, generation: of }])),
    topics: ["orders"],
    emptySinceMs: 0,
    ...more,
  };
}

const changeOf = (version: number, more: Partial<GroupChange> = {}): Command => ({
  kind: "change-group",
  change: { group: "billing", version, coordinator: 1 as NodeId, strategy: "uniform", nowMs: 0, ...more },
});

/** What is told of a history, each state made from the one before it by a change of that one's version. */
function told(
  states: readonly GroupInfo[],
  holds: (memberId: string, generation: number) => boolean = () => false,
  left?: readonly string[],
): string | undefined {
  const ownership = new GroupOwnership((_group, memberId, _id, generation) => holds(memberId, generation));
  for (const [at, state] of states.entries()) {
    const command = changeOf(states[at - 1]?.version ?? 0, left === undefined ? {} : { left });
    const problem = ownership.applied(at + 1, new Map([["billing", state]]), () => true, command);
    if (problem !== undefined) return problem.invariant;
  }
  return undefined;
}

const BEGUN = [group(1, 0, ["a", "b"], []), group(2, 1, ["a", "b"], [[0, "a", 1]])];

test("partitions that change hands in new generations are as they should be", () => {
  assert.equal(told([...BEGUN, group(3, 2, ["a", "b"], [[0, "b", 2]]), group(4, 2, ["b"], [[0, "b", 2]]), group(5, 3, [], [])]), undefined);
});

test("two owners in one generation, an older generation, one given out twice, and an owner who is no member are told", () => {
  assert.equal(told([...BEGUN, group(3, 1, ["a", "b"], [[0, "b", 1]])]), "at most one owner per partition and generation");
  const older = [group(2, 5, ["a", "b"], [[0, "a", 5]]), group(3, 6, ["a", "b"], [[1, "a", 6]]), group(4, 6, ["a", "b"], [[0, "b", 4]])];
  assert.equal(told([BEGUN[0] as GroupInfo, ...older]), "a new owner has a new generation");
  assert.equal(told([...BEGUN, group(3, 2, ["a", "b"], [[1, "a", 2]]), group(4, 1, ["a", "b"], [])]), "a generation is given out once");
  assert.equal(told([...BEGUN, group(3, 2, ["a"], [[0, "b", 2]])]), "an owner is a member");
});

test("a change that was made for another version is told", () => {
  const ownership = new GroupOwnership(() => false);
  const apply = (index: number, state: GroupInfo, asked: number) => ownership.applied(index, new Map([["billing", state]]), () => true, changeOf(asked));
  assert.equal(apply(1, BEGUN[0] as GroupInfo, 0), undefined);
  assert.equal(apply(2, BEGUN[1] as GroupInfo, 1), undefined);
  assert.equal(apply(3, group(3, 2, ["a", "b"], [[1, "b", 2]]), 1)?.invariant, "a group is changed only as it was looked at");
});

test("what a member that stays still holds is not taken from it; from one that has left it may be", () => {
  const taken = [...BEGUN, group(3, 1, ["a", "b"], [])];
  assert.equal(
    told(taken, (memberId, generation) => memberId === "a" && generation === 1),
    "a partition is released when its owner has given it back",
  );
  assert.equal(
    told(taken, () => true, ["a"]),
    undefined,
  );
  assert.equal(
    told([...BEGUN, group(3, 1, ["b"], [])], () => true),
    undefined,
  );
});

test("a new generation that nobody gets, while there are members, is told: offsets are moved by it", () => {
  assert.equal(told([...BEGUN, group(3, 2, ["a", "b"], [[0, "a", 1]])]), "offsets are moved only while a group has no members");
});

test("a replica that finds another state at the same place, or after a snapshot, is told of", () => {
  const ownership = new GroupOwnership(() => false);
  const groups = (state: GroupInfo) => new Map([["billing", state]]);
  for (const [at, state] of BEGUN.entries()) ownership.applied(at + 1, groups(state), () => true, changeOf(at));
  const survives = "all brokers know the same of groups, after snapshots and restarts too";
  assert.equal(
    ownership.applied(1, groups(BEGUN[0] as GroupInfo), () => true, changeOf(0)),
    undefined,
  );
  assert.equal(ownership.applied(2, groups(group(2, 1, ["a", "b"], [[0, "b", 1]])), () => true, changeOf(1))?.invariant, survives);
  assert.equal(ownership.restored(2, groups(BEGUN[1] as GroupInfo)), undefined);
  assert.equal(ownership.restored(2, groups(BEGUN[0] as GroupInfo))?.invariant, survives);
  assert.equal(ownership.restored(2, new Map())?.invariant, survives);
  assert.equal(ownership.restored(0, groups(BEGUN[0] as GroupInfo))?.invariant, survives);
});

test("a group that was deleted may begin anew, and what it was owned by before is known", () => {
  const ownership = new GroupOwnership(() => false);
  for (const [at, state] of BEGUN.entries()) ownership.applied(at + 1, new Map([["billing", state]]), () => true, changeOf(at));
  ownership.applied(3, new Map(), () => true, { kind: "delete-group", name: "billing" });
  assert.equal(ownership.get("billing"), undefined);
  const again = group(1, 0, ["c"], [], { begunAfter: 1 });
  assert.equal(
    ownership.applied(4, new Map([["billing", again]]), () => true, changeOf(0)),
    undefined,
  );
  assert.equal(ownership.problemOfForgotten("billing", 1), undefined);
  assert.equal(ownership.problemOfForgotten("billing", 2)?.invariant, "only progress of groups that are gone is forgotten");
  assert.equal(ownership.ownerOf("billing", P[0] as ReplicaSetId, 1), "a");
  assert.equal(ownership.membersAt("billing", 1), 2);
});
