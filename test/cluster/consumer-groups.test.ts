import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { limits } from "../../src/base/limits.js";
import { isNewer } from "../../src/broker/groups/group-compare.js";
import { type Command, decodeCommand, encodeCommand } from "../../src/cluster/commands.js";
import { applyGroupChange } from "../../src/cluster/group-change.js";
import type { GroupChange, GroupInfo } from "../../src/cluster/group-info.js";
import { LocalView } from "../../src/cluster/local-view.js";
import { MetadataMachine } from "../../src/cluster/metadata-machine.js";
import { MetadataState } from "../../src/cluster/metadata-state.js";
import { EntryKind, type Frame } from "../../src/replica/types.js";
import { founding, id, node, spec } from "./examples.js";
import { change, member } from "./group-examples.js";
import { ManualClock } from "./manual-clock.js";

const refusal = (reason: string) => (error: unknown) => error instanceof QuireError && error.reason === reason;

/** A cluster with a topic of so many partitions: replica sets 1, 2, … */
function stateWith(partitions = 4): MetadataState {
  const state = new MetadataState(founding(1, 2, 3));
  state.apply({ kind: "create-topic", topicId: "t", createdMs: 0, spec: spec("orders", partitions), placements: Array(partitions).fill([1, 2, 3].map(node)) });
  return state;
}
const apply = (state: MetadataState, step: GroupChange): GroupInfo => state.apply({ kind: "change-group", change: step }).result as GroupInfo;
const ownersOf = (group: GroupInfo): unknown[] => [...group.owners].map(([set, { memberId, generation }]) => [set, memberId, generation]).sort();

test("a group begins with its first member, and each change that gives something out takes a generation of its own", () => {
  const state = stateWith();
  const first = apply(state, change(undefined, { entered: [member("a")], assigned: [["a", [id(1), id(2)]]] }));
  assert.deepEqual([first.version, first.generation, first.begunAfter, first.emptySinceMs], [1, 1, 0, 0]);
  const other = apply(state, change(undefined, { group: "audit", entered: [member("x")], assigned: [["x", [id(1)]]] }));
  assert.deepEqual([other.generation, other.begunAfter], [2, 1], "no two groups have the same one");
  const moved = apply(state, change(first, { released: [id(2)], entered: [member("b")], assigned: [["b", [id(2), id(3)]]] }));
  assert.deepEqual(ownersOf(moved), [
    [1, "a", 1],
    [2, "b", 3],
    [3, "b", 3],
  ]);
  const quiet = apply(state, change(moved, { coordinator: node(2) }));
  assert.deepEqual([quiet.version, quiet.generation, quiet.coordinator], [3, 3, 2], "nothing given out, no generation");
});

test("of two that looked at the same version, one is heard", () => {
  const state = stateWith();
  const group = apply(state, change(undefined, { entered: [member("a")] }));
  apply(state, change(group, { coordinator: node(2) }));
  assert.throws(() => apply(state, change(group, { coordinator: node(3) })), refusal("CONFLICT"));
  assert.throws(() => apply(state, change(undefined, { entered: [member("z")] })), refusal("CONFLICT"), "begun already");
  assert.throws(() => apply(state, { ...change(undefined), group: "none", version: 4 }), refusal("CONFLICT"));
  assert.equal(state.groups.get("billing")?.coordinator, 2);
});

test("what somebody owns, what is not there, and who is no member are not given, and a refused change changes nothing", () => {
  const state = stateWith();
  const group = apply(state, change(undefined, { entered: [member("a"), member("b")], assigned: [["a", [id(1)]]] }));
  for (const assigned of [
    ["b", [id(1)]],
    ["c", [id(2)]],
    ["b", [id(9)]],
    ["b", [id(3), id(3)]],
  ] as const) {
    assert.throws(() => apply(state, change(group, { left: ["x"], assigned: [assigned] })), refusal("CONFLICT"));
  }
  assert.equal(state.groups.get("billing"), group);
  assert.equal(state.newestGeneration, 1);
  const released = apply(state, change(group, { released: [id(1)], assigned: [["b", [id(1)]]] }));
  assert.deepEqual(ownersOf(released), [[1, "b", 2]]);
});

