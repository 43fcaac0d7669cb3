/** The matrix: what is measured how, which figures count, and what they are to reach. */
import type { BenchResult, NamedPhase } from "../../src/cli/bench/result.js";

/** What `floor.mjs` and `floor-many.mjs` print. */
export interface FloorResult {
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly consumedRecordsPerSecond?: number;
  readonly acknowledgementMs: { readonly p50: number; readonly p99: number };
  /** The same clients with servers that only answer. */
  readonly alone?: { readonly recordsPerSecond: number };
}

/** One run of `quire bench`, and of the floor just before where the row has one. */
export interface Run {
  readonly bench: BenchResult;
  readonly floor: FloorResult | undefined;
}

export interface FigureRow {
  readonly label: string;
  readonly of: (run: Run) => number | undefined;
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number };
  /** After the point, when shown. */
  readonly digits?: number;
}

export interface Scale {
  /** Of amounts and times: 1, or less when in a hurry. */
  readonly share: number;
  /** Records per second, half of what comes through in the row that a row names; 0 without one. */
  readonly halfRate: number;
  /** Whether the machine's page cache may be emptied. */
  readonly mayDropCaches: boolean;
}

export interface Row {
  readonly name: string;
  readonly title: string;
  /** Options of the floor, for rows that are compared with it. */
  readonly floor?: (scale: Scale) => readonly string[];
  /** Default `floor.mjs`. */
  readonly floorScript?: string;
  /** Words after `quire bench`. */
  readonly bench: (scale: Scale) => readonly string[];
  /** The row whose records per second `halfRate` is half of. */
  readonly halfOf?: string;
  readonly figures: readonly FigureRow[];
}

const seconds = (count: number, { share }: Scale): string => `${Math.max(2, Math.round(count * share))}s`;
/** A broker lives for months: what its first seconds cost, before its code is compiled, is not what is asked. The floor has as long. */
const warmUp = (scale: Scale): string => seconds(15, scale);
const megabytes = (count: number, { share }: Scale): string => `${Math.max(20, Math.round(count * share))}MB`;
const measured = ({ bench }: Run): NamedPhase | undefined => bench.phases.find(({ name }) => name === "measured");
const phase = ({ bench }: Run, wanted: string): NamedPhase | undefined => bench.phases.find(({ name }) => name === wanted);
const figure = ({ bench }: Run, name: keyof BenchResult["figures"]): number | undefined => {
  const value = bench.figures[name];
  return typeof value === "number" ? value : undefined;
};
const ratio = (value: number | undefined | null, to: number | undefined | null): number | undefined =>
  typeof value === "number" && typeof to === "number" && to > 0 ? value / to : undefined;
const p99Ratio = (run: Run, name: string): number | undefined => ratio(phase(run, name)?.acknowledgementMs?.p99, phase(run, "before")?.acknowledgementMs?.p99);

/** What came through to the consumer: records that are acknowledged and not yet read do not count. */
const through = (run: Run): number | undefined => measured(run)?.consumed?.recordsPerSecond;
const throughMegabytes = (run: Run): number | undefined => measured(run)?.consumed?.megabytesPerSecond;
const acknowledged = (run: Run): number | undefined => measured(run)?.acknowledged?.recordsPerSecond;
const ackP = (label: string, quantile: "p50" | "p99", goal?: FigureRow["goal"]): FigureRow => ({
  label,
  of: (run) => measured(run)?.acknowledgementMs?.[quantile],
  digits: 2,
  ...(goal === undefined ? {} : { goal }),
});

/** What comes through end to end with as many partitions. */
const PEAK = "end-to-end-1k";
const PEAK_100 = "end-to-end-1k-100-partitions";

const endToEnd = (size: string, bytes: number, figures: readonly FigureRow[]): Row => ({
  name: `end-to-end-${size}`,
  title: `end to end, ${bytes.toLocaleString("en")} B records, 6 partitions, N=3 W=2, fsync, one producer, one consumer`,
  floor: (scale) => ["--record-bytes", String(bytes), "--warm-up", warmUp(scale).slice(0, -1), "--duration", seconds(10, scale).slice(0, -1)],
  bench: (scale) => ["end-to-end", "--cluster", "3", "--record-bytes", String(bytes), "--warm-up", warmUp(scale), "--duration", seconds(10, scale)],
  figures,
});

const OWN_KIB = ["--record-bytes", "1KiB"] as const;
const PAUSE: readonly FigureRow[] = [
  { label: "longest pause, median of kills, ms", of: (run) => figure(run, "longestPauseMsMedian"), goal: { atMost: 500 } },
  { label: "longest pause, worst, ms", of: (run) => figure(run, "longestPauseMsMax") },
];

const failover = (partitions: number): Row => ({
  name: `failover-${partitions}`,
  title: `leader killed under half load, ${partitions === 1 ? "1 partition" : `${partitions} partitions`}`,
  halfOf: partitions === 1 ? PEAK : PEAK_100,
  bench: (scale) => ["failover", "--partitions", String(partitions), "--rate", String(scale.halfRate), ...OWN_KIB, "--duration", seconds(9, scale)],
  figures: PAUSE,
});

