/** What figures are made of. Pure. */
// biome-ignore lint/plugin: a histogram; it reads no clock
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

/** In milliseconds. */
export interface LatencySummary {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const LATENCY_US_MAX = 3_600e6;

/** Latencies by three significant digits (an HDR histogram), from a microsecond to an hour. */
export class Latencies {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: LATENCY_US_MAX, figures: 3 });

  addAll(latenciesUs: Iterable<number>): void {
    for (const us of latenciesUs) this.#histogram.record(Math.min(Math.max(1, us), LATENCY_US_MAX));
  }

  /** Undefined without samples. */
  get summary(): LatencySummary | undefined {
    const { count, max } = this.#histogram;
    if (count === 0) return undefined;
    const at = (percent: number): number => Math.min(max, this.#histogram.percentile(percent)) / 1e3;
    return { samples: count, p50: at(50), p99: at(99), p999: at(99.9), max: max / 1e3 };
  }
}

export interface Rate {
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
}

interface Point {
  readonly atMs: number;
  readonly records: number;
  readonly bytes: number;
}

/** The sum of what several counters, each with a clock reading of its own, rose by per second. */
export function rateBetween(pairs: readonly (readonly [from: Point, to: Point])[]): Rate {
  let recordsPerSecond = 0;
  let bytesPerSecond = 0;
  for (const [from, to] of pairs) {
    const seconds = (to.atMs - from.atMs) / 1e3;
    if (seconds <= 0) continue;
    recordsPerSecond += (to.records - from.records) / seconds;
    bytesPerSecond += (to.bytes - from.bytes) / seconds;
  }
  return { recordsPerSecond, megabytesPerSecond: bytesPerSecond / 1e6 };
}

/** The middle value, or the mean of the two in the middle; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

/** Undefined where the divisor is 0: a figure that cannot be had is not invented. */
export const per = (value: number, divisor: number): number | undefined => (divisor > 0 ? value / divisor : undefined);

/** When something that grows by bytes reached a moving goal. */
export interface Observed {
  readonly atMs: number;
  /** Of the one that is behind, and of the one it follows. */
  readonly behind: number;
  readonly ahead: number;
}

/**
 * How fast the one that is behind gained, from the first observation to the first in which no more than `slackBytes` are missing.
 * Undefined while it never came so far.
 */
export function catchUp(observed: readonly Observed[], slackBytes: number): { readonly ms: number; readonly bytesPerSecond: number } | undefined {
  const [first] = observed;
  const last = observed.find(({ behind, ahead }) => ahead - behind <= slackBytes);
  if (first === undefined || last === undefined) return undefined;
  const ms = last.atMs - first.atMs;
  return { ms, bytesPerSecond: ms > 0 ? ((last.behind - first.behind) / ms) * 1e3 : 0 };
}
