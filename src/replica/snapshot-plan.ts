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

/**
 * Decides which snapshots to take and keep. Pure bookkeeping: the replica takes and saves them.
 *
 * Three kinds are kept: the one at the log's start (what a follower that is further behind gets), those at the ends
 * of whole segments (where the log may be cut), and the newest (where a restart begins).
 */
export class SnapshotPlan {
  readonly #log: Log;
  #boundaries: LogIndex[];
  #nextBoundary: LogIndex | undefined;
  #segmentsSeen = -1;
  #bytesSince = 0;

  constructor(log: Log, kept: readonly LogIndex[]) {
    this.#log = log;
    this.#boundaries = [...kept].sort((a, b) => a - b);
  }

  /** Whether a snapshot is due now that `index` was applied, `bytes` since the last call. */
  due(index: LogIndex, bytes: number): boolean {
    this.#bytesSince += bytes;
    const segments = this.#log.segments();
    if (segments.length !== this.#segmentsSeen) {
      this.#segmentsSeen = segments.length;
      this.#nextBoundary = segments.find((segment) => segment.last.index >= index)?.last.index;
    }
    if (index === this.#nextBoundary) {
      this.#nextBoundary = segments.find((segment) => segment.last.index > index)?.last.index;
      return true;
    }
    return this.#bytesSince >= CHECKPOINT_BYTES && index <= this.#log.syncedIndex;
  }

  /** A snapshot at `index` is being saved: which older ones stay. */
  saving(index: LogIndex): readonly LogIndex[] {
    this.#bytesSince = 0;
    const ends = new Set<LogIndex>(this.#log.segments().map((segment) => segment.last.index));
    const start = this.#log.logStart.index;
    let keep = this.#boundaries.filter((at) => at === start || (at > start && at < index && ends.has(at)));
    if (keep.length > BOUNDARIES_MAX) keep = keep.filter((at, i) => at === start || i % 2 === 0);
    this.#boundaries = [...keep, index];
    return keep;
  }

  /** An installed snapshot is now all there is. */
  replaced(index: LogIndex): void {
    this.#boundaries = [index];
    this.#nextBoundary = undefined;
    this.#segmentsSeen = -1;
    this.#bytesSince = 0;
  }

  /** The furthest cut at or before `wanted` that leaves a snapshot at the new start. */
  cutAt(policy: CutPolicy, wanted: LogIndex): LogIndex | undefined {
    const newest = this.#boundaries.at(-1);
    if (policy === "state") return newest === undefined || newest <= this.#log.logStart.index ? undefined : newest;
    return this.#boundaries.findLast((at) => at <= wanted && at > this.#log.logStart.index);
  }

  /** The snapshot a follower gets that needs entries the log no longer has. */
  forFollower(policy: CutPolicy): LogIndex | undefined {
    return policy === "state" ? this.#boundaries.at(-1) : this.#boundaries.find((at) => at === this.#log.logStart.index);
  }
}

/** Which snapshot a restart begins from: the newest that stands on an entry of the log, or on its start. */
export const startingSnapshot = (snapshots: readonly Snapshot[], log: Pick<Log, "termAt">): Snapshot | undefined =>
  snapshots.find((snapshot) => log.termAt(snapshot.index) === snapshot.term);
