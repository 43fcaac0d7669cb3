import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "./chance.js";

const draws = (chance: Chance, count = 20): number[] => Array.from({ length: count }, () => chance.below(1_000_000));

test("a seed and a purpose always give the same draws, and another seed or purpose others", () => {
  const first = draws(new Chance(7, "network"));
  assert.deepEqual(draws(new Chance(7, "network")), first);
  for (const [seed, purpose] of [
    [8, "network"],
    [7, "disk"],
    [2 ** 40 + 7, "network"],
  ] as const) {
    assert.equal(draws(new Chance(seed, purpose)).filter((draw) => first.includes(draw)).length, 0);
  }
});

test("draws are the same on every machine and release", () => {
  assert.deepEqual(draws(new Chance(42, "a run"), 4), [881794, 302308, 571909, 248302]);
  assert.equal(new Chance(42, "a run").uuid(), "e1bd4ee7-4d64-4983-9268-a5cd3f90c0b2");
});

test("draws spread evenly over their range, its ends included", () => {
  const chance = new Chance(1, "even");
  const counts = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 20_000; i++) {
    const draw = chance.below(10);
    counts[draw] = (counts[draw] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 1_700 && count < 2_300, `${count} of 20000`);
  for (let i = 0; i < 1_000; i++) {
    const between = chance.between(3, 4);
    assert.ok(between >= 3 && between < 4);
    assert.ok(chance.below(2 ** 32) < 2 ** 32);
  }
  assert.throws(() => chance.below(0));
  assert.throws(() => chance.below(2 ** 32 + 1));
  assert.equal(chance.pick([]), undefined);
});
