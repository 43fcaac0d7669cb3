import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { logIndex, offset, term } from "../../src/base/ids.js";
import type { Committed, Placed } from "../../src/replica/types.js";
import { ORPHAN_TICKS, unknownOutcome, WaitingProposals } from "../../src/replica/waiting.js";

const at = (index: number, inTerm = 1): Placed => ({ index: logIndex(index), term: term(inTerm), baseOffset: offset(index * 10) });
const outcomeOf = (outcome: Committed | Error): string => (outcome instanceof QuireError ? outcome.reason : "committed");

function waitingFor(...indexes: number[]): { waiting: WaitingProposals; outcomes: string[] } {
  const waiting = new WaitingProposals();
  const outcomes: string[] = [];
  for (const index of indexes) {
    waiting.add({ at: at(index), done: (outcome) => outcomes.push(`${index} ${outcomeOf(outcome)}`), onDisk: () => outcomes.push(`${index} on disk`) });
  }
  return { waiting, outcomes };
}

test("a proposal is answered when its entry is applied, in log order", () => {
  const { waiting, outcomes } = waitingFor(4, 5);
  waiting.applied(logIndex(4), term(1), () => 2);
  assert.deepEqual(outcomes, ["4 committed"]);
  waiting.applied(logIndex(5), term(1), () => 2);
  assert.deepEqual(outcomes, ["4 committed", "5 committed"]);
  assert.equal(waiting.size, 0);
});

test("a proposal whose place a later leader's entry took was certainly not written", () => {
  const { waiting, outcomes } = waitingFor(4, 5);
  waiting.applied(logIndex(4), term(2), () => 2);
  waiting.truncated(logIndex(5));
  assert.deepEqual(outcomes, ["4 NOT_LEADER", "5 NOT_LEADER"]);
});

test("truncation answers only what it removed", () => {
  const { waiting, outcomes } = waitingFor(4, 5, 6);
  waiting.truncated(logIndex(5));
  assert.deepEqual(outcomes, ["5 NOT_LEADER", "6 NOT_LEADER"]);
  assert.equal(waiting.size, 1);
});

test("being on disk here is told once, and not to what was not synced", () => {
  const { waiting, outcomes } = waitingFor(4, 5, 6);
  waiting.synced(logIndex(5));
  waiting.synced(logIndex(5));
  assert.deepEqual(outcomes, ["4 on disk", "5 on disk"]);
  waiting.applied(logIndex(4), term(1), () => 1);
  waiting.synced(logIndex(6));
  assert.deepEqual(outcomes, ["4 on disk", "5 on disk", "4 committed", "6 on disk"]);
});

test("without leadership for long enough the outcome is unknown, not failed", () => {
  const { waiting, outcomes } = waitingFor(4);
  for (let tick = 1; tick < ORPHAN_TICKS; tick++) waiting.tick(false);
  waiting.tick(true);
  for (let tick = 1; tick < ORPHAN_TICKS; tick++) waiting.tick(false);
  assert.deepEqual(outcomes, []);
  waiting.tick(false);
  assert.deepEqual(outcomes, ["4 WRITE_OUTCOME_UNKNOWN"]);
});

test("every proposal of many is answered exactly once", () => {
  const indexes = Array.from({ length: 5_000 }, (_, i) => i + 1);
  const { waiting, outcomes } = waitingFor(...indexes);
  for (const index of indexes.slice(0, 3_000)) waiting.applied(logIndex(index), term(1), () => 2);
  waiting.synced(logIndex(3_500));
  waiting.failAll((place) => unknownOutcome(place, "the test ends"));
  const committed = outcomes.filter((line) => line.endsWith("committed")).length;
  const unknown = outcomes.filter((line) => line.endsWith("WRITE_OUTCOME_UNKNOWN")).length;
  assert.deepEqual([committed, unknown, waiting.size], [3_000, 2_000, 0]);
  assert.equal(outcomes.filter((line) => line.endsWith("on disk")).length, 500);
});

test("what a snapshot may hold is neither confirmed nor denied; what it cannot hold was not written", () => {
  const { waiting, outcomes } = waitingFor(4, 5, 6, 7);
  waiting.installed(logIndex(6));
  assert.deepEqual(outcomes, ["6 NOT_LEADER", "7 NOT_LEADER", "4 WRITE_OUTCOME_UNKNOWN", "5 WRITE_OUTCOME_UNKNOWN"]);
  waiting.applied(logIndex(7), term(2), () => 2);
  assert.equal(outcomes.length, 4);
});
