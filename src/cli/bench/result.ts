/** What a benchmark found, and how it is shown. */
import { formatBytes } from "../../config/units.js";
import { plural, print, printJson, table } from "../output.js";
import type { Conditions } from "./conditions.js";
import type { Phase, ProcessFigures, Totals } from "./load.js";
import type { LatencySummary, Rate } from "./statistics.js";

/** Figures of one kind of benchmark only: their names in JSON, and for people. */
const FIGURES = {
  createMs: "topic created, ms",
  leadersMovedMs: "then until each preferred broker led, ms",
  idleCpuShareMax: "CPU of the busiest broker when idle, share of a core",
  residentBytesPerPartition: "memory per partition and broker, bytes",
  longestPauseMsMedian: "longest pause in acknowledgements, median of the rounds, ms",
  longestPauseMsMax: "longest pause in acknowledgements, worst round, ms",
  longestPausesMs: "longest pause of each round, ms",
  logBytes: "log of the broker, bytes",
  stoppedListensMs: "restart after a stop: listens, ms",
  stoppedWholeMs: "restart after a stop: every replica connected, ms",
  killedListensMs: "restart after SIGKILL: listens, ms",
  killedWholeMs: "restart after SIGKILL: every replica connected, ms",
  caughtUpMs: "follower caught up after it listened, ms",
  caughtUpMegabytesPerSecond: "what it wrote meanwhile, MB/s",
  caughtUpToProduceRate: "that, to what was produced while it was down",
  fillMegabytesPerSecond: "MB/s when filling it",
  readSeconds: "time to read them, s",
  acknowledgedOfWanted: "acknowledged, of the rate that was wanted",
} as const;

export type Figures = { readonly [Name in keyof typeof FIGURES]?: number | readonly number[] | undefined };

export interface NamedPhase extends Phase {
  readonly name: string;
}

export interface BenchResult {
  readonly mode: string;
  readonly conditions: Conditions;
  /** The options it ran with. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly phases: readonly NamedPhase[];
  readonly totals: Totals;
  readonly figures: Figures;
}

const NONE = "–";

export function show(result: BenchResult, { json }: { readonly json: boolean }): void {
  if (json) printJson(forPrograms(result));
  else print(forPeople(result));
}

/** A figure that could not be had is null, not left out. */
const forPrograms = (result: BenchResult): unknown => JSON.parse(JSON.stringify(result, (_, value: unknown) => (value === undefined ? null : value)));

export function forPeople({ mode, conditions, options, phases, totals, figures }: BenchResult): string {
  const { node, system, cores, memoryBytes, fileSystem, loadAverage } = conditions;
  const words = Object.entries(options).map(([name, value]) => `${name}=${String(value)}`);
  const parts = [
    `${mode}: ${words.join(" ")}`,
    `${plural(cores, "core")}, ${formatBytes(Math.round(memoryBytes / 2 ** 30) * 2 ** 30)}, ${system}, Node ${node}, disk ${fileSystem ?? "of the brokers"}, load before ${number(loadAverage, 2)}`,
    ...phases.flatMap(phaseText),
  ];
  const own = Object.entries(figures).filter(([, value]) => value !== undefined);
  if (own.length > 0) {
    parts.push(
      table(
        ["FIGURE", ""],
        own.map(([name, value]) => [
          FIGURES[name as keyof Figures],
          [value]
            .flat()
            .map((each) => number(each))
            .join(", "),
        ]),
      ),
    );
  }
  parts.push(totalsText(totals));
  return parts.join("\n\n");
}

function phaseText(phase: NamedPhase): string[] {
  const { name, seconds, acknowledged, consumed, acknowledgementMs, endToEndMs, processes } = phase;
  const title = `${name} (${seconds.toFixed(1)} s)`.toUpperCase();
  const flow = [...flowRow("acknowledged", acknowledged, acknowledgementMs), ...flowRow("consumed", consumed, endToEndMs)];
  const shown = [flow.length === 0 ? title : table([title, "RECORDS/S", "MB/S", "P50 MS", "P99 MS", "P99.9 MS", "MAX MS", "SAMPLES"], flow)];
  return processes.length === 0 ? shown : [...shown, processTable(processes)];
}

const flowRow = (what: string, rate: Rate | undefined, latency: LatencySummary | undefined): string[][] => {
  if (rate === undefined) return [];
  const { p50, p99, p999, max, samples } = latency ?? {};
  return [[what, number(rate.recordsPerSecond), number(rate.megabytesPerSecond), ...[p50, p99, p999, max].map((ms) => number(ms, 2)), number(samples)]];
};

const processTable = (processes: readonly ProcessFigures[]): string =>
  table(
    ["PROCESS", "CPU S/GB", "CPU %", "MEMORY MIB", "PEAK MIB", "FSYNCS/S", "MESSAGES/S", "BYTES/MESSAGE", "LOOP DELAY P99 MS"],
    processes.map((each) => [
      each.name,
      number(each.cpuSecondsPerGigabyte, 2),
      number(each.cpuShare === undefined ? undefined : each.cpuShare * 100, 1),
      number(each.residentBytes / 2 ** 20),
      number(each.peakBytes / 2 ** 20),
      number(each.syncsPerSecond),
      number(each.messagesPerSecond),
      number(each.bytesPerMessage),
      number(each.loopDelayMsP99, 1),
    ]),
  );

function totalsText({ acknowledged, consumed, missing, failed, firstFailure }: Totals): string {
  const words = [`${plural(acknowledged, "record")} acknowledged`, ...(consumed > 0 ? [`${plural(consumed, "record")} consumed`] : [])];
  if (missing > 0) words.push(`${plural(missing, "record")} missing`);
  if (failed > 0) words.push(`${plural(failed, "record")} failed, the first with ${firstFailure ?? "no reason"}`);
  return `In all: ${words.join(", ")}.`;
}

/** With so many digits after the point; by default, none from a hundred on. */
function number(value: number | undefined, digits?: number): string {
  if (value === undefined || !Number.isFinite(value)) return NONE;
  const shown = digits ?? (Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 1 : 3);
  return value.toLocaleString("en", { minimumFractionDigits: shown, maximumFractionDigits: shown });
}
