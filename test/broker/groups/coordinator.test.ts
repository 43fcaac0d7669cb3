import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../../src/base/errors.js";
import { coordinatorOf } from "../../../src/broker/groups/coordinator-choice.js";
import { node } from "../../cluster/examples.js";
import { Coordinators, type MemberOptions, TestMember } from "./coordinators.js";

function cluster(partitions = 6): Coordinators {
  const made = new Coordinators();
  made.createTopic("orders", partitions);
  return made;
}
const join = (made: Coordinators, id: string, options: MemberOptions = {}): TestMember => new TestMember(made, id, options).enter();
const heldBy = (members: readonly TestMember[]): number[] => members.map(({ held }) => held.size);
const reasonOf = (member: TestMember): string | undefined => member.ended?.error?.reason;

/** Nobody works on what another one works on, in the same generation or in any. */
function assertDisjoint(members: readonly TestMember[]): void {
  const all = members.flatMap(({ held }) => [...held.keys()]);
  assert.equal(new Set(all).size, all.length, "no partition is in two hands");
}

test("members that come share the partitions; who keeps one keeps its generation and hears of nothing else", async () => {
  const made = cluster();
  const a = join(made, "a");
  await made.clock.advance(200);
  assert.deepEqual([a.entries, a.held.size], [1, 6]);
  const b = join(made, "b");
  await made.clock.advance(200);
  assert.deepEqual(heldBy([a, b]), [3, 3]);
  assertDisjoint([a, b]);
  assert.equal(a.events.filter((event) => event.startsWith("-")).length, 3, "nothing moved that need not");
  assert.ok(made.coordinators.get(a.at)?.runner("billing")?.isSettled);
});

test("a partition goes to the next one only when its owner has given it back", async () => {
  const made = cluster(2);
  const a = join(made, "a");
  await made.clock.advance(200);
  a.holdsOn = true;
  const b = join(made, "b");
  await made.clock.advance(1_000);
  assert.deepEqual(
    [heldBy([a, b]), made.owners("orders")],
    [
      [2, 0],
      ["a", "a"],
    ],
  );
  assert.equal(made.coordinators.get(a.at)?.runner("billing")?.isSettled, false);
  a.giveBack();
  await made.clock.advance(200);
  assert.deepEqual(heldBy([a, b]), [1, 1]);
  assertDisjoint([a, b]);
});

test("who leaves is replaced at once, in one change", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a"), join(made, "b")];
  await made.clock.advance(300);
  const before = made.changes.length;
  a.leave();
  await made.clock.advance(20);
  assert.deepEqual([b.held.size, made.changes.length - before], [6, 1]);
  assert.deepEqual(a.ended, { error: undefined });
});

test("a broken stream is no leave; who comes again within its session timeout goes on, and nobody noticed", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a"), join(made, "b")];
  await made.clock.advance(300);
  const [events, changes] = [[...a.events], made.changes.length];
  a.cut();
  await made.clock.advance(9_000);
  b.heartbeat();
  a.enter();
  await made.clock.advance(500);
  assert.deepEqual([a.events, made.changes.length, heldBy([a, b])], [events, changes, [3, 3]]);
});

test("who is silent for its session timeout is fenced, and what it says later counts for nothing", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a"), join(made, "b", { sessionTimeoutMs: 60_000 })];
  await made.clock.advance(300);
  const lastHeard = [...a.held.keys()];
  await made.clock.advance(9_600);
  assert.equal(made.group().members.size, 2, "not yet");
  await made.clock.advance(400);
  assert.deepEqual([reasonOf(a), b.held.size], ["MEMBER_FENCED", 6]);
  a.heartbeat();
  a.enter();
  await made.clock.advance(300);
  assertDisjoint([a, b]);
  for (const id of lastHeard) if (a.held.has(id)) assert.ok(a.events.includes(`-${id}@1`), "what it held is dropped, and begun anew if it is its own again");
});

test("a member whose stream broke and that does not come again is replaced after its session timeout", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a", { sessionTimeoutMs: 1_000 }), join(made, "b", { sessionTimeoutMs: 60_000 })];
  await made.clock.advance(300);
  a.cut();
  await made.clock.advance(1_100);
  assert.equal(b.held.size, 6);
});

