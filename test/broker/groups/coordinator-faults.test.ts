import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../../src/base/errors.js";
import { METADATA_REPLICA_SET, term } from "../../../src/base/ids.js";
import { coordinatorOf } from "../../../src/broker/groups/coordinator-choice.js";
import { Coordinators, type MemberOptions, TestMember } from "./coordinators.js";

function cluster(partitions = 6): Coordinators {
  const made = new Coordinators();
  made.createTopic("orders", partitions);
  return made;
}
const join = (made: Coordinators, id: string, options: MemberOptions = {}): TestMember => new TestMember(made, id, options).enter();

/** Goes on like a client: hears heartbeats, and enters again where it is sent, or anywhere. */
async function live(made: Coordinators, members: readonly TestMember[], ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    for (const member of members) {
      if (member.isConnected) member.heartbeat();
      else member.enter(Number(member.ended?.error?.details["coordinatorNodeId"] ?? member.at));
    }
    await made.clock.advance(100);
  }
}

test("two brokers that do not see each other do not take a group from each other for ever, and its members stay", async () => {
  let taken = 0;
  for (const group of ["billing", "audit", "mail", "fraud"]) {
    const made = cluster();
    const [a, b] = [join(made, "a", { group }), join(made, "b", { group })];
    await live(made, [a, b], 500);
    const [former, before] = [a.at, made.changes.length];
    const events = [...a.events, ...b.events];
    for (const id of [1, 2, 3]) if (id !== former) made.link(former, id, false);
    const other = Number(coordinatorOf(made.views.get((former % 3) + 1) as never, group, made.group(group)));
    made.link(former, 6 - former - other, true);
    await live(made, [a, b], 60_000);
    assert.ok(made.changes.length - before <= 1, `${made.changes.length - before} changes`);
    assert.deepEqual([...a.events, ...b.events], events);
    const c = new TestMember(made, "c", { group });
    if (made.views.get(other)?.controller === undefined) {
      assert.throws(() => c.enter(other), { reason: "LEADER_UNKNOWN" });
      continue;
    }
    // Whoever comes there makes it the coordinator, and the others follow.
    c.enter(other);
    await live(made, [a, b, c], 20_000);
    assert.deepEqual(
      [a, b, c].map(({ held, at }) => [held.size, at]),
      [a, b, c].map(() => [2, made.group(group).coordinator]),
    );
    assert.ok(made.changes.length - before <= 8, `${made.changes.length - before} changes`);
    if (made.group(group).coordinator === other) taken += 1;
  }
  assert.ok(taken > 0);
});

test("one that takes the place of a member that is about to get more holds up nothing", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a", { instanceId: "i" }), join(made, "b")];
  await live(made, [a, b], 500);
  a.cut();
  b.leave();
  const next = new TestMember(made, "a2", { instanceId: "i" }).enter(a.at);
  await live(made, [next], 2_000);
  assert.equal(next.held.size, 6);
});

test("one that comes back while it is being given up is watched as before", async () => {
  const made = cluster();
  const a = join(made, "a", { sessionTimeoutMs: 1_000 });
  await made.clock.advance(300);
  a.cut();
  for (let i = 0; i < 5; i++) made.failures.push(new QuireError("LEADER_UNKNOWN", "no controller"));
  await made.clock.advance(1_000);
  a.enter();
  await made.clock.advance(300);
  assert.deepEqual([made.group().members.size, a.entries, a.ended], [1, 2, undefined]);
  await made.clock.advance(3_000);
  assert.equal(made.group().members.size, 0);
});

test("a coordinator that must read its metadata anew takes nothing from anybody", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a"), join(made, "b")];
  await live(made, [a, b], 500);
  const [owners, events, before] = [made.owners("orders"), [...a.events, ...b.events], made.changes.length];
  const view = made.views.get(a.at);
  const whole = made.machine.snapshot();
  view?.attachMetadata({ current: true, failure: new Error("EIO") });
  made.machine.restore(made.machine.blank());
  await made.clock.advance(20);
  assert.deepEqual([a.isConnected, b.isConnected], [false, false]);
  view?.attachMetadata({ current: false });
  await made.clock.advance(1_000);
  assert.throws(() => a.enter(), { reason: "NOT_READY" });
  made.machine.restore(whole);
  view?.attachMetadata({ current: true });
  made.elect();
  await live(made, [a, b], 20_000);
  assert.deepEqual(made.owners("orders"), owners);
  assert.deepEqual([...a.events, ...b.events], events);
  assert.equal(made.changes.length, before, "nothing was written");
});

