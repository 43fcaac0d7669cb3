import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, type Lane, Ledger } from "./ledger.js";
import type { ReadRecord } from "./read-record.js";

const LANES: readonly Lane[] = [
  { key: "sent-again", partition: 0, kind: "at-least-once" },
  { key: "sent-once", partition: 0, kind: "at-most-once" },
];

/** A ledger of `count` records, the lanes taking turns, all acknowledged at the offset that is their number. */
function acknowledged(count: number): Ledger {
  const ledger = new Ledger(LANES);
  for (let number = 0; number < count; number++) ledger.acknowledge(ledger.sending(), number);
  return ledger;
}

const keyOf = (number: number): string => LANES[number % 2]?.key ?? "";
const read = (...numbers: readonly number[]): ReadRecord[] => numbers.map((number, offset) => ({ offset, number, key: keyOf(number), bytes: bytesOf(number) }));

const differences = (ledger: Ledger, records: readonly ReadRecord[]): readonly string[] => ledger.judge(0, records, ledger.acknowledgedCount).differences;

test("a partition that holds every acknowledged record in its place is well", () => {
  assert.deepEqual(acknowledged(4).judge(0, read(0, 1, 2, 3), 4), { acknowledged: 4, lost: 0, duplicates: 0, differences: [] });
});

test("an acknowledged record that is missing at the end is lost", () => {
  const verdict = acknowledged(4).judge(0, read(0, 1, 2), 4);
  assert.equal(verdict.lost, 1);
  assert.deepEqual(verdict.differences, ["partition 0: record 3 was acknowledged at offset 3, where nothing is"]);
});

test("with a sequence nothing may be there twice, however often it was sent", () => {
  const ledger = new Ledger([{ key: "sent-again", partition: 0, kind: "once" }]);
  ledger.acknowledge(ledger.sending(), 0);
  const again = [0, 1].map((offset): ReadRecord => ({ offset, number: 0, key: "sent-again", bytes: bytesOf(0) }));
  assert.match(differences(ledger, again).join(), /although it was sent with a sequence/);
});

test("a record acknowledged after reading began need not be there", () => {
  assert.deepEqual(acknowledged(4).judge(0, read(0, 1, 2), 3).differences, []);
});

test("an acknowledged record in another place than was said is lost", () => {
  assert.equal(acknowledged(4).judge(0, read(0, 2, 1, 3), 4).lost, 2);
});

test("a gap between offsets is seen", () => {
  const [first, ...others] = read(0, 1, 2);
  assert.match(differences(new Ledger(LANES), others.slice(0, 0)).join(), /^$/);
  assert.match(differences(acknowledged(3), first === undefined ? [] : [first, ...others.slice(1)]).join(), /offset 2 was read where 1 comes next/);
});

test("a record that nobody sent, other bytes and another key are seen", () => {
  const records = read(0, 1, 2);
  const [first, second, third] = records;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const changed = [
    { ...first, number: 8 },
    { ...second, bytes: Buffer.from("other") },
    { ...third, key: "sent-once" },
  ];
  const found = differences(acknowledged(3), changed).join("\n");
  assert.match(found, /offset 0 holds a record that was never sent \(8\)/);
  assert.match(found, /offset 1: record 1 has other bytes/);
  assert.match(found, /offset 2: record 2 has the key sent-once instead of sent-again/);
});

test("a record in another partition than it was sent to is seen", () => {
  const found = acknowledged(1).judge(1, read(0), 1).differences.join();
  assert.match(found, /was sent to partition 0/);
});

test("a record may be there twice only if it may have been sent twice", () => {
  const again = acknowledged(2).judge(0, read(0, 1, 0), 2);
  assert.deepEqual([again.duplicates, again.differences], [1, []]);
  const once = acknowledged(2).judge(0, read(0, 1, 1), 2);
  assert.equal(once.duplicates, 1);
  assert.match(once.differences.join(), /record 1 is there again, and was never sent again/);
});

test("a record of unknown outcome may be there or not; a refused one must not", () => {
  const unknown = new Ledger(LANES);
  unknown.reject(unknown.sending(), true, "WRITE_OUTCOME_UNKNOWN");
  assert.deepEqual([differences(unknown, read(0)), differences(unknown, [])], [[], []]);
  const refused = new Ledger(LANES);
  refused.reject(refused.sending(), false, "DISK_FULL");
  assert.match(differences(refused, read(0)).join(), /is there, although its sender was told DISK_FULL/);
});

test("acknowledged records of a key stand in the order in which they were sent; copies of earlier ones may follow", () => {
  const ledger = new Ledger(LANES);
  for (let number = 0; number < 5; number++) ledger.sending();
  ledger.acknowledge(0, 1);
  ledger.acknowledge(2, 0);
  assert.match(differences(ledger, read(2, 0)).join(), /record 0 of sent-again first comes after record 2/);
  assert.deepEqual(differences(acknowledged(3), read(0, 1, 2, 0)), []);
});
