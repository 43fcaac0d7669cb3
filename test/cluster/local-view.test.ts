import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalView } from "../../src/cluster/local-view.js";
import { MetadataMachine } from "../../src/cluster/metadata-machine.js";
import type { Replica } from "../../src/replica/types.js";
import { founding, id, node, spec, term } from "./examples.js";
import { ManualClock } from "./manual-clock.js";

function setUp(partitions = 1) {
  const clock = new ManualClock();
  const machine = new MetadataMachine(founding(1, 2, 3));
  const view = new LocalView({ self: node(1), incarnation: "disk-1", machine, clock });
  view.onPeerUp(node(2), "disk-2");
  view.onPeerUp(node(3), "disk-3");
  const placements = Array.from({ length: partitions }, () => [2, 3, 1].map(node));
  machine.state.apply({ kind: "create-topic", topicId: "t", createdMs: 0, spec: spec("orders", partitions), placements });
  return { clock, machine, view };
}

const leads = (set: number, inTerm: number) => ({ replicaSetId: id(set), term: term(inTerm), leads: true });
const resigns = (set: number, inTerm: number) => ({ ...leads(set, inTerm), leads: false });
const own = (set: number, inTerm: number, role: Replica["role"], leader: number | null): Parameters<LocalView["onOwnReplica"]>[0] => ({
  replicaSetId: id(set),
  role,
  serving: role === "leader",
  term: term(inTerm),
  leader: leader === null ? null : { nodeId: node(leader), term: term(inTerm) },
  failure: undefined,
});

test("the highest term wins, in whatever order claims arrive", () => {
  const { view } = setUp();
  view.onLeaderships(node(3), [leads(1, 5)], false);
  view.onLeaderships(node(2), [leads(1, 4)], false);
  assert.deepEqual(view.leader(id(1)), { nodeId: 3, term: 5 });
  view.onLeaderships(node(2), [leads(1, 6)], false);
  assert.deepEqual(view.leader(id(1)), { nodeId: 2, term: 6 });
});

test("a late claim of an older term is not believed after a resignation", () => {
  const { view } = setUp();
  view.onLeaderships(node(3), [leads(1, 5)], false);
  view.onLeaderships(node(3), [resigns(1, 5)], false);
  assert.equal(view.leader(id(1)), undefined);
  view.onLeaderships(node(2), [leads(1, 4)], false);
  assert.equal(view.leader(id(1)), undefined);
});

test("a full list takes back everything it does not name", () => {
  const { view } = setUp(2);
  view.onLeaderships(node(2), [leads(1, 1), leads(2, 1)], true);
  view.onLeaderships(node(2), [leads(2, 1)], true);
  assert.deepEqual([view.leader(id(1)), view.leader(id(2))?.nodeId], [undefined, 2]);
});

test("a leader on a broker that is down counts as none, and again when it is back", () => {
  const { view } = setUp();
  view.onLeaderships(node(2), [leads(1, 3)], true);
  view.onPeerDown(node(2));
  assert.equal(view.leader(id(1)), undefined);
  assert.equal(view.isAlive(node(2)), false);
  view.onPeerUp(node(2), "disk-2");
  assert.equal(view.leader(id(1))?.nodeId, 2);
});

test("what this broker's own replicas see counts too, and of itself it alone knows", () => {
  const { view } = setUp();
  view.onOwnReplica(own(1, 2, "follower", 3));
  assert.deepEqual(view.leader(id(1)), { nodeId: 3, term: 2 });
  view.onOwnReplica(own(1, 3, "leader", 1));
  assert.deepEqual(view.leader(id(1)), { nodeId: 1, term: 3 });
  view.onLeaderships(node(1), [], true);
  assert.equal(view.leader(id(1))?.nodeId, 1);
  view.onOwnReplica(own(1, 3, "follower", null));
  assert.equal(view.leader(id(1)), undefined);
});

test("a leader that was elected but is not confirmed is not told", () => {
  const { view } = setUp();
  view.onOwnReplica({ ...own(1, 3, "leader", 1), serving: false });
  assert.equal(view.leader(id(1)), undefined);
});

test("watchers are told once per turn, however much changed", async () => {
  const { view, clock } = setUp(3);
  let told = 0;
  const unwatch = view.watch(() => {
    told += 1;
  });
  view.onLeaderships(node(2), [leads(1, 1)], false);
  view.onLeaderships(node(2), [leads(2, 1)], false);
  view.onPeerDown(node(3));
  assert.equal(told, 0);
  await clock.settle();
  assert.equal(told, 1);
  view.onLeaderships(node(2), [leads(2, 1)], false);
  await clock.settle();
  assert.equal(told, 1, "what is known already is no change");
  view.onLeaderships(node(2), [leads(3, 1)], false);
  unwatch();
  await clock.settle();
  assert.equal(told, 1);
});

test("sets that are led by another broker than the preferred one are known without looking", () => {
  const { view, machine } = setUp(2);
  view.onLeaderships(node(3), [leads(1, 1)], true);
  view.onLeaderships(node(2), [leads(2, 1)], true);
  assert.deepEqual([...view.misplaced()], [1]);
  view.onPeerDown(node(3));
  assert.deepEqual([...view.misplaced()], [], "without a leader there is nothing to move");
  view.onLeaderships(node(2), [leads(1, 2)], false);
  view.onLeaderships(node(3), [leads(2, 2)], false);
  view.onPeerUp(node(3), "disk-3");
  assert.deepEqual([...view.misplaced()], [2]);
  machine.state.apply({ kind: "delete-topic", name: "orders" });
  machine.restore(machine.snapshot());
  assert.deepEqual([...view.misplaced()], []);
  view.onLeaderships(node(3), [leads(2, 9)], false);
  assert.equal(view.leader(id(2)), undefined, "a deleted set has no leader any more");
});

test("the view is ready once what its leader knew to be committed is applied, on this disk; and not with a new, blank state", () => {
  const { view } = setUp();
  const metadata = { current: false };
  assert.equal(view.ready, false);
  view.attachMetadata(metadata);
  assert.equal(view.ready, false, "what the log holds may be old");
  metadata.current = true;
  assert.equal(view.ready, true);
  metadata.current = false;
  view.attachMetadata(metadata);
  assert.equal(view.ready, true, "and stays so while leaders come and go");
  const damaged = { current: true, failure: undefined as Error | undefined };
  view.attachMetadata(damaged);
  assert.equal(view.ready, true);
  damaged.failure = new Error("EIO");
  assert.equal(view.ready, false, "damaged, it is about to be begun again");
  view.attachMetadata({ current: false });
  assert.equal(view.ready, false, "and then knows of nothing");
});

test("a leadership change among ten thousand partitions costs no look at all of them", () => {
  const { view } = setUp(10_000);
  const began = performance.now();
  for (let round = 0; round < 10_000; round++) view.onLeaderships(node(2), [leads(1 + (round % 10_000), 1)], false);
  assert.ok(performance.now() - began < 1_000);
});
