import type { LogIndex, ReplicaId, ReplicaSetId } from "../../src/base/ids.js";
import { term } from "../../src/base/ids.js";
import type { HardState } from "../../src/consensus/types.js";
import type { ReplicaRecord, ReplicaStore, Snapshot } from "../../src/storage/replica-store.js";

/** The replica store in memory: outlives the replicas of a test as a disk would. */
export class MemoryStore implements ReplicaStore {
  readonly #records = new Map<ReplicaSetId, ReplicaId>();
  readonly #hardStates = new Map<ReplicaSetId, HardState>();
  readonly #snapshots = new Map<ReplicaSetId, Snapshot[]>();
  readonly #values = new Map<string, Buffer>();

  async replicas(): Promise<readonly ReplicaRecord[]> {
    return [...this.#records].map(([replicaSetId, replicaId]) => ({ replicaSetId, replicaId }));
  }

  async createReplica({ replicaSetId, replicaId }: ReplicaRecord, initial: Snapshot): Promise<void> {
    this.#records.set(replicaSetId, replicaId);
    this.#snapshots.set(replicaSetId, [initial]);
  }

  async removeReplica(id: ReplicaSetId): Promise<void> {
    this.#records.delete(id);
    this.#hardStates.delete(id);
    this.#snapshots.delete(id);
  }

  async hardState(id: ReplicaSetId): Promise<HardState> {
    return this.#hardStates.get(id) ?? { term: term(0), votedFor: null };
  }

  async saveHardState(id: ReplicaSetId, hardState: HardState): Promise<void> {
    this.#hardStates.set(id, hardState);
  }

  async snapshots(id: ReplicaSetId): Promise<readonly Snapshot[]> {
    return [...(this.#snapshots.get(id) ?? [])].sort((a, b) => b.index - a.index);
  }

  async saveSnapshot(id: ReplicaSetId, snapshot: Snapshot, keep: readonly LogIndex[]): Promise<void> {
    const kept = (this.#snapshots.get(id) ?? []).filter((old) => keep.includes(old.index) && old.index !== snapshot.index);
    this.#snapshots.set(id, [...kept, snapshot]);
  }

  async get(key: string): Promise<Buffer | undefined> {
    return this.#values.get(key);
  }

  async put(key: string, value: Buffer): Promise<void> {
    this.#values.set(key, value);
  }

  async close(): Promise<void> {}
}
