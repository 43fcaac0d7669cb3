import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "./chance.js";
import { type Actor, EventQueue, type SimEvent } from "./event-queue.js";

const actor: Actor = { name: "a", enter: (run) => run() };
const add = (queue: EventQueue, atMs: number): SimEvent => queue.add({ atMs, actor, kind: "test", run: () => undefined });

test("events come by time, and those of one time in the order in which they were made, whatever was cancelled", () => {
  const chance = new Chance(3, "queue");
  const queue = new EventQueue();
  const expected: SimEvent[] = [];
  for (let i = 0; i < 20_000; i++) {
    const event = add(queue, chance.below(500));
    if (chance.below(4) === 0) expected.push(event);
    else event.cancel();
  }
  expected.sort((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
  assert.equal(queue.size, expected.length);
  const taken: SimEvent[] = [];
  for (let next = queue.take(1_000); next !== undefined; next = queue.take(1_000)) taken.push(next);
  assert.deepEqual(
    taken.map(({ sequence }) => sequence),
    expected.map(({ sequence }) => sequence),
  );
  assert.equal(queue.size, 0);
});

test("an event later than asked for stays; cancelling twice, or after it came, does nothing", () => {
  const queue = new EventQueue();
  const [early, late] = [add(queue, 5), add(queue, 9)];
  assert.equal(queue.take(4), undefined);
  assert.equal(queue.take(5), early);
  early.cancel();
  assert.equal(queue.size, 1);
  late.cancel();
  late.cancel();
  assert.deepEqual([queue.size, queue.take(10), queue.size], [0, undefined, 0]);
});
