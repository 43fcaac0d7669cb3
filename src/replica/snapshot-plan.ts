import type { LogIndex } from "../base/ids.js";
import { MIB } from "../base/limits.js";
import type { Log } from "../storage/log.js";
import type { Snapshot } from "../storage/replica-store.js";

/** Applied bytes after which the newest checkpoint is written again, so that a restart re-reads little. */
const CHECKPOINT_BYTES = 16 * MIB;
/** Snapshots at segment ends that are kept; beyond it every second one goes, which only makes cuts coarser. */
const BOUNDARIES_MAX = 64;

/** How a log's beginning goes. `records`: only where a snapshot stands exactly, so that no kept record is lost to a late follower. `state`: the newest snapshot holds everything. */
export type CutPolicy = "records" | "state";

/** What the plan needs to know of the log. */
export type PlannedLog = Pick<Log, "logStart" | "lastIndex" | "syncedIndex" | "segments" | "termAt">;

/**
 * Decides which snapshots to take and keep. Pure bookkeeping: the replica takes them, `snapshots.ts` saves them.
 *
 * Four kinds are kept: the one at the log's start (what a follower that is further behind gets), those at the ends of whole
 * segments (where the log may be cut), the newest (where a restart begins), and, while the log is not on disk that far,
 * the newest that a log without its unsynced end still reaches (where a restart after a power cut begins).
 */
export class SnapshotPlan {
  readonly #log: PlannedLog;
  /** Those on disk, oldest first. */
  #saved: LogIndex[];
  /** The last one taken, saved or not. */
  #newest: LogIndex;
  #bytesSince = 0;

  constructor(log: PlannedLog, kept: readonly LogIndex[]) {
    this.#log = log;
    this.#saved = [...kept].sort((a, b) => a - b);
    this.#newest = this.#saved.at(-1) ?? log.logStart.index;
  }

  /** Whether a snapshot is due now that `index` was applied, `bytes` since the last call. */
  due(index: LogIndex, bytes: number): boolean {
    this.#bytesSince += bytes;
    if (!this.isNews(index)) return false;
    return this.#endsSegment(index) || (this.#bytesSince >= CHECKPOINT_BYTES && index <= this.#log.syncedIndex);
  }

  /** Whether a snapshot at `index` would say more than the last one taken. */
  isNews(index: LogIndex): boolean {
    return index > this.#newest;
  }

  /** Whether a newer one was taken since. */
  isOutdated(index: LogIndex): boolean {
    return index < this.#newest;
  }

  /** A snapshot at `index` was taken and will be saved. */
  taken(index: LogIndex): void {
    this.#newest = index;
    this.#bytesSince = 0;
  }

  /** Which others stay on disk when the one at `index` is written now; undefined when an installed one has overtaken it. */
  keptBeside(index: LogIndex): readonly LogIndex[] | undefined {
    const last = this.#saved.at(-1);
    if (last !== undefined && last >= index) return undefined;
    const { syncedIndex, logStart } = this.#log;
    const ends = new Set<LogIndex>(this.#log.segments().map((segment) => segment.last.index));
    const reached = index > syncedIndex ? this.#saved.findLast((at) => at <= syncedIndex) : undefined;
    const isNeeded = (at: LogIndex): boolean => at === logStart.index || at === reached;
    const keep = this.#saved.filter((at) => isNeeded(at) || (at > logStart.index && ends.has(at)));
    return keep.length > BOUNDARIES_MAX ? keep.filter((at, i) => isNeeded(at) || i % 2 === 0) : keep;
  }

  /** The snapshot at `index` is on disk, `kept` beside it and no other. */
  saved(index: LogIndex, kept: readonly LogIndex[]): void {
    this.#saved = [...kept, index];
  }

  /** An installed snapshot is now all there is. */
  replaced(index: LogIndex): void {
    this.#saved = [index];
    this.taken(index);
  }

  /**
   * The furthest cut at or before `wanted` that leaves a snapshot on disk exactly at the new start (`records`), or at or after
   * it (`state`), whatever of the log's unsynced end a power cut takes.
   */
  cutAt(policy: CutPolicy, wanted: LogIndex): LogIndex | undefined {
    const { syncedIndex, logStart } = this.#log;
    if (policy === "state") return this.#saved.findLast((at) => at > logStart.index && at <= syncedIndex);
    // An entry beyond it is written, so all of its segment is synced, in every flush mode: the cut is exact.
    return this.#saved.findLast((at) => at <= wanted && at > logStart.index && at < syncedIndex && this.#endsSegment(at));
  }

  /** The snapshot a follower gets that needs entries the log no longer has. */
  forFollower(policy: CutPolicy): LogIndex | undefined {
    return policy === "state" ? this.#saved.at(-1) : this.#saved.find((at) => at === this.#log.logStart.index);
  }

  /** Whether a whole segment ends here. Asked with every entry, and segments may be many. */
  #endsSegment(index: LogIndex): boolean {
    const segments = this.#log.segments();
    let low = 0;
    let high = segments.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const last = segments[middle]?.last.index ?? index;
      if (last === index) return true;
      if (last < index) low = middle + 1;
      else high = middle - 1;
    }
    return false;
  }
}

/**
 * The snapshots that agree with the log as it was found, newest first: a restart begins from the first. One beyond the log's
 * end was taken before the log was on disk that far; one whose entry is another now is of an end that was lost since.
 */
export const usableSnapshots = (snapshots: readonly Snapshot[], log: PlannedLog): readonly Snapshot[] =>
  snapshots.filter(({ index, term }) => index <= log.lastIndex && log.termAt(index) === term);