test("when the coordinator dies its members go on elsewhere, and nothing moves", async () => {
  const made = cluster();
  const members = ["a", "b", "c"].map((id) => join(made, id));
  await made.clock.advance(300);
  const events = members.map((member) => [...member.events]);
  const former = members[0]?.at ?? 0;
  made.kill(former, members);
  const [next] = made.views.keys();
  for (const member of members) member.enter(next);
  await made.clock.advance(500);
  assert.deepEqual(
    members.map((member) => member.events),
    events,
  );
  assert.notEqual(made.group().coordinator, former);
  members[0]?.leave();
  await made.clock.advance(100);
  assert.deepEqual(heldBy(members.slice(1)), [3, 3], "and the new one coordinates");
});

test("members that went down with their coordinator are given up by another broker", async () => {
  const made = cluster();
  const a = join(made, "a", { sessionTimeoutMs: 1_000 });
  await made.clock.advance(300);
  made.kill(a.at, [a]);
  await made.clock.advance(3_500);
  assert.equal(made.group().members.size, 0);
  assert.ok(made.group().emptySinceMs > 0);
});

test("a broker that ends hands its groups over, and names who goes on", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a"), join(made, "b")];
  await made.clock.advance(300);
  const events = [...a.events];
  const former = a.at;
  const closing = made.coordinators.get(former)?.close();
  await made.clock.advance(100);
  await closing;
  assert.deepEqual([reasonOf(a), reasonOf(b)], ["NOT_COORDINATOR", "NOT_COORDINATOR"]);
  const successor = made.group().coordinator;
  assert.equal(Number(a.ended?.error?.details["coordinatorNodeId"]), successor);
  assert.equal(coordinatorOf(made.views.get(former) as never, "billing", undefined, node(former)), successor);
  for (const member of [a, b]) member.enter(successor);
  await made.clock.advance(300);
  assert.deepEqual(a.events, events);
});

test("of two that both believe to coordinate, the metadata hears one, and the other sends its members there", async () => {
  const made = cluster();
  const a = join(made, "a");
  await made.clock.advance(300);
  const former = a.at;
  for (const [id, view] of made.views) if (id !== former) view.onPeerDown(node(former));
  const other = [...made.views.keys()].find((id) => id !== former) ?? 0;
  const b = new TestMember(made, "b");
  b.enter(other);
  await made.clock.advance(500);
  assert.equal(made.group().coordinator, b.at);
  assert.equal(reasonOf(a), "NOT_COORDINATOR");
  a.enter(b.at);
  await made.clock.advance(500);
  assert.deepEqual(heldBy([a, b]), [3, 3]);
  assertDisjoint([a, b]);
});

test("a thousand members that come at once make few changes, and each has its share", async () => {
  const made = cluster(1_000);
  const members = Array.from({ length: 1_000 }, (_, i) => join(made, `m${i}`));
  await made.clock.advance(1_000);
  assert.deepEqual([...new Set(heldBy(members))], [1]);
  assert.ok(made.changes.length <= 6, `${made.changes.length} changes`);
  assert.ok(
    members.every((member) => member.events.length === 1),
    "nothing moved twice",
  );
  const changes = made.changes.length;
  const late = join(made, "late");
  await made.clock.advance(1_000);
  assert.equal(late.held.size, 0, "nothing is moved for one that would have nothing to do");
  members[5]?.leave();
  await made.clock.advance(50);
  assert.deepEqual([late.held.size, made.changes.length - changes], [1, 2]);
  assert.ok(members.filter((_, i) => i !== 5).every((member) => member.events.length === 1));
});

test("members that come one after the other are waited for a moment, so that nothing moves twice", async () => {
  const made = cluster(20);
  const members: TestMember[] = [];
  for (let i = 0; i < 20; i++) {
    members.push(join(made, `m${i}`));
    await made.clock.advance(10);
  }
  await made.clock.advance(500);
  assert.deepEqual([...new Set(heldBy(members))], [1]);
  assert.ok(members.every((member) => member.events.length === 1));
});

