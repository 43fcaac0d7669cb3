import type { LogIndex, Offset, ReplicaSetId } from "../base/ids.js";
import type { LogPosition, SnapshotMeta } from "../consensus/types.js";
import type { Log } from "../storage/log.js";
import type { ReplicaStore, Snapshot } from "../storage/replica-store.js";
import { type CutPolicy, SnapshotPlan } from "./snapshot-plan.js";
import type { SnapshotPayload } from "./types.js";

/** The mark of an installation under way; see `Snapshots.install` and `open-replica.ts`. */
export const installingKey = (replicaSetId: ReplicaSetId): string => `installing/${replicaSetId}`;

export interface SnapshotsOptions {
  readonly replicaSetId: ReplicaSetId;
  readonly log: Log;
  readonly store: ReplicaStore;
  readonly cutPolicy: CutPolicy;
  readonly kept: readonly LogIndex[];
  /** The log's beginning went, on disk. */
  readonly compacted: (logStart: LogPosition) => void;
  readonly failed: (error: Error) => void;
}

/**
 * Saves, finds and installs one replica's snapshots, and cuts the log where they allow it. One thing at a time, in the order in
 * which it was asked for: what a cut rests on is on disk before it begins, and after a failure nothing more is done.
 */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #plan: SnapshotPlan;
  #tail: Promise<unknown> = Promise.resolve();
  /** A cut that waits until the log is on disk beyond it. */
  #unsyncedCut: LogIndex | undefined;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#plan = new SnapshotPlan(options.log, options.kept);
  }

  /** Whether one is due now that `index` was applied, `bytes` since the last call. */
  due(index: LogIndex, bytes: number): boolean {
    return this.#plan.due(index, bytes);
  }

  /** Whether a snapshot at `index` would say more than the last one taken. */
  isNews(index: LogIndex): boolean {
    return this.#plan.isNews(index);
  }

  save(snapshot: Snapshot): void {
    const { store, replicaSetId, cutPolicy, failed } = this.#options;
    this.#plan.taken(snapshot.index);
    this.#inTurn(async () => {
      // A newer one that waits already says all that this one does; so a slow disk holds up few.
      if (cutPolicy === "state" && this.#plan.isOutdated(snapshot.index)) return;
      const kept = this.#plan.keptBeside(snapshot.index);
      if (kept === undefined) return;
      await store.saveSnapshot(replicaSetId, snapshot, kept);
      this.#plan.saved(snapshot.index, kept);
    }).catch(failed);
  }

  /** Resolves when everything asked for so far is done, or failed. */
  settled(): Promise<void> {
    return this.#tail.then(
      () => undefined,
      () => undefined,
    );
  }

  forFollower(): Promise<Snapshot | undefined> {
    const { store, replicaSetId, cutPolicy } = this.#options;
    return this.#inTurn(async () => {
      const at = this.#plan.forFollower(cutPolicy);
      const kept = await store.snapshots(replicaSetId);
      return kept.find((snapshot) => snapshot.index === at);
    });
  }

  /**
   * Drops the segments that hold nothing at or above `start`; the cut is each replica's own, the start is not. Asked for at every checkpoint, too: segments may hold no
   * records at all, and what consumer groups say must not fill the disk while no records come and go.
   */
  cutBefore(start: Offset, appliedIndex: LogIndex): void {
    const whole = this.#options.log.segments().findLast((segment) => segment.endOffset <= start && segment.last.index <= appliedIndex);
    if (whole !== undefined) this.#cut(whole.last.index);
  }

  /** The log is on disk through `index`. */
  synced(index: LogIndex): void {
    if (this.#unsyncedCut !== undefined && index > this.#unsyncedCut) this.#cut(this.#unsyncedCut);
  }

  #cut(wanted: LogIndex): void {
    const { log, cutPolicy, compacted, failed } = this.#options;
    this.#unsyncedCut = log.syncedIndex > wanted ? undefined : wanted;
    this.#inTurn(async () => {
      const at = this.#plan.cutAt(cutPolicy, wanted);
      const before = log.logStart.index;
      const logStart = at === undefined ? log.logStart : await log.dropThrough(at);
      return logStart.index > before ? logStart : undefined;
    }).then((logStart) => {
      if (logStart !== undefined) compacted(logStart);
    }, failed);
  }

  /**
   * Replaces snapshots and log. The mark makes an interrupted installation visible to the next start, which finishes
   * it: between the saved snapshot and the emptied log, neither alone would be the truth.
   */
  install(meta: SnapshotMeta, { nextOffset, state }: SnapshotPayload): Promise<void> {
    const { store, replicaSetId, log } = this.#options;
    const mark = installingKey(replicaSetId);
    const start: LogPosition = { index: meta.index, term: meta.term };
    return this.#inTurn(async () => {
      await store.put(mark, Buffer.from(JSON.stringify({ ...start, nextOffset })));
      await store.saveSnapshot(replicaSetId, { ...meta, nextOffset, state }, []);
      await log.reset(start, nextOffset);
      await store.put(mark, Buffer.alloc(0));
      this.#plan.replaced(meta.index);
      this.#unsyncedCut = undefined;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work);
    this.#tail = done;
    return done;
  }
}
