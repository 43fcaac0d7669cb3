/** Medians over runs, and the page that shows them. Pure. */
import type { Conditions } from "../../src/cli/bench/conditions.js";
import type { ProcessFigures } from "../../src/cli/bench/load.js";
import { median } from "../../src/cli/bench/statistics.js";
import { limits } from "./limits.js";
import { type FigureRow, lostRecords, peakMemory, type Row, type Run } from "./rows.js";

export interface FigureOutcome {
  readonly label: string;
  readonly median: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** As people read it: `≥ 0.8`. */
  readonly goal: string | null;
  readonly isReached: boolean | null;
  readonly digits: number;
}

/** One row as it is kept between runs. */
export interface RowOutcome {
  readonly name: string;
  readonly title: string;
  readonly command: string;
  readonly runs: number;
  readonly conditions: Conditions;
  readonly figures: readonly FigureOutcome[];
  /** Of the phase that counts (the last), each a median. */
  readonly processes: readonly Omit<ProcessFigures, "cpuSeconds" | "residentBytes">[];
}

const numbers = (values: readonly (number | undefined | null)[]): number[] =>
  values.filter((value): value is number => typeof value === "number" && Number.isFinite(value));

export function outcomeOf(row: Row, runs: readonly Run[], command: string): RowOutcome | undefined {
  const [first] = runs;
  if (first === undefined) return undefined;
  const { name, title } = row;
  const harmed = runs.some((run) => lostRecords.of(run) !== 0) ? [lostRecords] : [];
  const figures = [...row.figures, peakMemory, ...harmed].map((figure) => figureOutcome(figure, numbers(runs.map(figure.of))));
  return { name, title, command, runs: runs.length, conditions: first.bench.conditions, figures, processes: processMedians(runs) };
}

export function figureOutcome({ label, goal, digits = 0 }: FigureRow, values: readonly number[]): FigureOutcome {
  const middle = median(values);
  const range = middle === undefined ? { min: null, max: null } : { min: Math.min(...values), max: Math.max(...values) };
  const shared = { label, digits, median: middle ?? null, ...range };
  if (goal === undefined) return { ...shared, goal: null, isReached: null };
  const isReached = middle === undefined ? null : "atLeast" in goal ? middle >= goal.atLeast : middle <= goal.atMost;
  const shown = "atLeast" in goal ? `≥ ${goal.atLeast.toLocaleString("en")}` : `≤ ${goal.atMost.toLocaleString("en")}`;
  return { ...shared, goal: shown, isReached };
}

function processMedians(runs: readonly Run[]): RowOutcome["processes"] {
  const last = runs.flatMap(({ bench }) => bench.phases.at(-1)?.processes ?? []);
  return [...new Set(last.map(({ name }) => name))].sort().map((name) => {
    const of = (field: Exclude<keyof ProcessFigures, "name">): number | undefined =>
      median(numbers(last.filter((each) => each.name === name).map((each) => each[field])));
    return {
      name,
      cpuShare: of("cpuShare"),
      cpuSecondsPerGigabyte: of("cpuSecondsPerGigabyte"),
      peakBytes: of("peakBytes") ?? 0,
      syncsPerSecond: of("syncsPerSecond"),
      messagesPerSecond: of("messagesPerSecond"),
      bytesPerMessage: of("bytesPerMessage"),
      loopDelayMsP99: of("loopDelayMsP99") ?? 0,
    };
  });
}

const shown = (value: number | null | undefined, digits = 0): string =>
  typeof value === "number" ? value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }) : "–";

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

function figureLine(row: RowOutcome, { label, median: middle, min, max, goal, isReached, digits }: FigureOutcome, at: number): string {
  const verdict = goal === null ? "" : isReached === null ? "–" : isReached ? "yes" : "**no**";
  const range = row.runs > 1 && min !== null ? `${shown(min, digits)} … ${shown(max, digits)}` : "";
  return line([at === 0 ? row.title : "", label, shown(middle, digits), range, goal ?? "", verdict]);
}

const processLine = (row: RowOutcome, each: RowOutcome["processes"][number], at: number): string =>
  line([
    at === 0 ? row.name : "",
    each.name,
    shown(each.cpuSecondsPerGigabyte, 2),
    shown(each.cpuShare === undefined || each.cpuShare === null ? undefined : each.cpuShare * 100),
    shown(each.peakBytes / 1e6),
    shown(each.syncsPerSecond),
    shown(each.messagesPerSecond),
    shown(each.bytesPerMessage),
    shown(each.loopDelayMsP99, 1),
  ]);

function conditionLine({ name, runs, conditions, command }: RowOutcome): string {
  const { date, node, system, processor, cores, memoryBytes, fileSystem, loadAverage } = conditions;
  const machine = `${cores} × ${processor}, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${fileSystem ?? "–"}, ${system}, Node ${node.slice(1)}`;
  return line([name, `${date.slice(0, 16).replace("T", " ")}`, String(runs), shown(loadAverage, 2), machine, `\`${command}\``]);
}

const missedOf = ({ figures }: RowOutcome): readonly string[] => figures.filter(({ isReached }) => isReached === false).map(({ label }) => label);

function limitParagraph(row: RowOutcome): string[] {
  const missed = missedOf(row);
  if (missed.length === 0) return [];
  const why = limits[row.name] ?? "Not looked into yet.";
  return [`**${row.name}** (${missed.join("; ")}). ${why}`];
}

/** The page. Rows come in the matrix's order; those never measured are left out. */
export function page(rows: readonly RowOutcome[]): string {
  return `# Measured

Written by \`npm run bench\` (\`--rows a,b\`, \`--rounds 3\`, \`--quick\`); \`results.json\` beside it holds the same for programs. Everything runs on one machine, the
brokers as three processes with a disk in common. Each figure is the median of the runs, with the smallest and the largest. Where a row is compared with the floor
(\`floor.mjs\`: what Node, gRPC and this disk allow), floor and brokers ran in turn, and the ratio is that of each pair. Machines are noisy: trust ratios.

## Figures

${line(["Row", "Figure", "Median", "Range", "To reach", "Reached"])}
${line(["---", "---", "---:", "---", "---", "---"])}
${rows.flatMap((row) => row.figures.map((figure, at) => figureLine(row, figure, at))).join("\n")}

## What limits the rows that are not reached

${rows.flatMap(limitParagraph).join("\n\n") || "None."}

## Processes

In the last measured stretch of each row. Syncs are those of files by Node; LevelDB's own are not seen.

${line(["Row", "Process", "CPU s/GB", "CPU %", "Peak MB", "fsyncs/s", "Messages/s", "Bytes/message", "Loop delay p99, ms"])}
${line(["---", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"])}
${rows.flatMap((row) => row.processes.map((each, at) => processLine(row, each, at))).join("\n")}

## Conditions

${line(["Row", "When (UTC)", "Runs", "Load before", "Machine", "Command"])}
${line(["---", "---", "---:", "---:", "---", "---"])}
${rows.map(conditionLine).join("\n")}
`;
}