test("what is on its way to somebody stays so when others come", async () => {
  const made = cluster(12);
  const a = join(made, "a");
  await made.clock.advance(300);
  a.holdsOn = true;
  const b = join(made, "b");
  await made.clock.advance(300);
  const runner = made.coordinators.get(a.at)?.runner("billing");
  const promised = [...(runner?.target ?? [])].filter(([, owner]) => owner === "b").map(([id]) => id);
  const c = join(made, "c");
  await made.clock.advance(300);
  const kept = promised.filter((id) => runner?.target?.get(id) === "b");
  assert.deepEqual([promised.length, kept.length], [6, 4], "only what the third one needs is promised anew");
  a.giveBack();
  await made.clock.advance(300);
  assert.deepEqual(heldBy([a, b, c]), [4, 4, 4]);
});

test("topics that come, grow and go are seen, by name and by pattern", async () => {
  const made = cluster(2);
  const a = join(made, "a", { pattern: "or*" });
  await made.clock.advance(300);
  made.createTopic("order-lines", 3);
  made.createTopic("audit", 3);
  await made.clock.advance(100);
  assert.equal(a.held.size, 5);
  made.growTopic("orders", 2);
  await made.clock.advance(100);
  assert.equal(a.held.size, 7);
  made.deleteTopic("order-lines");
  await made.clock.advance(100);
  assert.deepEqual([a.held.size, made.group().owners.size, made.group().topics], [4, 4, ["orders", "order-lines"]]);
});

test("one that comes with the instance id of another takes its place at once, and nothing else moves", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a", { instanceId: "i" }), join(made, "b")];
  await made.clock.advance(300);
  const had = [...a.held.keys()];
  const events = [...b.events];
  const next = join(made, "a2", { instanceId: "i" });
  await made.clock.advance(100);
  assert.deepEqual([[...next.held.keys()], reasonOf(a), b.events], [had, "MEMBER_FENCED", events]);
});

test("a second stream of the same member takes the place of the first", async () => {
  const made = cluster();
  const a = join(made, "a");
  await made.clock.advance(300);
  const again = join(made, "a");
  await made.clock.advance(100);
  assert.deepEqual([reasonOf(a), again.held.size], ["MEMBER_FENCED", 6]);
  assert.equal(made.changes.at(-1)?.left, undefined);
});

test("another strategy than the group's is refused, and changes nothing", async () => {
  const made = cluster();
  const a = join(made, "a", { strategy: "range" });
  await made.clock.advance(300);
  assert.throws(
    () => join(made, "b", { strategy: "sticky" }),
    (error) => error instanceof QuireError && error.reason === "INCONSISTENT_GROUP",
  );
  join(made, "c");
  await made.clock.advance(300);
  assert.deepEqual([made.group().strategy, made.group().members.size, a.held.size], ["range", 2, 3]);
});

test("whatever answer is lost or refused, the group gets where it shall be", async () => {
  const made = cluster();
  made.failures.push(
    new QuireError("LEADER_UNKNOWN", "an election"),
    new QuireError("WRITE_OUTCOME_UNKNOWN", "no answer"),
    new QuireError("CONFLICT", "behind"),
  );
  const [a, b] = [join(made, "a"), join(made, "b")];
  await made.clock.advance(3_000);
  assert.deepEqual(heldBy([a, b]), [3, 3]);
  made.failures.push(new QuireError("QUOTA_EXCEEDED", "too many"));
  const c = join(made, "c");
  await made.clock.advance(2_000);
  assert.deepEqual([reasonOf(c), made.group().members.size, heldBy([a, b])], ["QUOTA_EXCEEDED", 2, [3, 3]]);
});

test("a broker that was held up for long gives its members time to be heard", async () => {
  const made = cluster();
  const a = join(made, "a", { sessionTimeoutMs: 1_000 });
  await made.clock.advance(300);
  a.heartbeat();
  made.clock.jump(30_000);
  await made.clock.advance(10);
  a.heartbeat();
  await made.clock.advance(500);
  assert.deepEqual([a.ended, a.held.size], [undefined, 6]);
});

test("when nothing changes nothing is written", async () => {
  const made = cluster();
  const members = ["a", "b"].map((id) => join(made, id));
  await made.clock.advance(300);
  const changes = made.changes.length;
  for (let i = 0; i < 20; i++) {
    for (const member of members) member.heartbeat();
    await made.clock.advance(3_000);
  }
  assert.deepEqual([made.changes.length, heldBy(members)], [changes, [3, 3]]);
});