const catchUp: Row = {
  name: "catch-up",
  title: "follower down for two minutes under half load, returns",
  halfOf: PEAK,
  bench: (scale) => ["catch-up", "--down", seconds(120, scale), ...OWN_KIB, "--rate", String(scale.halfRate), "--duration", seconds(10, scale)],
  figures: [
    { label: "catches up at, times the produce rate", of: (run) => figure(run, "caughtUpToProduceRate"), goal: { atLeast: 3 }, digits: 2 },
    { label: "time, s", of: (run) => (figure(run, "caughtUpMs") ?? Number.NaN) / 1e3, digits: 1 },
    { label: "leader's p99, times that before", of: (run) => p99Ratio(run, "catching up"), goal: { atMost: 2 }, digits: 2 },
    { label: "leader's p99 meanwhile, ms", of: (run) => phase(run, "catching up")?.acknowledgementMs?.p99, digits: 2 },
  ],
};

const idle = (partitions: number): Row => ({
  name: `partitions-${partitions}`,
  title: `${partitions.toLocaleString("en")} idle partitions (N=3) on three brokers`,
  bench: (scale) => ["partitions", "--cluster", "3", "--partitions", String(partitions), "--settle", seconds(30, scale), "--duration", seconds(20, scale)],
  figures: [
    { label: "CPU of the busiest broker, % of a core", of: (run) => (figure(run, "idleCpuShareMax") ?? Number.NaN) * 100, goal: { atMost: 3 }, digits: 2 },
    {
      label: "memory per partition and broker, kB",
      of: (run) => (figure(run, "residentBytesPerPartition") ?? Number.NaN) / 1e3,
      goal: { atMost: 30 },
      digits: 1,
    },
    { label: "made in, s", of: (run) => (figure(run, "createMs") ?? Number.NaN) / 1e3, digits: 1 },
  ],
});

const toFloor = (of: (run: Run) => number | undefined, floor: (result: FloorResult) => number | undefined): FigureRow => ({
  label: "of the floor's",
  of: (run) => ratio(of(run), run.floor && floor(run.floor)),
  goal: { atLeast: 0.8 },
  digits: 2,
});

