import assert from "node:assert/strict";
import { test } from "node:test";
import { type Blow, type Deed, judge } from "../../scripts/measure/deliveries.js";

const acknowledged = [0, 1, 2].map((offset) => ({ partition: 0, offset, value: `r${offset}` }));
const did = (who: string, atMs: number, offset: number, value = `r${offset}`): Deed => ({ kind: "processed", who, atMs, partition: 0, offset, value });
const committed = (who: string, atMs: number, offset: number): Deed => ({ kind: "committed", who, atMs, partition: 0, offset });
const struck = (who: string, atMs: number): Blow => ({ who, atMs, how: "killed" });
const wrong = (deeds: readonly Deed[], blows: readonly Blow[] = []): string => judge(acknowledged, deeds, blows).wrong.join("; ");

test("all in order and once is well, in whatever order it was heard of", () => {
  const { processed, again, wrong: faults } = judge(acknowledged, [did("a", 3, 2), did("a", 1, 0), did("a", 2, 1)], []);
  assert.deepEqual([processed, again.size, faults], [3, 0, []]);
});
test("what was acknowledged and never processed is wrong", () => {
  assert.match(wrong([did("a", 1, 0), did("a", 2, 1)]), /r2 was acknowledged at 0\/2 and never processed/);
});
test("a record before its predecessor, or another than was acknowledged, is wrong", () => {
  assert.match(wrong([did("a", 1, 0), did("a", 2, 2), did("a", 3, 1)]), /got 0\/2 before anybody had 0\/1/);
  assert.match(wrong([did("a", 1, 0), did("a", 2, 1, "r7"), did("a", 3, 2)]), /got r7 at 0\/1, where r1 was acknowledged/);
});
test("what a consumer had done and not committed when it was struck may come again, and is counted", () => {
  const { again, oldestAgainMs, wrong: faults } = judge(acknowledged, [did("a", 1, 0), did("a", 4, 1), did("b", 9, 1), did("b", 10, 2)], [struck("a", 6)]);
  assert.deepEqual([[...again], oldestAgainMs, faults], [[["killed", 1]], 2, []]);
});
test("what was acknowledged as committed may not come again, except from one that was paused itself", () => {
  const deeds = [did("a", 1, 0), did("a", 2, 1), committed("a", 3, 2), did("b", 9, 1), did("b", 10, 2)];
  assert.match(wrong(deeds, [struck("a", 6)]), /b got 0\/1 again, though 2 had been acknowledged as committed/);
  assert.equal(wrong(deeds, [struck("b", 6)]), "");
});
test("one that was paused may be ahead of those who took over, and is no reason to call them wrong", () => {
  const deeds = [did("a", 1, 0), did("a", 8, 1), did("b", 9, 1), did("b", 10, 2)];
  assert.deepEqual(judge(acknowledged, deeds, [struck("a", 5)]).wrong, []);
  assert.match(wrong(deeds, [struck("a", -20_000)]), /was well/, "but not for ever");
});
test("nothing comes again while those who had it are well", () => {
  const deeds = [did("a", 1, 0), did("a", 2, 1), did("b", 9, 1), did("b", 10, 2)];
  assert.match(wrong(deeds), /b got 0\/1 again at 9, though a, which had done it at 2, was well/);
  assert.match(wrong(deeds, [struck("a", 10), struck("c", 5)]), /was well/);
});
test("of many faults the first are told, and how many more there are", () => {
  const many = Array.from({ length: 50 }, (_, offset) => ({ partition: 0, offset, value: `r${offset}` }));
  assert.equal(judge(many, [], []).wrong.at(-1), "and 30 more");
});
