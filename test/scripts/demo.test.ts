import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger, type ReadLine } from "../../scripts/demo/ledger.js";
import { pauseAfter } from "../../scripts/demo/pauses.js";

const line = (number: number, key: string): ReadLine & { number: number } => ({
  partition: 0,
  offset: number,
  number,
  key,
  bytes: Buffer.from(`line ${number}`),
});

/** Five lines of two keys, all acknowledged where they are in `whole`. */
const whole = [line(0, "a"), line(1, "b"), line(2, "a"), line(3, "b"), line(4, "a")];
function ledger(): Ledger {
  const made = new Ledger();
  for (const sent of whole) {
    made.recordSent(sent);
    made.recordAcknowledged(sent.number, sent);
  }
  return made;
}
const differences = (read: readonly ReadLine[]): readonly string[] => ledger().judge(read).differences;
const moved = (read: readonly ReadLine[]): ReadLine[] => read.map((record, offset) => ({ ...record, offset }));

test("what was read as it was acknowledged has no difference", () => {
  assert.deepEqual(ledger().judge(whole), { sent: 5, acknowledged: 5, duplicates: 0, differences: [] });
});
test("a repeated line is counted, and is no difference", () => {
  assert.deepEqual(ledger().judge([...whole, { ...line(3, "b"), offset: 5 }]), { sent: 5, acknowledged: 5, duplicates: 1, differences: [] });
});
test("a lost line is a difference", () =>
  assert.match(differences(whole.slice(0, 4)).join(), /line 4 was acknowledged at partition 0 offset 4, where there is nothing/));
test("another line at the acknowledged place is a difference", () => {
  assert.match(
    differences(moved([line(0, "a"), line(2, "a"), line(1, "b"), line(3, "b"), line(4, "a")])).join(),
    /line 1 was acknowledged at .* offset 1, where line 2 is/,
  );
});
test("lines of a key out of order are a difference, lines of different keys are not", () => {
  const other = new Ledger();
  for (const sent of whole) other.recordSent(sent);
  assert.deepEqual(other.judge(moved([line(1, "b"), line(0, "a"), line(3, "b"), line(2, "a")])).differences, []);
  assert.match(other.judge(moved([line(2, "a"), line(0, "a")])).differences.join(), /line 0 of a comes after line 2/);
});
test("other bytes, another key, a record from nowhere, and a gap are differences", () => {
  assert.match(differences([{ ...line(0, "a"), bytes: Buffer.from("x") }, ...whole.slice(1)]).join(), /other bytes/);
  assert.match(differences([{ ...line(0, "z") }, ...whole.slice(1)]).join(), /the key z instead of a/);
  assert.match(differences([...whole, line(5, "a")]).join(), /never sent/);
  assert.match(differences(whole.slice(1)).join(), /read offset 1 where 0 comes next/);
});
test("of many differences the first are told, and how many more there are", () => {
  const none = new Ledger();
  assert.equal(none.judge(Array.from({ length: 100 }, (_, number) => line(number, "a"))).differences.at(-1), "and 80 more");
});

test("the pause at a kill is the longest gap of a partition that the dead broker led", () => {
  const acknowledgements = [
    { atMs: 90, partition: 0 },
    { atMs: 95, partition: 1 },
    { atMs: 110, partition: 1 },
    { atMs: 400, partition: 0 },
    { atMs: 450, partition: 0 },
  ];
  const pause = (killedMs: number, untilMs: number, partition: number): number | undefined =>
    pauseAfter({ killedMs, untilMs, partitions: new Set([partition]) }, acknowledgements);
  assert.equal(pause(100, 1_000, 0), 310);
  assert.equal(pause(100, 1_000, 1), 15);
  assert.equal(pause(500, 1_000, 0), undefined);
  assert.equal(pause(100, 420, 0), 310);
  assert.equal(pause(405, 420, 0), undefined);
});
