/** Measures the rows of the matrix, floor and brokers in turn, and writes what came out, row by row, so that an interrupted run keeps what it has. */
import { type ChildProcess, execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import type { BenchResult } from "../../src/cli/bench/result.js";
import { type FloorResult, type Row, type Run, rows, type Scale } from "./rows.js";
import { outcomeOf, page, type RowOutcome } from "./table.js";

const HERE = join("scripts", "bench");
const RESULTS = join(HERE, "results.json");
const PAGE = join(HERE, "RESULTS.md");
const QUIRE = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const QUICK_SHARE = 0.1;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

const { values: given } = parseArgs({
  options: { rows: { type: "string" }, rounds: { type: "string" }, quick: { type: "boolean", default: false } },
});
const rounds = Number(given.rounds ?? (given.quick ? 1 : 3));
const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

let running: ChildProcess | undefined;
let isInterrupted = false;
/** Ctrl-C reaches the program that runs by itself, and a benchmark ends its brokers and removes their folders; who ends this process alone (SIGTERM) means both. */
process.on("SIGINT", () => {
  isInterrupted = true;
});
process.on("SIGTERM", () => {
  isInterrupted = true;
  running?.kill("SIGTERM");
});

/** A program of ours that prints one JSON object. That records failed is in the result, not only in the exit code. */
async function ask<T>(words: readonly string[]): Promise<T> {
  if (isInterrupted) throw new Error("interrupted");
  try {
    const asked = promisify(execFile)(process.execPath, [...words], { maxBuffer: OUTPUT_BYTES_MAX });
    running = asked.child;
    const { stdout } = await asked;
    return JSON.parse(stdout) as T;
  } catch (thrown) {
    const stdout = thrown instanceof Error && "stdout" in thrown ? String(thrown.stdout) : "";
    if (!stdout.startsWith("{")) throw thrown;
    return JSON.parse(stdout) as T;
  }
}

async function measureRow(row: Row, scale: Scale): Promise<RowOutcome | undefined> {
  const words = row.bench(scale);
  const runs: Run[] = [];
  for (let round = 1; round <= rounds; round++) {
    say(`${row.name}, ${round} of ${rounds}: quire bench ${words.join(" ")}`);
    const floor = row.floor === undefined ? undefined : await ask<FloorResult>([join(HERE, row.floorScript ?? "floor.mjs"), ...row.floor(scale)]);
    runs.push({ floor, bench: await ask<BenchResult>([QUIRE, "bench", ...words, "--json"]) });
  }
  return outcomeOf(row, runs, `quire bench ${words.join(" ")}`);
}

function chosen(): readonly Row[] {
  const names = given.rows?.split(",");
  const wrong = names?.find((name) => !rows.some((row) => row.name === name));
  if (wrong !== undefined) throw new Error(`there is no row ${wrong}; there are ${rows.map(({ name }) => name).join(", ")}`);
  return names === undefined ? rows : rows.filter(({ name }) => names.includes(name));
}

/** By name. A quick run keeps nothing, and so takes nothing from what is kept. */
const known = new Map<string, RowOutcome>(
  existsSync(RESULTS) && !given.quick ? (JSON.parse(readFileSync(RESULTS, "utf8")) as RowOutcome[]).map((row): [string, RowOutcome] => [row.name, row]) : [],
);

/** Half of the records that came through in the row that this one names; 0 before that is known. */
const halfRate = ({ halfOf }: Row): number => {
  const peak = halfOf === undefined ? 0 : (known.get(halfOf)?.figures.find(({ label }) => label === "records/s")?.median ?? 0);
  return Math.round(peak / 2);
};

function keep(outcomes: readonly RowOutcome[]): void {
  writeFileSync(RESULTS, `${JSON.stringify(outcomes, null, 2)}\n`);
  writeFileSync(PAGE, page(outcomes));
}

const outcomes = (): RowOutcome[] => rows.flatMap(({ name }) => known.get(name) ?? []);

async function run(row: Row): Promise<void> {
  const scale: Scale = {
    share: given.quick ? QUICK_SHARE : 1,
    halfRate: halfRate(row),
    mayDropCaches: process.platform === "linux" && process.getuid?.() === 0,
  };
  const outcome = await measureRow(row, scale);
  if (outcome === undefined) return;
  known.set(row.name, outcome);
  if (!given.quick) keep(outcomes());
}

const wanted = chosen();
for (const row of wanted) {
  try {
    const peakRow = rows.find(({ name }) => name === row.halfOf);
    if (peakRow !== undefined && halfRate(row) === 0) await run(peakRow);
    await run(row);
  } catch (thrown) {
    // The others are measured nevertheless.
    process.exitCode = 1;
    if (isInterrupted) break;
    say(`${row.name} failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}
if (given.quick) process.stdout.write(page(outcomes()));
else say(`Written: ${PAGE}`);
