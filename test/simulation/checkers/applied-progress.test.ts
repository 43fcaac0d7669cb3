import assert from "node:assert/strict";
import { test } from "node:test";
import { offset } from "../../../src/base/ids.js";
import type { ProgressLine } from "../../../src/base/progress-entry.js";
import { ProgressTable } from "../../../src/broker/progress-table.js";
import { AppliedProgress } from "./applied-progress.js";

const GROUP = "billing";
const claim = (generation: number, since = 0): ProgressLine => ({ kind: "claim", group: GROUP, generation, since });
const commit = (generation: number, at: number): ProgressLine => ({ kind: "commit", group: GROUP, generation, offset: offset(at) });
const reset = (generation: number, at: number): ProgressLine => ({ kind: "reset", group: GROUP, generation, offset: offset(at) });
const forget = (generation: number): ProgressLine => ({ kind: "forget", group: GROUP, generation });

const RECORDS = 100;
const ALL: readonly ProgressLine[] = [
  claim(3),
  commit(3, 10),
  commit(3, 7),
  claim(5),
  commit(3, 20),
  commit(5, 30),
  reset(6, 4),
  commit(5, 50),
  claim(8),
  commit(8, 500),
  forget(7),
  forget(8),
  claim(12, 10),
];

/** One entry for each line, from index 1 on. */
function applied(lines: readonly ProgressLine[]): AppliedProgress {
  const progress = new AppliedProgress();
  for (const [at, line] of lines.entries()) progress.applied(at + 1, RECORDS, { nowMs: 1_000 + at, lines: [line] });
  return progress;
}

function tableOf(lines: readonly ProgressLine[], clockMs = 1_000): ProgressTable {
  const table = new ProgressTable();
  for (const [at, line] of lines.entries()) table.applied({ nowMs: clockMs + at, lines: [line] }, offset(RECORDS));
  return table;
}

test("the rules as they stand here and in the product agree after every entry", () => {
  const progress = applied(ALL);
  for (const through of ALL.keys()) assert.equal(progress.problemOfTable(through + 1, tableOf(ALL.slice(0, through + 1))), undefined, `at ${through + 1}`);
});

test("a group that is lost, that is too many, at another offset, generation or time, is told", () => {
  const progress = applied(ALL.slice(0, 6));
  const survives = "what is known of groups survives failover, snapshot and restart";
  const forgotten = progress.problemOfTable(6, tableOf([]));
  assert.equal(forgotten?.invariant, survives);
  assert.equal(forgotten?.seen, "is not known");
  assert.match(progress.problemOfTable(6, tableOf(ALL.slice(0, 4)))?.seen ?? "", /at 10 in generation 5/);
  assert.match(progress.problemOfTable(6, tableOf([...ALL.slice(0, 5), commit(5, 31)]))?.seen ?? "", /at 31/);
  assert.match(progress.problemOfTable(6, tableOf([...ALL.slice(0, 6), claim(6)]))?.seen ?? "", /generation 6/);
  assert.match(progress.problemOfTable(6, tableOf(ALL.slice(0, 6), 2_000))?.seen ?? "", /since 2005/);
  const other = tableOf([...ALL.slice(0, 6)]);
  const two = { get: (name: string) => other.get(name), size: 2 };
  assert.match(progress.problemOfTable(6, two)?.seen ?? "", /2 groups/);
});

test("a replica that goes back within a generation, or takes a stale one, breaks a rule of its own", () => {
  const progress = applied(ALL.slice(0, 4));
  const known = (at: number, generation: number) => ({ offset: offset(at), generation, committedMs: 1 });
  const back = progress.problemOf(4, GROUP, known(9, 3), known(10, 3), [commit(3, 9)]);
  assert.equal(back?.invariant, "a committed offset never goes back within a generation");
  const stale = progress.problemOf(4, GROUP, known(20, 3), known(10, 5), [commit(3, 20)]);
  assert.equal(stale?.invariant, "a stale generation commits nothing");
  const ignored = progress.problemOf(4, GROUP, known(20, 5), known(10, 5), [commit(3, 20)]);
  assert.equal(ignored?.invariant, "what is known of groups survives failover, snapshot and restart", "what has an effect that the log does not give it");
});

test("what a client is told of a commit must have been committed, in its generation", () => {
  const progress = applied(ALL.slice(0, 6));
  assert.equal(progress.problemOfAcknowledged(GROUP, 3, 10), undefined);
  assert.equal(progress.problemOfAcknowledged(GROUP, 5, 30), undefined);
  assert.match(progress.problemOfAcknowledged(GROUP, 3, 20)?.seen ?? "", /10 at the most/);
  assert.match(progress.problemOfAcknowledged(GROUP, 4, 1)?.seen ?? "", /nothing of that generation/);
});

test("the first replica tells what an entry did, and others tell nothing new", () => {
  const progress = new AppliedProgress();
  const entry = { nowMs: 1, lines: [claim(2), commit(2, 5)] };
  assert.deepEqual(
    progress.applied(4, RECORDS, entry).map(({ before, after }) => [before?.offset, after?.offset]),
    [
      [undefined, undefined],
      [undefined, 5],
    ],
  );
  assert.deepEqual(progress.applied(4, RECORDS, entry), []);
  assert.deepEqual(progress.rangeOf(GROUP, 2), { from: undefined, to: 5 });
  progress.applied(5, RECORDS, { nowMs: 2, lines: [reset(3, 1)] });
  assert.deepEqual([progress.wasReset(GROUP, 1), progress.resetGeneration(GROUP), progress.newest(GROUP)?.offset], [true, 3, 1]);
});
