import assert from "node:assert/strict";
import { test } from "node:test";
import { type Shown, Tail } from "./tail.js";

const NO_PATIENCE = 0;

/** A tail of one partition that was shown these records, and then none. */
async function tailOf(...shown: readonly (readonly [offset: number, number: number])[]): Promise<Tail> {
  async function* records(): AsyncGenerator<Shown> {
    for (const [offset, number] of shown) yield { partition: 0, offset, number };
  }
  const tail = new Tail(records(), 1, async () => undefined);
  await tail.stop();
  return tail;
}

const there = (...numbers: readonly number[]): { offset: number; number: number }[] => numbers.map((number, offset) => ({ offset, number }));

test("a reader that was shown what is there, in order, is content; it may be ahead", async () => {
  const tail = await tailOf([0, 5], [1, 6], [2, 7]);
  assert.deepEqual(await tail.judge(0, there(5, 6), NO_PATIENCE), []);
});

test("a record that was shown and is not there any more is seen", async () => {
  const tail = await tailOf([0, 5], [1, 9]);
  assert.deepEqual(await tail.judge(0, there(5, 6), NO_PATIENCE), ["partition 0: offset 1 holds record 6, and a reader was shown record 9 there"]);
});

test("an offset that is left out, or shown again, is seen", async () => {
  const left = await tailOf([0, 5], [2, 7]);
  assert.match((await left.judge(0, [], NO_PATIENCE)).join(), /shown offset 2 where 1 comes next/);
  const again = await tailOf([0, 5], [0, 5]);
  assert.match((await again.judge(0, there(5), NO_PATIENCE)).join(), /shown offset 0 where 1 comes next/);
});

test("a reader that is left behind, or ends, is seen", async () => {
  const behind = await tailOf([0, 5]);
  assert.match((await behind.judge(0, there(5, 6), NO_PATIENCE)).join(), /was shown 1 of 2 records/);
  async function* broken(): AsyncGenerator<Shown> {
    yield { partition: 0, offset: 0, number: 5 };
    throw new Error("LOG_CORRUPT");
  }
  const ended = new Tail(broken(), 1, async () => undefined);
  await ended.stop();
  assert.match((await ended.judge(0, there(5), NO_PATIENCE)).join(), /ended: LOG_CORRUPT/);
});
