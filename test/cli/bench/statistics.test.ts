import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { catchUp, Latencies, median, per, rateBetween } from "../../../src/cli/bench/statistics.js";

test("percentiles of latencies are those of the sorted samples, within a thousandth, in milliseconds", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60_000_000 }), { minLength: 1, maxLength: 500 }), (samplesUs) => {
      const latencies = new Latencies();
      latencies.addAll(samplesUs);
      const summary = latencies.summary;
      assert.ok(summary !== undefined);
      const sorted = [...samplesUs].sort((a, b) => a - b);
      const exactly = (percent: number): number => (sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0) / 1e3;
      for (const [percent, found] of [
        [50, summary.p50],
        [99, summary.p99],
        [99.9, summary.p999],
        [100, summary.max],
      ] as const) {
        assert.ok(Math.abs(found - exactly(percent)) <= exactly(percent) / 1_000 + 1e-9, `p${percent} is ${found}, exactly ${exactly(percent)}`);
      }
      assert.equal(summary.samples, samplesUs.length);
    }),
  );
});

test("the tails of many samples are told apart", () => {
  const latencies = new Latencies();
  latencies.addAll(Array.from({ length: 100_000 }, (_, at) => at + 1));
  const { p50 = 0, p99 = 0, p999 = 0, max = 0 } = latencies.summary ?? {};
  assert.deepEqual(
    [p50, p99, p999, max].map((ms) => Math.round(ms * 10)),
    [500, 990, 999, 1_000],
  );
});

test("no samples make no summary, and samples out of range are counted at its ends", () => {
  assert.equal(new Latencies().summary, undefined);
  const latencies = new Latencies();
  latencies.addAll([0, 7_200e6]);
  const summary = latencies.summary;
  assert.ok(summary !== undefined);
  assert.equal(summary.p50, 0.001);
  assert.ok(Math.abs(summary.max - 3_600e3) < 3_600);
});

test("rates are summed over counters that were read at different times", () => {
  const rate = rateBetween([
    [
      { atMs: 1_000, records: 10, bytes: 1_000 },
      { atMs: 3_000, records: 210, bytes: 2_001_000 },
    ],
    [
      { atMs: 1_100, records: 0, bytes: 0 },
      { atMs: 2_100, records: 50, bytes: 500_000 },
    ],
    [
      { atMs: 5_000, records: 5, bytes: 5 },
      { atMs: 5_000, records: 5, bytes: 5 },
    ],
  ]);
  assert.deepEqual(rate, { recordsPerSecond: 150, megabytesPerSecond: 1.5 });
});

test("the median is the middle, or between the two in the middle", () => {
  assert.deepEqual([median([]), median([3]), median([9, 1, 5]), median([4, 1, 3, 2])], [undefined, 3, 5, 2.5]);
});

test("a figure whose divisor is nothing is not there", () => {
  assert.deepEqual([per(10, 4), per(10, 0), per(0, 5)], [2.5, undefined, 0]);
});

test("whoever follows has caught up when no more than the slack is missing", () => {
  const observed = [
    { atMs: 1_000, behind: 0, ahead: 100 },
    { atMs: 1_500, behind: 80, ahead: 120 },
    { atMs: 2_000, behind: 130, ahead: 140 },
    { atMs: 2_500, behind: 160, ahead: 160 },
  ];
  assert.deepEqual(catchUp(observed, 10), { ms: 1_000, bytesPerSecond: 130 });
  assert.equal(catchUp(observed.slice(0, 2), 10), undefined);
  assert.equal(catchUp([], 10), undefined);
});