test("who leaves owns nothing any more, and the last one to leave empties the group", () => {
  const state = stateWith();
  const group = apply(
    state,
    change(undefined, {
      entered: [member("a"), member("b")],
      assigned: [
        ["a", [id(1)]],
        ["b", [id(2)]],
      ],
    }),
  );
  const left = apply(state, change(group, { left: ["a"], assigned: [["b", [id(1)]]], nowMs: 7 }));
  assert.deepEqual(
    [ownersOf(left), left.emptySinceMs],
    [
      [
        [1, "b", 2],
        [2, "b", 1],
      ],
      0,
    ],
  );
  const empty = apply(state, change(left, { left: ["b"], nowMs: 9 }));
  assert.deepEqual([empty.owners.size, empty.members.size, empty.emptySinceMs], [0, 0, 9]);
  const still = apply(state, change(empty, { coordinator: node(3), nowMs: 20 }));
  assert.equal(still.emptySinceMs, 9);
  const reset = apply(state, change(still, { newGeneration: true, nowMs: 30 }));
  assert.deepEqual([reset.generation, reset.emptySinceMs], [3, 30], "moving its offsets is a use of a group");
  assert.throws(() => apply(state, change(reset, { entered: [member("c")], newGeneration: true })), refusal("GROUP_NOT_EMPTY"));
});

test("one with the instance id of another takes over all that it owned, in a new generation", () => {
  const state = stateWith();
  const group = apply(
    state,
    change(undefined, {
      entered: [member("a", { instanceId: "i" }), member("b")],
      assigned: [
        ["a", [id(1), id(2)]],
        ["b", [id(3)]],
      ],
    }),
  );
  const next = apply(state, change(group, { entered: [member("a2", { instanceId: "i" })] }));
  assert.deepEqual([...next.members.keys()].sort(), ["a2", "b"]);
  assert.deepEqual(ownersOf(next), [
    [1, "a2", 2],
    [2, "a2", 2],
    [3, "b", 1],
  ]);
  const twice = apply(state, change(next, { entered: [member("a3", { instanceId: "i" }), member("a4", { instanceId: "i" })] }));
  assert.deepEqual(ownersOf(twice), [
    [1, "a4", 3],
    [2, "a4", 3],
    [3, "b", 1],
  ]);
  assert.deepEqual([...twice.members.keys()].sort(), ["a4", "b"]);
});

test("a deleted topic's partitions are nobody's", () => {
  const state = stateWith();
  const group = apply(state, change(undefined, { entered: [member("a")], assigned: [["a", [id(1), id(2)]]] }));
  apply(state, change(undefined, { group: "audit", entered: [member("x")] }));
  const { change: touched } = state.apply({ kind: "delete-topic", name: "orders" });
  assert.deepEqual(touched.groups, ["billing"]);
  assert.deepEqual([state.groups.get("billing")?.owners.size, state.groups.get("billing")?.version], [0, group.version + 1]);
});

test("a group is deleted when it has no members, and at the version given; begun again it inherits no generation", () => {
  const state = stateWith();
  const group = apply(state, change(undefined, { entered: [member("a")], assigned: [["a", [id(1)]]] }));
  const remove = (version?: number): unknown =>
    state.apply({ kind: "delete-group", name: "billing", ...(version !== undefined && { expectedVersion: version }) });
  assert.throws(() => remove(), refusal("GROUP_NOT_EMPTY"));
  const empty = apply(state, change(group, { left: ["a"] }));
  assert.throws(() => remove(empty.version - 1), refusal("CONFLICT"));
  remove(empty.version);
  assert.throws(() => remove(), refusal("GROUP_NOT_FOUND"));
  const anew = apply(state, change(undefined, { entered: [member("a")], assigned: [["a", [id(1)]]] }));
  assert.deepEqual([anew.version, anew.begunAfter, anew.generation], [1, 2, 3]);
});

test("of two groups of one name that never got a generation, the later one is the newer, though its versions begin again", () => {
  const state = stateWith();
  const former = apply(state, change(apply(state, change(undefined, { entered: [member("a")] })), { left: ["a"] }));
  state.apply({ kind: "delete-group", name: "billing" });
  assert.ok(isNewer(undefined, former, state.newestGeneration));
  const anew = apply(state, change(undefined, { entered: [member("b")] }));
  assert.ok(anew.version < former.version);
  assert.deepEqual([isNewer(anew, former, state.newestGeneration), isNewer(former, anew, state.newestGeneration)], [true, false]);
});

test("a view without a group is behind it until it has heard of the group's end, and ahead from then on, whatever members the group had", () => {
  const state = stateWith();
  apply(state, change(undefined, { group: "audit", entered: [member("x")], assigned: [["x", [id(1)]]] }));
  const behind = state.newestGeneration;
  const group = apply(state, change(undefined, { entered: [member("a")], assigned: [["a", [id(2)]]] }));
  assert.ok(!isNewer(undefined, group, behind));
  apply(state, change(group, { left: ["a"] }));
  state.apply({ kind: "delete-group", name: "billing" });
  assert.ok(isNewer(undefined, group, state.newestGeneration));
});

