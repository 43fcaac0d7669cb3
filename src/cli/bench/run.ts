/** What all benchmarks share: a stage that is cleared afterwards, waiting with a view of how it goes, and the outcome. */
import { QuireError } from "../../base/errors.js";
import { systemClock } from "../../base/system-ports.js";
import { loadCodec } from "../../client/codecs.js";
import type { CompressionName } from "../../client/index.js";
import { ExitCode } from "../exit-codes.js";
import { plural, tell } from "../output.js";
import { showShare } from "../progress.js";
import { interruption } from "../signals.js";
import type { Conditions } from "./conditions.js";
import { inMegabytes } from "./free-room.js";
import type { Load, Phase, Totals } from "./load.js";
import { type BenchResult, type NamedPhase, show } from "./result.js";
import { Stage } from "./stage.js";
import type { Place, Target } from "./workload.js";

const POLL_MS = 100;
/** A load that achieves nothing for so long will not achieve more: its cluster is down, or full. */
const STALLED_MS_MAX = 60_000;
/** Twice as long as between two reports of a worker. */
const SHOW_EVERY_MS = 500;

export const NO_RECORDS: Totals = { acknowledged: 0, consumed: 0, missing: 0, failed: 0, firstFailure: undefined };

export type Found = Pick<BenchResult, "phases" | "totals"> & Partial<Pick<BenchResult, "figures">>;

interface Bench<Jobs> {
  readonly mode: string;
  readonly place: Place;
  readonly args: Readonly<Record<string, unknown>> & { readonly compression?: CompressionName };
  /** Says what is wrong with the options; called before anything is started. @throws QuireError INVALID_FIELD */
  readonly jobs: (target: Target) => Jobs;
  readonly run: (stage: Stage, jobs: Jobs) => Promise<Found>;
}

const NOWHERE: Target = { brokers: [], topic: "" };

/** Runs a benchmark and shows what it found. @throws QuireError */
export async function runBench<Jobs>({ mode, place, args, jobs, run }: Bench<Jobs>): Promise<void> {
  jobs(NOWHERE);
  const { compression = "none" } = args;
  if (compression !== "none") await loadCodec(compression);
  const signal = interruption();
  try {
    const { found, conditions, deaths } = await onStage(place, signal, (stage) => run(stage, jobs(stage.target)));
    // All is cleared by now: whoever reads this may go away before it is written.
    show({ mode, conditions, options: optionsOf(args), figures: {}, ...found }, { json: args["json"] === true });
    for (const death of deaths) tell(`${death} while it was measured: the figures are of what was left.`);
    if (found.totals.failed > 0 || found.totals.missing > 0 || deaths.length > 0) process.exitCode = ExitCode.failed;
  } catch (thrown) {
    throw signal.aborted ? new QuireError("CANCELLED", "interrupted") : thrown;
  }
}

interface Seen {
  readonly found: Found;
  readonly conditions: Conditions;
  /** Brokers of its own that ended by themselves, and how. */
  readonly deaths: readonly string[];
}

async function onStage(place: Place, signal: AbortSignal, run: (stage: Stage) => Promise<Found>): Promise<Seen> {
  await using stage = await during(place.cluster > 0 ? `starting ${plural(place.cluster, "broker")}` : "connecting", Stage.open(place, signal));
  return { found: await run(stage), conditions: stage.conditions, deaths: stage.deaths };
}

/** Those that say what was measured. */
const optionsOf = (args: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const { _, $0, json, data, profile, brokers, b, ...rest } = args;
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
};

interface Watch {
  readonly what: string;
  /** At most. */
  readonly ms: number;
  /** How much of the work is done, to 1: then it is over before the time is. Left out, only time counts. */
  readonly share?: () => number;
}

/** Waits, showing what the load does. @throws QuireError NOT_READY when it does nothing any more */
export async function watch(stage: Stage, load: Load, { what, ms, share }: Watch): Promise<void> {
  const beginMs = systemClock.monotonicMs();
  const done = (): number => share?.() ?? (systemClock.monotonicMs() - beginMs) / ms;
  const progress = showShare({ what });
  let before = { atMs: beginMs, produce: load.now("produce").records, consume: load.now("consume").records };
  let movedMs = beginMs;
  try {
    for (;;) {
      const leftMs = beginMs + ms - systemClock.monotonicMs();
      if (leftMs <= 0 || done() >= 1) return;
      await stage.wait(Math.min(POLL_MS, leftMs));
      if (systemClock.monotonicMs() - before.atMs < SHOW_EVERY_MS) continue;
      const [produce, consume] = [load.now("produce"), load.now("consume")];
      const now = { atMs: systemClock.monotonicMs(), produce: produce.records, consume: consume.records };
      const perSecond = (kind: "produce" | "consume"): string =>
        Math.round(((now[kind] - before[kind]) / Math.max(1, now.atMs - before.atMs)) * 1e3).toLocaleString("en");
      const latency = (produce.latency ?? consume.latency)?.p99.toFixed(1) ?? "–";
      progress.update(done(), `${perSecond("produce")} acknowledged/s  ${perSecond("consume")} consumed/s  p99 ${latency} ms`);
      if (produce.records + consume.records > before.produce + before.consume) movedMs = now.atMs;
      else if (share !== undefined && load.isAtWork && now.atMs - movedMs > STALLED_MS_MAX) throw stalled(what, stage);
      before = now;
    }
  } finally {
    progress.stop();
  }
}

function stalled(what: string, { freeBytes }: Stage): QuireError {
  const room = freeBytes === undefined ? "" : `; the disk of its brokers has ${inMegabytes(freeBytes)} free`;
  return new QuireError("NOT_READY", `${what}: no record was acknowledged or read for ${STALLED_MS_MAX / 1e3} s${room}`);
}

/** Shows that something is under way, while it is, and how much of it is done where that is known. */
export async function during<T>(what: string, work: Promise<T>, share: (spentMs: number) => number = () => 0): Promise<T> {
  const progress = showShare({ what });
  const beginMs = systemClock.monotonicMs();
  const timer = systemClock.every(SHOW_EVERY_MS, () => {
    const spentMs = systemClock.monotonicMs() - beginMs;
    progress.update(share(spentMs), `${Math.round(spentMs / 1e3)} s`);
  });
  try {
    return await work;
  } finally {
    timer.cancel();
    progress.stop();
  }
}

/** Waits, showing how much of the time is over. @throws the signal's reason */
export const rest = (stage: Stage, what: string, ms: number): Promise<void> => during(what, stage.wait(ms), (spentMs) => spentMs / ms);

/** Measures a stretch of a load that runs. */
export async function measure(stage: Stage, load: Load, name: string, wait: () => Promise<void>): Promise<NamedPhase> {
  await load.mark();
  await stage.startProfiles();
  await wait();
  const phase: Phase = await load.take();
  await stage.saveProfiles(name);
  return { name, ...phase };
}
