import assert from "node:assert/strict";
import { test } from "node:test";
import { type Run, rows } from "../../../scripts/bench/rows.js";
import { figureOutcome, outcomeOf, page } from "../../../scripts/bench/table.js";
import type { NamedPhase } from "../../../src/cli/bench/result.js";

const SCALE = { share: 1, halfRate: 30_000, mayDropCaches: false };
const rate = (recordsPerSecond: number) => ({ recordsPerSecond, megabytesPerSecond: recordsPerSecond / 1e4 });

function runOf(consumed: number, floor: number, failed = 0): Run {
  const broker = { name: "broker 1", cpuSeconds: 1, cpuShare: 0.5, cpuSecondsPerGigabyte: undefined, peakBytes: 200e6, residentBytes: 1 };
  const measured: NamedPhase = {
    name: "measured",
    seconds: 10,
    acknowledged: rate(consumed),
    consumed: rate(consumed),
    acknowledgementMs: { samples: 1, p50: 1, p99: 2, p999: 3, max: 4 },
    endToEndMs: undefined,
    processes: [{ ...broker, syncsPerSecond: 10, messagesPerSecond: 5, bytesPerMessage: 1_000, loopDelayMsP99: 1.25 }],
  };
  const conditions = { date: "2026-01-02T03:04:05.678Z", node: "v20.20.0", system: "Linux", processor: "some", cores: 2, memoryBytes: 2 ** 34 };
  return {
    floor: { recordsPerSecond: floor, megabytesPerSecond: floor / 1e4, consumedRecordsPerSecond: floor, acknowledgementMs: { p50: 1, p99: 1 } },
    bench: {
      mode: "end-to-end",
      conditions: { ...conditions, loadAverage: 0.5, fileSystem: "ext4" },
      options: {},
      phases: [measured],
      totals: { acknowledged: 1, consumed: 1, missing: 0, failed, firstFailure: undefined },
      figures: {},
    },
  };
}

const endToEnd = () => {
  const [row] = rows;
  assert.ok(row !== undefined);
  return row;
};

test("the ratio to the floor is the median of each pair's, not the ratio of medians", () => {
  const outcome = outcomeOf(endToEnd(), [runOf(900_000, 1_000_000), runOf(500_000, 1_000_000), runOf(1_400_000, 2_000_000)], "quire bench …");
  const of = (label: string) => outcome?.figures.find((figure) => figure.label === label);
  assert.deepEqual([of("records/s")?.median, of("records/s")?.isReached], [900_000, false]);
  assert.deepEqual([of("of the floor's")?.median, of("of the floor's")?.goal, of("of the floor's")?.isReached], [0.7, "≥ 0.8", false]);
  assert.deepEqual([of("peak memory of a broker, MB")?.median, of("peak memory of a broker, MB")?.isReached], [200, true]);
  assert.equal(of("records that failed or are missing"), undefined);
});

test("a figure that no run had is neither reached nor missed", () => {
  const outcome = figureOutcome({ label: "x", of: () => undefined, goal: { atMost: 3 } }, []);
  assert.deepEqual([outcome.median, outcome.min, outcome.isReached, outcome.goal], [null, null, null, "≤ 3"]);
});

test("the page shows figures, goals, processes and conditions, and a dash for what is not known", () => {
  const outcome = outcomeOf(endToEnd(), [runOf(1_000_000, 1_000_000, 7), runOf(1_200_000, 1_000_000)], "quire bench end-to-end");
  assert.ok(outcome !== undefined);
  const text = page([outcome]);
  assert.match(text, /\| records\/s \| 1,100,000 \| 1,000,000 … 1,200,000 \| ≥ 1,000,000 \| yes \|/);
  assert.match(text, /\| records that failed or are missing \| 4 \| 0 … 7 \| ≤ 0 \| \*\*no\*\* \|/);
  assert.match(text, /\| end-to-end-100 \| broker 1 \| – \| 50 \| 200 \| 10 \| 5 \| 1,000 \| 1\.3 \|/);
  assert.match(text, /2026-01-02 03:04 \| 2 \| 0\.50 \| 2 × some, 16 GiB, ext4, Linux, Node 20\.20\.0 \| `quire bench end-to-end` \|/);
});

test("every row has a name of its own, and words that quire bench takes", () => {
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
  for (const row of rows) {
    const words = [...row.bench(SCALE), ...(row.floor?.(SCALE) ?? [])];
    assert.ok(
      words.every((word) => word !== "" && !word.includes("NaN") && !word.includes("undefined")),
      words.join(" "),
    );
  }
});