test("groups and their members are bounded", () => {
  const state = stateWith();
  const many = Array.from({ length: limits.membersPerGroup + 1 }, (_, i) => member(`m${i}`));
  assert.throws(() => apply(state, change(undefined, { entered: many })), refusal("QUOTA_EXCEEDED"));
  const topics = Array.from({ length: 1_000 }, (_, i) => `${i}`.padStart(249, "x"));
  const heavy = Array.from({ length: 200 }, (_, i) => member(`m${i}`, { topics }));
  assert.throws(() => apply(state, change(undefined, { entered: heavy })), refusal("QUOTA_EXCEEDED"), "in bytes, too");
  assert.equal(state.groups.size, 0);
  for (let i = 0; i < limits.groups; i++) apply(state, change(undefined, { group: `g${i}`, coordinator: node(1) }));
  assert.throws(() => apply(state, change(undefined, { group: "more" })), refusal("QUOTA_EXCEEDED"));
});

test("a snapshot carries groups, and one from before there were any has none", () => {
  const state = stateWith();
  const group = apply(
    state,
    change(undefined, { entered: [member("a", { instanceId: "i" }), member("b", { topics: [], pattern: "o*" })], assigned: [["b", [id(4)]]] }),
  );
  const copy = new MetadataState(founding(1, 2, 3));
  copy.restore(state.snapshot());
  assert.deepEqual(copy.groups.get("billing"), group);
  assert.equal(copy.newestGeneration, 1);
  assert.deepEqual(copy.snapshot(), state.snapshot());
  const { groups: _, ...older } = JSON.parse(state.snapshot().toString()) as Record<string, unknown>;
  copy.restore(Buffer.from(JSON.stringify(older)));
  assert.deepEqual([copy.groups.size, copy.newestGeneration], [0, 0]);
});

test("watchers of groups hear of each change at once, and nobody else is woken", () => {
  const clock = new ManualClock();
  const machine = new MetadataMachine(founding(1));
  const view = new LocalView({ self: node(1), incarnation: "disk-1", machine, clock });
  const told: (readonly string[])[] = [];
  let woken = 0;
  view.watch(() => {
    woken += 1;
  });
  view.watchGroups((names) => told.push(names));
  const version = view.version;
  const body = encodeCommand({ kind: "change-group", change: change(undefined, { entered: [member("a")] }) });
  machine.apply({ index: 1, term: 1, kind: EntryKind.command, body } as Frame);
  assert.deepEqual([told, view.version, woken], [[["billing"]], version, 0]);
  assert.equal(view.group("billing")?.members.size, 1);
  machine.restore(machine.blank());
  assert.deepEqual([told.at(-1), view.groups()], [["billing"], []], "one that is gone is told, too");
});

test("however groups change: an owner is a member, generations are of one change only, and an asker knows the outcome from the generation alone", () => {
  const ids = fc.array(fc.integer({ min: 1, max: 6 }).map(id), { maxLength: 4 });
  const name = fc.constantFrom("a", "b", "c", "d");
  const step = fc.record(
    {
      left: fc.array(name, { maxLength: 2 }),
      released: ids,
      entered: fc.array(
        fc.tuple(name, fc.constantFrom("", "i", "j")).map(([memberId, instanceId]) => member(memberId, { instanceId })),
        { maxLength: 3 },
      ),
      assigned: fc.array(fc.tuple(name, ids), { maxLength: 2 }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const state = stateWith(6);
      const used = new Set<number>();
      for (const rest of steps) {
        const before = state.groups.get("billing");
        const asked = change(before, rest);
        let after: GroupInfo;
        try {
          after = apply(state, asked);
        } catch (error) {
          assert.ok(refusal("CONFLICT")(error));
          assert.equal(state.groups.get("billing"), before);
          continue;
        }
        for (const [set, owner] of after.owners) {
          assert.ok(after.members.has(owner.memberId));
          const former = before?.owners.get(set);
          if (former?.memberId !== owner.memberId) assert.ok(!used.has(owner.generation), "a new owner has a new generation");
          if (former?.memberId !== owner.memberId) assert.equal(owner.generation, after.generation);
        }
        for (const owner of after.owners.values()) used.add(owner.generation);
        assert.deepEqual(
          applyGroupChange(before, asked, { generation: before === undefined ? after.begunAfter + 1 : after.generation, exists: () => true }),
          after,
        );
      }
    }),
  );
});

test("whatever a command says, it is read as it was written, by the version that wrote it", () => {
  const commands: readonly Command[] = [
    { kind: "delete-group", name: "billing" },
    { kind: "delete-group", name: "billing", expectedVersion: 7 },
    { kind: "change-group", change: change(undefined, { entered: [member("a")], assigned: [["a", [id(1)]]] }) },
    { kind: "init-producer", name: "billing-1" },
  ];
  for (const command of commands) assert.deepEqual(decodeCommand(encodeCommand(command)), command);
});
