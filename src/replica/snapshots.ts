import type { LogIndex, ReplicaSetId } from "../base/ids.js";
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
  readonly failed: (error: Error) => void;
}

/** Saves, finds and installs one replica's snapshots, one write under way at a time. */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #plan: SnapshotPlan;
  /** In log order; few, since they are taken at segment ends and every so many megabytes. */
  readonly #unsynced: Snapshot[] = [];
  #saving: Promise<void> = Promise.resolve();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#plan = new SnapshotPlan(options.log, options.kept);
  }

  /** Whether one is due now that `index` was applied, `bytes` since the last call. */
  due(index: LogIndex, bytes: number): boolean {
    return this.#plan.due(index, bytes);
  }

  /**
   * Saves it as soon as the log has synced what it covers: entries commit on other disks before this one, and a
   * snapshot above what is here after a crash would stand over entries that were never written.
   */
  save(snapshot: Snapshot): void {
    if (snapshot.index > this.#options.log.syncedIndex) this.#unsynced.push(snapshot);
    else this.#save(snapshot);
  }

  /** The log is on disk through `index`. */
  synced(index: LogIndex): void {
    for (let next = this.#unsynced[0]; next !== undefined && next.index <= index; next = this.#unsynced[0]) {
      this.#unsynced.shift();
      this.#save(next);
    }
  }

  #save(snapshot: Snapshot): void {
    const { store, replicaSetId, failed } = this.#options;
    const keep = this.#plan.saving(snapshot.index);
    this.#saving = this.#saving.then(() => store.saveSnapshot(replicaSetId, snapshot, keep)).catch(failed);
  }

  settled(): Promise<void> {
    return this.#saving;
  }

  async forFollower(): Promise<Snapshot | undefined> {
    await this.#saving;
    const at = this.#plan.forFollower(this.#options.cutPolicy);
    const kept = await this.#options.store.snapshots(this.#options.replicaSetId);
    return kept.find((snapshot) => snapshot.index === at);
  }

  /** Drops whole segments at or below `wanted`; the new start, or undefined when nothing went. */
  async cut(wanted: LogIndex): Promise<LogPosition | undefined> {
    const { log, cutPolicy } = this.#options;
    await this.#saving;
    const at = this.#plan.cutAt(cutPolicy, wanted);
    if (at === undefined) return undefined;
    const before = log.logStart.index;
    const logStart = await log.dropThrough(at);
    return logStart.index === before ? undefined : logStart;
  }

  /**
   * Replaces snapshots and log. The mark makes an interrupted installation visible to the next start, which finishes
   * it: between the saved snapshot and the emptied log, neither alone would be the truth.
   */
  async install(meta: SnapshotMeta, { nextOffset, state }: SnapshotPayload): Promise<void> {
    const { store, replicaSetId, log } = this.#options;
    const mark = installingKey(replicaSetId);
    const start: LogPosition = { index: meta.index, term: meta.term };
    this.#unsynced.length = 0;
    await this.#saving;
    await store.put(mark, Buffer.from(JSON.stringify({ ...start, nextOffset })));
    await store.saveSnapshot(replicaSetId, { ...meta, nextOffset, state }, []);
    await log.reset(start, nextOffset);
    await store.put(mark, Buffer.alloc(0));
    this.#plan.replaced(meta.index);
  }
}
