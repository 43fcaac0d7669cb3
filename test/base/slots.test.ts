import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "../../src/base/slots.js";
import { settle } from "../support/fake-clock.js";

test("so many have a slot at once, the others one that is given back, in the order of asking", async () => {
  const slots = new Slots(2);
  assert.deepEqual([slots.acquire(), slots.acquire()], [undefined, undefined]);
  const served: number[] = [];
  for (const at of [1, 2]) void slots.acquire()?.then(() => served.push(at));
  await settle();
  assert.deepEqual(served, []);
  slots.release();
  await settle();
  assert.deepEqual(served, [1]);
  slots.release();
  await settle();
  assert.deepEqual(served, [1, 2]);
  slots.release();
  assert.equal(slots.acquire(), undefined, "one that nobody waited for is free again");
});