test("a coordinator that hears at once that its group was taken, emptied and deleted begins it anew with who is there", async () => {
  const made = cluster();
  const a = join(made, "a");
  await live(made, [a], 500);
  const former = made.group();
  made.takeAndDelete((a.at % 3) + 1);
  await live(made, [a], 5_000);
  assert.ok(made.group().begunAfter > former.generation);
  assert.deepEqual(made.owners("orders"), Array(6).fill("a"));
  const generations = new Set([...made.group().owners.values()].map(({ generation }) => generation));
  assert.deepEqual(new Set(a.held.values()), generations, "it holds them in the new generation");
});

test("who comes again and again, while the group cannot be taken over, is not silent", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a", { sessionTimeoutMs: 3_000 }), join(made, "b", { sessionTimeoutMs: 3_000 })];
  await live(made, [a, b], 500);
  const [owners, events] = [made.owners("orders"), [...a.events, ...b.events]];
  for (let i = 0; i < 15; i++) made.failures.push(new QuireError("LEADER_UNKNOWN", "no controller"));
  made.kill(a.at, [a, b]);
  const at = Number([...made.views.keys()][0]);
  while (made.failures.length > 0) {
    for (const member of [a, b]) member.cut();
    for (const member of [a, b]) member.enter(at);
    await made.clock.advance(900);
  }
  await live(made, [a, b], 1_000);
  assert.deepEqual([made.owners("orders"), [...a.events, ...b.events]], [owners, events]);
});

test("a coordinator that does not see the controller for long sends its members elsewhere, and nothing moves", async () => {
  const made = cluster();
  const [a, b] = [join(made, "a"), join(made, "b")];
  await live(made, [a, b], 500);
  const [owners, events] = [made.owners("orders"), [...a.events, ...b.events]];
  const view = made.views.get(a.at);
  const controller = view?.controller ?? assert.fail("there is a controller");
  const at = a.at;
  if (controller === at)
    view?.onOwnReplica({ replicaSetId: METADATA_REPLICA_SET, role: "follower", serving: false, term: term(100), leader: null, failure: undefined });
  else view?.onLeaderships(controller, [{ replicaSetId: METADATA_REPLICA_SET, term: term(100), leads: false }], false);
  await live(made, [a, b], 4_000);
  assert.deepEqual([a.isConnected, b.isConnected], [true, true], "elections take a while");
  await made.clock.advance(2_000);
  assert.deepEqual([a.ended?.error?.reason, b.ended?.error?.reason], ["SHUTTING_DOWN", "SHUTTING_DOWN"]);
  assert.throws(() => a.enter(at), { reason: "LEADER_UNKNOWN" });
  for (let i = 0; i < 100; i++) made.elect();
  await made.clock.advance(100);
  for (const member of [a, b]) member.enter(at);
  await live(made, [a, b], 20_000);
  assert.deepEqual([made.owners("orders"), [...a.events, ...b.events]], [owners, events]);
});

test("one that was replaced by instance id while it was away does not replace its successor", async () => {
  const made = cluster();
  const a = join(made, "a", { instanceId: "i" });
  await live(made, [a], 500);
  a.cut();
  const next = new TestMember(made, "a2", { instanceId: "i" }).enter(a.at);
  await live(made, [next], 500);
  assert.throws(() => a.enter(), { reason: "MEMBER_FENCED", details: { group: "billing", memberId: "a", successor: "a2" } });
  await live(made, [next], 500);
  assert.deepEqual([next.held.size, next.ended], [6, undefined]);
  await made.clock.advance(20_000);
  assert.equal(next.ended?.error?.details["successor"], undefined, "it was silent, and may come again");
});
