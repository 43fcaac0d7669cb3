import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryKind } from "../../../src/base/entry-kind.js";
import { offset } from "../../../src/base/ids.js";
import { CommittedProducers } from "./committed-producers.js";
import type { EntryFacts } from "./observations.js";
import { entry } from "./scene.js";

const from = (index: number, epoch: number, baseSequence: number, count = 1): EntryFacts => ({
  ...entry(index, 1),
  endOffset: offset(index - 1 + count),
  producer: { id: 7, epoch, baseSequence },
});

/** What the last of these entries is told, all before it being as they should. */
function told(...entries: readonly EntryFacts[]): string | undefined {
  const producers = new CommittedProducers();
  const answers = entries.map((each) => producers.take(each));
  assert.ok(answers.slice(0, -1).every((answer) => answer === undefined));
  return answers.at(-1);
}

test("sequences without a gap, and a new epoch from 0 on, are as they should be", () => {
  assert.equal(told(from(1, 0, 0, 3), from(2, 0, 3), entry(3, 1), from(4, 0, 4, 2), from(5, 2, 0), from(6, 2, 1)), undefined);
});

test("a sequence that comes twice, a gap, an epoch that begins later, and a fenced epoch are told", () => {
  assert.match(told(from(1, 0, 0, 3), from(2, 0, 0, 3)) ?? "", /sequence 3 of producer 7, epoch 0/);
  assert.match(told(from(1, 0, 0), from(2, 0, 2)) ?? "", /sequence 1/);
  assert.match(told(from(1, 0, 0), from(2, 1, 1)) ?? "", /sequence 0 of producer 7, epoch 1/);
  assert.match(told(from(1, 1, 0), from(2, 0, 1)) ?? "", /epoch 1 of producer 7, or a later one/);
});

test("who was forgotten begins anew, and of what nobody saw nothing is said", () => {
  const forgotten: EntryFacts = { ...entry(2, 1, { kind: EntryKind.producers, endOffset: 1 }), forgets: [7] };
  assert.equal(told(from(1, 3, 0), forgotten, from(3, 1, 9)), undefined);
  assert.equal(told(from(1, 3, 0), from(3, 1, 9)), undefined);
});
