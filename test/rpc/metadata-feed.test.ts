import assert from "node:assert/strict";
import { test } from "node:test";
import { type MetadataChange, MetadataFeed } from "../../src/rpc/metadata-feed.js";
import { FakeClock } from "../support/fake-clock.js";
import { FakeView } from "../support/fake-view.js";

function watched(costMs: number): { view: FakeView; clock: FakeClock; told: MetadataChange[] } {
  const view = new FakeView(1);
  const clock = new FakeClock();
  view.addTopic("orders", 4);
  const told: MetadataChange[] = [];
  new MetadataFeed(view, clock).watch((change) => {
    told.push(change);
    clock.advance(costMs);
  });
  return { view, clock, told };
}

test("telling takes a small part of a broker's time, however many changes there are and whatever telling costs", () => {
  const { view, clock, told } = watched(8);
  const beginMs = clock.monotonicMs();
  for (let term = 1; clock.monotonicMs() - beginMs < 10_000; term++) {
    view.setLeader({ topic: "orders", partition: 0 }, 2, term);
    clock.advance(5);
  }
  assert.ok(told.length * 8 <= 500, `${told.length} times 8 ms of 10 s`);
  assert.ok(told.length >= 50, `${told.length} times in 10 s`);
});

test("a change is told within a second though telling takes long", () => {
  const { view, clock, told } = watched(400);
  view.setLeader({ topic: "orders", partition: 0 }, 2, 1);
  view.setLeader({ topic: "orders", partition: 1 }, 2, 1);
  assert.deepEqual(told[0]?.leaders.get("orders"), [0]);
  clock.advance(1_000);
  assert.deepEqual(told[1]?.leaders.get("orders"), [1]);
});

test("all watchers of a change are given one message, made when the first asks", () => {
  const { view, told } = watched(0);
  view.setLeader({ topic: "orders", partition: 3 }, 2, 1);
  const [change] = told;
  assert.ok(change !== undefined);
  assert.equal(change.delta().message, change.delta().message);
  assert.equal(change.delta().partitions, 1);
});

test("a topic most of whose leaders moved is told as a whole; a snapshot is made anew only after a change", () => {
  const view = new FakeView(1);
  const clock = new FakeClock();
  view.addTopic("orders", 4);
  const feed = new MetadataFeed(view, clock);
  const told: MetadataChange[] = [];
  feed.watch((change) => told.push(change));
  const limits = {
    recordBytesMax: 1,
    batchBytesMax: 1,
    streamsMax: 1,
    subscriptionsPerStreamMax: 1,
    unaryCallsMax: 1,
    forwardBytesMax: 1,
    streamHeartbeatMs: 1,
  };
  const before = feed.snapshot(limits, 100).message;
  assert.equal(feed.snapshot(limits, 100).message, before);
  view.setLeader({ topic: "orders", partition: 0 }, 2, 1);
  for (const partition of [1, 2, 3]) view.setLeader({ topic: "orders", partition }, 2, 1);
  clock.advance(10);
  assert.deepEqual([...(told[1]?.topics ?? [])], ["orders"]);
  assert.equal(told[1]?.leaders.size, 0);
  assert.notEqual(feed.snapshot(limits, 100).message, before);
});
