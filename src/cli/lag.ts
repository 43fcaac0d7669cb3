/** How far behind a consumer group is, in words. Pure. */
import type { GroupPartitionDescription } from "../client/index.js";

export type Lag = Pick<GroupPartitionDescription, "lag" | "lagMs" | "recordsPerSecond" | "owner">;

/** `1.5s`, `2m 5s`, `3h 10m`: two units at the most. */
export function about(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 10) return `${(ms / 1_000).toFixed(1)}s`;
  if (seconds < 60) return `${seconds}s`;
  const units: readonly (readonly [name: string, seconds: number, next: string, nextSeconds: number])[] = [
    ["d", 86_400, "h", 3_600],
    ["h", 3_600, "m", 60],
    ["m", 60, "s", 1],
  ];
  for (const [name, size, next, nextSize] of units) {
    if (seconds < size) continue;
    const rest = Math.floor((seconds % size) / nextSize);
    return `${Math.floor(seconds / size)}${name}${rest === 0 ? "" : ` ${rest}${next}`}`;
  }
  return `${seconds}s`;
}

/** Milliseconds until all that waits now is processed, at the rate of the last half minute; undefined when that is not known, infinite when nobody does. */
export function catchUpMs({ lag, recordsPerSecond, owner }: Lag): number | undefined {
  if (lag === undefined || recordsPerSecond === undefined) return undefined;
  if (lag === 0) return 0;
  return recordsPerSecond <= 0 || owner === undefined ? Number.POSITIVE_INFINITY : (lag / recordsPerSecond) * 1_000;
}

/** As long as the rate looks back: a record that has waited less may be in its handler's hands. */
const STUCK_MS = 30_000;

/** Records have waited for so long, and the owner processes none. */
export const isStuck = (partition: Lag): boolean =>
  partition.owner !== undefined && catchUpMs(partition) === Number.POSITIVE_INFINITY && (partition.lagMs ?? 0) >= STUCK_MS;

/** What to read in the column of that name. */
export function catchUp(partition: Lag): string {
  const ms = catchUpMs(partition);
  if (ms === undefined) return "?";
  if (ms === 0) return "-";
  if (ms !== Number.POSITIVE_INFINITY) return about(ms);
  if (partition.owner === undefined) return "no owner";
  return isStuck(partition) ? "stuck" : "?";
}
