import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/base/silent-logger.js";
import { LeaderBalancer, type Misplaced, planTransfers } from "../../src/cluster/leader-balancer.js";
import { LocalView } from "../../src/cluster/local-view.js";
import { MetadataMachine } from "../../src/cluster/metadata-machine.js";
import { founding, id, node, spec, term } from "./examples.js";
import { ManualClock } from "./manual-clock.js";

const misplaced = (partition: number, changes: Partial<Misplaced> = {}): Misplaced => ({
  at: { topic: "orders", partition },
  replicaSetId: id(partition),
  leader: node(1),
  preferred: node(2),
  ledForMs: 60_000,
  preferredAliveForMs: 60_000,
  holdMs: 0,
  ...changes,
});
const settings = { stableMs: 5_000, transfersMax: 2 };
const moved = (list: Misplaced[]) => {
  const { transfers, lookAgain } = planTransfers(list, settings);
  return { partitions: transfers.map(({ at }) => at.partition), lookAgain };
};

test("only what is stable moves, so many at a time, and never to a broker that is down", () => {
  assert.deepEqual(moved([misplaced(0)]), { partitions: [0], lookAgain: false });
  assert.deepEqual(moved([misplaced(0, { preferredAliveForMs: undefined })]), { partitions: [], lookAgain: false });
  assert.deepEqual(moved([misplaced(0, { preferredAliveForMs: 4_999 })]), { partitions: [], lookAgain: true });
  assert.deepEqual(moved([misplaced(0, { ledForMs: 4_999 })]), { partitions: [], lookAgain: true });
  assert.deepEqual(moved([misplaced(0, { holdMs: 1 }), misplaced(1)]), { partitions: [1], lookAgain: true });
  assert.deepEqual(moved([misplaced(0), misplaced(1), misplaced(2)]), { partitions: [0, 1], lookAgain: true });
});

function setUp(answer: (to: number) => Promise<void>) {
  const clock = new ManualClock();
  const machine = new MetadataMachine(founding(1, 2, 3));
  const view = new LocalView({ self: node(1), incarnation: "disk-1", machine, clock });
  machine.state.apply({ kind: "create-topic", topicId: "t", createdMs: 0, spec: spec("orders", 1), placements: [[2, 3, 1].map(node)] });
  const asked: string[] = [];
  const full = new Set<number>();
  const balancer = new LeaderBalancer({
    view,
    clock,
    logger: silentLogger,
    hasRoom: (broker) => !full.has(broker),
    transfer: async (leader, at, to) => {
      asked.push(`${leader}: ${at.topic}/${at.partition} to ${to}`);
      await answer(to);
    },
  });
  const leads = (from: number, set: number, inTerm: number) =>
    view.onLeaderships(node(from), [{ replicaSetId: id(set), term: term(inTerm), leads: true }], false);
  const control = (): void =>
    view.onOwnReplica({ replicaSetId: id(0), role: "leader", serving: true, term: term(1), leader: { nodeId: node(1), term: term(1) }, failure: undefined });
  return { clock, view, asked, full, balancer, leads, control };
}

test("the controller asks the leader to hand over to the preferred broker, and then rests without a timer", async () => {
  const { clock, view, asked, leads, control } = setUp(async () => leads(2, 1, 2));
  control();
  view.onPeerUp(node(2), "disk-2");
  view.onPeerUp(node(3), "disk-3");
  leads(3, 1, 1);
  await clock.advance(60_000);
  assert.deepEqual(asked, ["3: orders/0 to 2"]);
  assert.equal(clock.timers, 0);
});

test("who is not the controller asks nobody, and sets no timer", async () => {
  const { clock, view, asked, leads } = setUp(async () => undefined);
  view.onPeerUp(node(2), "disk-2");
  view.onPeerUp(node(3), "disk-3");
  leads(3, 1, 1);
  await clock.settle();
  assert.equal(clock.timers, 0);
  await clock.advance(60_000);
  assert.deepEqual(asked, []);
});

test("while the preferred broker is down there is no timer; when it is back and stable its leadership returns", async () => {
  const { clock, view, asked, leads, control } = setUp(async () => leads(2, 1, 2));
  control();
  view.onPeerUp(node(3), "disk-3");
  leads(3, 1, 1);
  await clock.advance(60_000);
  assert.equal(clock.timers, 0);
  view.onPeerUp(node(2), "disk-2");
  await clock.advance(5_000);
  assert.deepEqual(asked, [], "not before it has proven stable");
  await clock.advance(10_000);
  assert.deepEqual(asked, ["3: orders/0 to 2"]);
});

test("no leadership goes to a broker whose disk is full, until it has room", async () => {
  const { clock, view, asked, full, leads, control } = setUp(async () => leads(2, 1, 2));
  control();
  for (const broker of [2, 3]) view.onPeerUp(node(broker), `disk-${broker}`);
  leads(3, 1, 1);
  full.add(2);
  await clock.advance(60_000);
  assert.deepEqual(asked, []);
  full.delete(2);
  await clock.advance(10_000);
  assert.deepEqual(asked, ["3: orders/0 to 2"]);
});

test("a transfer that fails is tried again later and later", async () => {
  const { clock, view, asked, leads, control, balancer } = setUp(async () => {
    throw new Error("behind");
  });
  control();
  view.onPeerUp(node(2), "disk-2");
  view.onPeerUp(node(3), "disk-3");
  leads(3, 1, 1);
  await clock.advance(10 * 60_000);
  assert.ok(asked.length >= 4 && asked.length <= 8, `${asked.length} tries in ten minutes`);
  balancer.stop();
  assert.equal(clock.timers, 0);
});
