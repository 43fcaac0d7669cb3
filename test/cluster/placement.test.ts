import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { type Candidate, place } from "../../src/cluster/placement.js";
import { node } from "./examples.js";

const candidates = (racks: readonly string[]): Candidate[] => racks.map((rack, at) => ({ nodeId: node(at + 1), rack, replicas: 0, preferredLeaders: 0 }));

const difference = (brokers: readonly Candidate[], chosen: readonly number[]): number => {
  const counts = brokers.map(({ nodeId }) => chosen.filter((other) => other === nodeId).length);
  return Math.max(...counts) - Math.min(...counts);
};

test("without racks, replicas and preferred leaders of a topic differ by at most one between brokers", () => {
  const shapes = fc.record({
    brokers: fc.integer({ min: 1, max: 9 }),
    n: fc.integer({ min: 1, max: 7 }),
    partitions: fc.integer({ min: 1, max: 40 }),
    rotation: fc.nat(1_000),
  });
  fc.assert(
    fc.property(shapes, ({ brokers, n, partitions, rotation }) => {
      fc.pre(n <= brokers);
      const all = candidates(Array.from({ length: brokers }, () => ""));
      const rows = place({ partitions, replicas: n, candidates: all, rotation });
      assert.equal(rows.length, partitions);
      for (const row of rows) assert.equal(new Set(row).size, n, "no broker twice");
      assert.ok(difference(all, rows.flat()) <= 1, "replicas");
      assert.ok(
        difference(
          all,
          rows.map((row) => row[0] ?? 0),
        ) <= 1,
        "leaders",
      );
      assert.deepEqual(place({ partitions, replicas: n, candidates: [...all].reverse(), rotation }), rows, "deterministic");
    }),
    { numRuns: 300 },
  );
});

test("replicas use as many racks as there are, and equal racks are filled evenly", () => {
  const shapes = fc.record({
    racks: fc.integer({ min: 1, max: 4 }),
    perRack: fc.integer({ min: 1, max: 3 }),
    n: fc.integer({ min: 1, max: 6 }),
    partitions: fc.integer({ min: 1, max: 30 }),
    rotation: fc.nat(99),
  });
  fc.assert(
    fc.property(shapes, ({ racks, perRack, n, partitions, rotation }) => {
      fc.pre(n <= racks * perRack);
      const all = candidates(Array.from({ length: racks * perRack }, (_, at) => `rack-${at % racks}`));
      const rows = place({ partitions, replicas: n, candidates: all, rotation });
      for (const row of rows) {
        const used = new Set(row.map((nodeId) => all[nodeId - 1]?.rack));
        assert.equal(used.size, Math.min(n, racks));
      }
      assert.ok(difference(all, rows.flat()) <= 1, "replicas");
      assert.ok(
        difference(
          all,
          rows.map((row) => row[0] ?? 0),
        ) <= 1,
        "leaders",
      );
    }),
    { numRuns: 300 },
  );
});

test("unequal racks never share a partition's replicas while there are enough racks", () => {
  const layout = fc.array(fc.constantFrom("a", "b", "c", "d", ""), { minLength: 3, maxLength: 9 });
  fc.assert(
    fc.property(layout, fc.integer({ min: 1, max: 20 }), (racks, partitions) => {
      const all = candidates(racks);
      const shared = (nodeId: number): string => all[nodeId - 1]?.rack || `own ${nodeId}`;
      const available = new Set(all.map(({ nodeId }) => shared(nodeId))).size;
      const rows = place({ partitions, replicas: 3, candidates: all, rotation: 0 });
      assert.ok(
        difference(
          all,
          rows.map((row) => row[0] ?? 0),
        ) <= 1,
        "leaders are even where replicas cannot be",
      );
      for (const row of rows) {
        assert.equal(new Set(row).size, 3);
        assert.equal(new Set(row.map(shared)).size, Math.min(3, available));
      }
    }),
    { numRuns: 300 },
  );
});

test("what a greedy choice leaves uneven is levelled, within what racks allow", () => {
  const all = candidates(["a", "b", "c", "c"]);
  assert.equal(difference(all, place({ partitions: 2, replicas: 2, candidates: all, rotation: 0 }).flat()), 0);
});

test("among equals the broker that has less of other topics is taken", () => {
  const busy = candidates(["", "", "", ""]).map((candidate) => ({ ...candidate, replicas: candidate.nodeId * 10, preferredLeaders: 50 - candidate.nodeId }));
  assert.deepEqual(place({ partitions: 1, replicas: 2, candidates: busy, rotation: 3 }), [[node(2), node(1)]]);
});

test("many one-partition topics spread over the cluster as evenly as one large topic", () => {
  let load = candidates(["", "", "", "", ""]);
  for (let topic = 0; topic < 23; topic++) {
    const [row = []] = place({ partitions: 1, replicas: 3, candidates: load, rotation: topic });
    load = load.map((candidate) => ({
      ...candidate,
      replicas: candidate.replicas + (row.includes(candidate.nodeId) ? 1 : 0),
      preferredLeaders: candidate.preferredLeaders + (row[0] === candidate.nodeId ? 1 : 0),
    }));
  }
  const spread = (counts: number[]): number => Math.max(...counts) - Math.min(...counts);
  assert.ok(spread(load.map((candidate) => candidate.replicas)) <= 1);
  assert.ok(spread(load.map((candidate) => candidate.preferredLeaders)) <= 1);
});

test("more replicas than brokers are refused with both numbers", () => {
  assert.throws(
    () => place({ partitions: 1, replicas: 4, candidates: candidates(["", "", ""]), rotation: 0 }),
    (error) => error instanceof QuireError && error.reason === "NOT_ENOUGH_BROKERS" && error.details["replicas"] === 4 && error.details["brokers"] === 3,
  );
});

test("ten thousand partitions are placed without holding up the broker", () => {
  const all = candidates(Array.from({ length: 12 }, (_, at) => `rack-${at % 5}`));
  const began = performance.now();
  place({ partitions: 10_000, replicas: 3, candidates: all, rotation: 1 });
  assert.ok(performance.now() - began < 2_000);
});
