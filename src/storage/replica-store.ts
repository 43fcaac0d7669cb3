/**
 * What one broker keeps that is small and keyed: hard states, snapshots, replica records. One `level`
 * database per broker; many replicas' changes share one batch and one sync.
 */
import type { LogIndex, NodeId, Offset, ReplicaId, ReplicaSetId } from "../base/ids.js";
import type { HardState, SnapshotMeta } from "../consensus/types.js";

export interface Snapshot extends SnapshotMeta {
  /** The next offset at the snapshot's index. */
  readonly nextOffset: Offset;
  readonly state: Buffer;
}

/** Which replica of which set this broker runs, as it was told to; the folder of its log bears the replica id. */
export interface ReplicaRecord {
  readonly replicaSetId: ReplicaSetId;
  readonly replicaId: ReplicaId;
}

export interface ReplicaStore {
  replicas(): Promise<readonly ReplicaRecord[]>;
  /** Synced before it resolves, with the initial snapshot in one batch. */
  createReplica(record: ReplicaRecord, initial: Snapshot): Promise<void>;
  removeReplica(replicaSetId: ReplicaSetId): Promise<void>;

  hardState(replicaSetId: ReplicaSetId): Promise<HardState>;
  /** Synced before it resolves; calls made while a sync is under way share the next one. */
  saveHardState(replicaSetId: ReplicaSetId, hardState: HardState): Promise<void>;

  /** Newest first. Never empty for a created replica. */
  snapshots(replicaSetId: ReplicaSetId): Promise<readonly Snapshot[]>;
  /** Adds a snapshot; `keep` are the indexes of older ones that stay, the rest is removed in the same batch. Synced. */
  saveSnapshot(replicaSetId: ReplicaSetId, snapshot: Snapshot, keep: readonly LogIndex[]): Promise<void>;

  /** Small values of other parts (the broker's membership), synced before they resolve; undefined for what was never put. */
  get(key: string): Promise<Buffer | undefined>;
  put(key: string, value: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Opens or creates the database in a folder. @throws QuireError DATA_FOLDER_IN_USE when a process has it open */
export type OpenStore = (folder: string) => Promise<ReplicaStore>;

/** What makes a data folder this broker's; written once. */
export interface Identity {
  readonly formatVersion: number;
  readonly nodeId: NodeId;
  /** Made when the folder was first used; another one means another disk. */
  readonly incarnation: string;
  /** Absent until the broker belongs to a cluster. */
  readonly clusterId?: string;
}
