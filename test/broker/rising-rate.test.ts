import assert from "node:assert/strict";
import { test } from "node:test";
import { RisingRate } from "../../src/broker/rising-rate.js";

test("a rate is of the last half minute, whatever was before", () => {
  const rate = new RisingRate(0, 0);
  for (let second = 1; second <= 60; second++) rate.saw(second * 100, second * 1_000);
  assert.equal(rate.perSecond(6_000, 60_000), 100);
  for (let second = 61; second <= 120; second++) rate.saw(6_000 + (second - 60) * 10, second * 1_000);
  assert.equal(rate.perSecond(6_600, 120_000), 10);
});

test("what no longer rises comes to rest, and what just began is not overrated", () => {
  const rate = new RisingRate(0, 0);
  assert.equal(rate.perSecond(50, 10), 50);
  rate.perSecond(50, 20_000);
  rate.perSecond(50, 40_000);
  assert.equal(rate.perSecond(50, 60_000), 0);
});

test("what is set back begins anew", () => {
  const rate = new RisingRate(1_000, 0);
  rate.saw(0, 5_000);
  assert.equal(rate.perSecond(20, 7_000), 10);
});
