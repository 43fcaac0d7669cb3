import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { offset } from "../../src/base/ids.js";
import { limits } from "../../src/base/limits.js";
import type { ProgressEntry, ProgressLine } from "../../src/base/progress-entry.js";
import { ProgressTable } from "../../src/broker/progress-table.js";

const END = offset(100);

/** A table that was told these lines, one entry each, a second apart. */
function told(...lines: readonly ProgressLine[]): ProgressTable {
  const table = new ProgressTable();
  for (const [at, line] of lines.entries()) table.applied({ nowMs: 1_000 * (at + 1), lines: [line] }, END);
  return table;
}
const claim = (generation: number, since = 0): ProgressLine => ({ kind: "claim", group: "g", generation, since });
const commit = (generation: number, at: number): ProgressLine => ({ kind: "commit", group: "g", generation, offset: offset(at) });
const reset = (generation: number, at: number): ProgressLine => ({ kind: "reset", group: "g", generation, offset: offset(at) });
const forget = (generation: number): ProgressLine => ({ kind: "forget", group: "g", generation });

test("a claim knows nothing processed until something is committed", () => {
  assert.deepEqual(told(claim(3)).get("g"), { offset: undefined, generation: 3, committedMs: 0 });
  assert.deepEqual(told(claim(3), commit(3, 0)).get("g"), { offset: 0, generation: 3, committedMs: 2_000 });
});

test("within a generation an offset only rises, and what does not raise it leaves the time, too", () => {
  const table = told(claim(3), commit(3, 7), commit(3, 5), commit(3, 7));
  assert.deepEqual(table.get("g"), { offset: 7, generation: 3, committedMs: 2_000 });
  assert.deepEqual(table.decided, [{ accepted: true, progress: table.get("g") }]);
});

test("a newer owner fences the older ones: they change nothing, whatever they say", () => {
  const lines = [claim(3), commit(3, 7), claim(4)];
  const before = told(...lines).get("g");
  assert.deepEqual(before, { offset: 7, generation: 4, committedMs: 2_000 });
  for (const stale of [commit(3, 9), reset(3, 0), claim(3), forget(3)]) {
    const table = told(...lines, stale);
    assert.deepEqual(table.get("g"), before, stale.kind);
    assert.deepEqual(table.decided, [{ accepted: false, progress: before }]);
  }
});

test("a commit in a newer generation is a claim as well, and does not go back behind what a former owner processed", () => {
  assert.deepEqual(told(commit(3, 7), commit(4, 5)).get("g"), { offset: 7, generation: 4, committedMs: 1_000 });
  assert.equal(told(commit(3, 7), commit(4, 5), commit(3, 9)).get("g")?.offset, 7);
});

test("a reset may go back, in a newer generation, and fences whoever was there", () => {
  const table = told(claim(3), commit(3, 7), reset(5, 2), commit(3, 9));
  assert.deepEqual(table.get("g"), { offset: 2, generation: 5, committedMs: 3_000 });
});

test("a group inherits nothing from a former one of its name", () => {
  assert.equal(told(commit(3, 7), claim(6, 5)).get("g")?.offset, undefined);
  assert.equal(told(commit(6, 7), claim(7, 5)).get("g")?.offset, 7);
});

test("a group that is gone is forgotten, unless somebody has begun it again since", () => {
  assert.equal(told(commit(3, 7), forget(3)).size, 0);
  assert.equal(told(commit(3, 7), claim(5, 4), forget(3)).get("g")?.generation, 5);
  assert.deepEqual(told(forget(3)).decided, [{ accepted: false, progress: undefined }]);
});

test("nothing is processed beyond the records", () => {
  assert.equal(told(commit(3, 101)).get("g")?.offset, 100);
  assert.equal(told(reset(3, 101)).get("g")?.offset, 100);
});

const lineOf = (group: string): fc.Arbitrary<ProgressLine> => {
  const generation = fc.nat(6);
  return fc.oneof(
    fc.record({ kind: fc.constant("claim" as const), group: fc.constant(group), generation, since: fc.nat(3) }),
    fc.record({
      kind: fc.constantFrom("commit" as const, "commit" as const, "reset" as const),
      group: fc.constant(group),
      generation,
      offset: fc.nat(9).map(offset),
    }),
    fc.record({ kind: fc.constant("forget" as const), group: fc.constant(group), generation }),
  );
};
const entries: fc.Arbitrary<ProgressEntry[]> = fc.array(
  fc.record({ nowMs: fc.nat(50), lines: fc.array(fc.constantFrom("a", "b", "c").chain(lineOf), { minLength: 1, maxLength: 4 }) }),
  { maxLength: 30 },
);

test("whatever is said: no generation comes back, no offset goes back within one, and a stale line changes nothing", () => {
  fc.assert(
    fc.property(entries, (all) => {
      const table = new ProgressTable();
      for (const entry of all) {
        for (const line of entry.lines) {
          const before = table.get(line.group);
          table.applied({ nowMs: entry.nowMs, lines: [line] }, END);
          const after = table.get(line.group);
          if (line.kind === "forget" && before !== undefined && before.generation <= line.generation) {
            assert.equal(after, undefined);
            continue;
          }
          if (before === undefined) continue;
          assert.ok(after !== undefined && after.generation >= before.generation);
          if (line.generation < before.generation) assert.equal(after, before);
          const mayGoBack = line.kind === "reset" || (line.kind === "claim" && line.since >= before.generation);
          if (!mayGoBack) assert.ok((after.offset ?? -1) >= (before.offset ?? -1));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("all replicas agree to the byte, wherever one of them began from a snapshot", () => {
  fc.assert(
    fc.property(entries, fc.nat(30), (all, at) => {
      const one = new ProgressTable();
      const other = new ProgressTable();
      for (const [i, entry] of all.entries()) {
        if (i === at) {
          other.applied({ nowMs: 1, lines: [{ kind: "commit", group: "left behind", generation: 9, offset: offset(9) }] }, END);
          other.decode(one.encode());
        }
        one.applied(entry, END);
        if (i >= at) other.applied(entry, END);
        if (i >= at) assert.deepEqual(other.decided, one.decided);
      }
      if (at < all.length) assert.deepEqual(other.encode(), one.encode());
    }),
  );
});

test("a full table of long names fits into a message between brokers", () => {
  const table = new ProgressTable();
  for (let n = 0; n < limits.groupsPerPartition; n++) {
    table.applied({ nowMs: 1, lines: [{ ...commit(1, 1), group: `${n}`.padEnd(limits.topicNameLength, "x") }] }, END);
  }
  assert.ok(table.encode().length < limits.peerMessageBytes / 16);
});
