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

test("a proposal whose place another committed entry has was certainly not written", () => {
  const { waiting, outcomes } = waitingFor(4, 5);
  waiting.applied(logIndex(4), term(2), () => 2);
  waiting.applied(logIndex(5), term(2), () => 2);
  assert.deepEqual(outcomes, ["4 NOT_LEADER", "5 NOT_LEADER"]);
});

test("what was cut for a later leader's waits until an entry is committed that excludes it", () => {
  const { waiting, outcomes } = waitingFor(4, 5, 6, 7);
  waiting.truncated(logIndex(5));
  assert.deepEqual(outcomes, []);
  waiting.applied(logIndex(4), term(1), () => 2);
  // Of an earlier term than what lay behind it, so that it excludes only what was in its place.
  waiting.applied(logIndex(5), term(0), () => 2);
  assert.deepEqual(outcomes, ["4 committed", "5 NOT_LEADER"]);
  assert.equal(waiting.size, 2);
  waiting.applied(logIndex(6), term(3), () => 2);
  assert.deepEqual(outcomes, ["4 committed", "5 NOT_LEADER", "6 NOT_LEADER", "7 NOT_LEADER"], "terms never go down along a log");
  assert.equal(waiting.size, 0);
});

test("what was cut here, and committed by another leader who had it, is written", () => {
  const { waiting, outcomes } = waitingFor(4);
  waiting.truncated(logIndex(4));
  waiting.applied(logIndex(4), term(1), () => 3);
  assert.deepEqual(outcomes, ["4 committed"]);
});

test("a place may be proposed for again while the outcome of what was cut from it is open", () => {
  const { waiting, outcomes } = waitingFor(4, 5);
  waiting.truncated(logIndex(4));
  waiting.add({ at: at(4, 3), done: (outcome) => outcomes.push(`4 again ${outcomeOf(outcome)}`), onDisk: () => outcomes.push("4 again on disk") });
  waiting.synced(logIndex(4));
  waiting.applied(logIndex(4), term(3), () => 2);
  assert.deepEqual(outcomes, ["4 again on disk", "4 again committed", "4 NOT_LEADER", "5 NOT_LEADER"]);
});

test("truncation leaves what lies before it", () => {
  const { waiting, outcomes } = waitingFor(4, 5, 6);
  waiting.truncated(logIndex(5));
  waiting.synced(logIndex(4));
  waiting.failAll((place) => unknownOutcome(place, "the test ends"));
  assert.deepEqual(outcomes, ["4 on disk", "5 WRITE_OUTCOME_UNKNOWN", "6 WRITE_OUTCOME_UNKNOWN", "4 WRITE_OUTCOME_UNKNOWN"]);
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

test("of what was cut, too, the outcome is unknown without leadership for long enough", () => {
  const { waiting, outcomes } = waitingFor(4);
  waiting.truncated(logIndex(4));
  for (let tick = 0; tick < ORPHAN_TICKS; tick++) waiting.tick(false);
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