export const rows: readonly Row[] = [
  endToEnd("100", 100, [
    { label: "records/s", of: through, goal: { atLeast: 1_000_000 } },
    { label: "floor, records/s", of: ({ floor }) => floor?.consumedRecordsPerSecond },
    toFloor(through, (floor) => floor.consumedRecordsPerSecond),
    { label: "MB/s", of: throughMegabytes, digits: 1 },
  ]),
  ...[
    { size: "1k", bytes: 1_024 },
    { size: "16k", bytes: 16_384 },
  ].map(({ size, bytes }) =>
    endToEnd(size, bytes, [
      { label: "MB/s", of: throughMegabytes, digits: 1 },
      { label: "floor, MB/s", of: ({ floor }) => floor?.megabytesPerSecond, digits: 1 },
      toFloor(throughMegabytes, (floor) => floor.megabytesPerSecond),
      { label: "records/s", of: through },
    ]),
  ),
  {
    name: PEAK_100,
    title: "the same, 1,024 B records, 100 partitions",
    bench: (scale) => ["end-to-end", "--cluster", "3", ...OWN_KIB, "--partitions", "100", "--warm-up", warmUp(scale), "--duration", seconds(10, scale)],
    figures: [
      { label: "MB/s", of: throughMegabytes, digits: 1 },
      { label: "records/s", of: through },
    ],
  },
  {
    name: "one-under-way",
    title: "one 1 KiB record under way at a time, fsync",
    floor: (scale) => [
      ...["--record-bytes", "1024", "--batch-bytes", "1024", "--under-way", "1", "--no-consumer"],
      ...["--warm-up", warmUp(scale).slice(0, -1), "--duration", seconds(5, scale).slice(0, -1)],
    ],
    bench: (scale) => [
      ...["produce", "--cluster", "3", ...OWN_KIB, "--partitions", "1", "--under-way", "1"],
      ...["--warm-up", warmUp(scale), "--duration", seconds(5, scale)],
    ],
    figures: [
      ackP("p50, ms", "p50"),
      { label: "floor, p50, ms", of: ({ floor }) => floor?.acknowledgementMs.p50, digits: 2 },
      {
        label: "times the floor's p50",
        of: (run) => ratio(measured(run)?.acknowledgementMs?.p50, run.floor?.acknowledgementMs.p50),
        goal: { atMost: 2 },
        digits: 2,
      },
      ackP("p99, ms", "p99"),
    ],
  },
  {
    name: "many-producers",
    title: "64 producers without batching, each a client with connections of its own, 1 KiB",
    floorScript: "floor-many.mjs",
    floor: (scale) => ["--record-bytes", "1024", "--warm-up", "5", "--duration", seconds(10, scale).slice(0, -1)],
    bench: (scale) => [
      ...["produce", "--cluster", "3", ...OWN_KIB, "--producers", "64", "--under-way", "1"],
      ...["--warm-up", warmUp(scale), "--duration", seconds(10, scale)],
    ],
    figures: [
      { label: "records/s", of: acknowledged, goal: { atLeast: 20_000 } },
      { label: "floor (`floor-many.mjs`), records/s", of: ({ floor }) => floor?.recordsPerSecond },
      { label: "of the floor's", of: (run) => ratio(acknowledged(run), run.floor?.recordsPerSecond), digits: 2 },
      { label: "what gRPC alone exchanges, records/s", of: ({ floor }) => floor?.alone?.recordsPerSecond },
      ackP("p99, ms", "p99", { atMost: 20 }),
      { label: "floor, p99, ms", of: ({ floor }) => floor?.acknowledgementMs.p99, digits: 2 },
    ],
  },
  {
    name: "many-senders",
    title: "64 senders of one client, each waiting for its acknowledgement, 1 KiB",
    bench: (scale) => [
      ...["produce", "--cluster", "3", ...OWN_KIB, "--producers", "1", "--under-way", "64"],
      ...["--warm-up", warmUp(scale), "--duration", seconds(10, scale)],
    ],
    figures: [{ label: "records/s", of: acknowledged, goal: { atLeast: 20_000 } }, ackP("p99, ms", "p99", { atMost: 20 })],
  },
  {
    name: "half-rate",
    title: "fixed rate, half of the peak, 1 KiB, end to end",
    halfOf: PEAK,
    bench: (scale) => [
      ...["latency", "--cluster", "3", ...OWN_KIB, "--rate", String(scale.halfRate)],
      ...["--warm-up", warmUp(scale), "--duration", seconds(20, scale)],
    ],
    figures: [
      { label: "p50, ms", of: (run) => measured(run)?.endToEndMs?.p50, digits: 2 },
      { label: "p99, ms", of: (run) => measured(run)?.endToEndMs?.p99, goal: { atMost: 20 }, digits: 2 },
      { label: "p99.9, ms", of: (run) => measured(run)?.endToEndMs?.p999, goal: { atMost: 60 }, digits: 2 },
      { label: "records/s", of: through },
    ],
  },
  {
    name: "consume-cold",
    title: "consume from the start, cold, 5 GB, while producing at half rate",
    halfOf: PEAK,
    bench: (scale) => [
      ...["consume", scale.mayDropCaches ? "--drop-caches" : "--cold", "--bytes", megabytes(5_000, scale), ...OWN_KIB],
      ...["--rate", String(scale.halfRate), "--duration", seconds(10, scale)],
    ],
    figures: [
      { label: "MB/s read", of: (run) => phase(run, "reading")?.consumed?.megabytesPerSecond, goal: { atLeast: 200 } },
      { label: "producer's p99, times that before", of: (run) => p99Ratio(run, "reading"), goal: { atMost: 2 }, digits: 2 },
      { label: "producer's p99 meanwhile, ms", of: (run) => phase(run, "reading")?.acknowledgementMs?.p99, digits: 2 },
    ],
  },
  failover(1),
  failover(100),
  catchUp,
  idle(1_000),
  idle(10_000),
  {
    name: "spread",
    title: "5,000 records/s spread over 1,000 partitions, fsync, nobody reading",
    bench: (scale) => [
      ...["produce", "--cluster", "3", "--partitions", "1000", "--keys", "10000", "--rate", "5000", "--duration", seconds(20, scale)],
      ...["--warm-up", warmUp(scale)],
    ],
    figures: [ackP("p50, ms", "p50"), ackP("p99, ms", "p99", { atMost: 50 })],
  },
  {
    name: "restart",
    title: "restart with 10 GB and 1,000 partitions",
    bench: (scale) => ["recovery", "--bytes", megabytes(10_000, scale), "--partitions", "1000", "--record-bytes", "10KiB"],
    figures: [
      { label: "serving after a stop, s", of: (run) => (figure(run, "stoppedListensMs") ?? Number.NaN) / 1e3, goal: { atMost: 3 }, digits: 2 },
      { label: "serving after SIGKILL, s", of: (run) => (figure(run, "killedListensMs") ?? Number.NaN) / 1e3, goal: { atMost: 3 }, digits: 2 },
    ],
  },
];

const PEAK_MB_MAX = 300;

/** In every row. */
export const peakMemory: FigureRow = {
  label: "peak memory of a broker, MB",
  of: ({ bench }) => {
    const peaks = bench.phases.flatMap(({ processes }) => processes.filter(({ name }) => name.startsWith("broker")).map(({ peakBytes }) => peakBytes / 1e6));
    return peaks.length === 0 ? undefined : Math.max(...peaks);
  },
  goal: { atMost: PEAK_MB_MAX },
};

/** Shown where there are any. */
export const lostRecords: FigureRow = {
  label: "records that failed or are missing",
  of: ({ bench }) => bench.totals.failed + bench.totals.missing,
  goal: { atMost: 0 },
};
