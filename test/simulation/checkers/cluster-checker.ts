/**
 * The partition checkers of a whole cluster, fed from real replicas: their logs' methods are wrapped, so that every entry is told of once,
 * and a look compares a few numbers. Whoever runs the cluster calls `look` after each event, for the replicas that it may have changed,
 * and tells of what cannot be seen in a replica: messages, hard states, crashes, acknowledgements, syncs of the disk.
 */
import { type LogIndex, logIndex, type NodeId, type ReplicaSetId, term } from "../../../src/base/ids.js";
import type { HardState, LogPosition } from "../../../src/consensus/types.js";
import type { LocalReplica } from "../../../src/replica/replica.js";
import type { ReplicaEnvelope } from "../../../src/replica/types.js";
import type { Acknowledgement } from "./observations.js";
import { PartitionChecker } from "./partition-checker.js";
import { watchLog } from "./real-replica.js";
import type { RecordOptions } from "./replica-set-record.js";
import type { Violation } from "./violation.js";

export interface ClusterCheckerOptions {
  readonly now: () => number;
  readonly partition: (id: ReplicaSetId) => Omit<RecordOptions, "now">;
  /** Who says what is on disk: the log under test, or a disk that calls `synced`. */
  readonly syncedBy: "log" | "disk";
  /** Whether `saved` is called for every hard state that reached a disk. */
  readonly hearsHardStates: boolean;
}

/** A replica that runs, or ran last, on a broker. */
interface Watched {
  readonly replica: LocalReplica;
  readonly checker: PartitionChecker;
  syncedIndex: LogIndex;
  isUp: boolean;
}

const keyOf = (nodeId: NodeId, replicaSetId: ReplicaSetId): string => `${nodeId}/${replicaSetId}`;

export class ClusterChecker {
  readonly checkers = new Map<ReplicaSetId, PartitionChecker>();
  readonly #options: ClusterCheckerOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: ClusterCheckerOptions) {
    this.#options = options;
  }

  /** The first of any replica set. */
  get violation(): Violation | undefined {
    for (const { violation } of this.checkers.values()) if (violation !== undefined) return violation;
    return undefined;
  }

  /** Looks at a broker's replica. One that it did not know, because its process or its log began anew, begins here. */
  look(nodeId: NodeId, replica: LocalReplica): void {
    const key = keyOf(nodeId, replica.replicaSetId);
    const known = this.#watched.get(key);
    if (known?.replica === replica) {
      this.#look(known);
      return;
    }
    if (known !== undefined) known.isUp = false;
    if (known !== undefined && known.replica.replicaId !== replica.replicaId) known.checker.forgets(known.replica.replicaId);
    const watched: Watched = { replica, checker: this.#checkerOf(replica.replicaSetId), syncedIndex: logIndex(0), isUp: true };
    this.#watched.set(key, watched);
    this.#begin(watched, known === undefined);
    this.#look(watched);
  }

  /** A broker's process is gone. */
  ended(nodeId: NodeId): void {
    for (const watched of this.#of(nodeId)) {
      watched.isUp = false;
      watched.checker.ends(watched.replica.replicaId);
    }
  }

  /** A broker's replica was removed, or its disk was wiped or put back: what it promised is void. */
  forgets(nodeId: NodeId, replicaSetId?: ReplicaSetId): void {
    for (const [key, { replica, checker }] of [...this.#watched]) {
      if (!key.startsWith(`${nodeId}/`) || (replicaSetId !== undefined && replica.replicaSetId !== replicaSetId)) continue;
      this.#watched.delete(key);
      checker.forgets(replica.replicaId);
    }
  }

  /** A replica's message leaves a broker. */
  sent(nodeId: NodeId, envelope: ReplicaEnvelope): void {
    const watched = this.#watched.get(keyOf(nodeId, envelope.replicaSetId));
    if (watched === undefined || watched.replica.replicaId !== envelope.from) return;
    this.#tellSynced(watched);
    watched.checker.says(envelope.from, envelope.to, envelope.message);
  }

  /** A hard state is on a broker's disk, whether its process lives or not. */
  saved(nodeId: NodeId, replicaSetId: ReplicaSetId, hardState: HardState): void {
    const watched = this.#watched.get(keyOf(nodeId, replicaSetId));
    watched?.checker.saved(watched.replica.replicaId, hardState);
  }

  /** A broker's disk holds the log through here. */
  synced(nodeId: NodeId, replicaSetId: ReplicaSetId, through: LogPosition): void {
    const watched = this.#watched.get(keyOf(nodeId, replicaSetId));
    watched?.checker.synced(watched.replica.replicaId, through);
  }

  /** These are the snapshots on a broker's disk, by log index. */
  keeps(nodeId: NodeId, replicaSetId: ReplicaSetId, snapshots: readonly LogIndex[]): void {
    const watched = this.#watched.get(keyOf(nodeId, replicaSetId));
    watched?.checker.keeps(watched.replica.replicaId, snapshots);
  }

  /** A batch was acknowledged with acks=quorum. */
  acknowledged(replicaSetId: ReplicaSetId, acknowledgement: Acknowledgement): void {
    this.#lookAll(replicaSetId);
    this.#checkerOf(replicaSetId).acknowledged(acknowledgement);
  }

  #begin(watched: Watched, isFirst: boolean): void {
    const { replica, checker } = watched;
    const { replicaId: id, log } = replica;
    const isNew = isFirst && this.#options.hearsHardStates && replica.term === 0;
    checker.begins(id, {
      start: log.logStart,
      lastIndex: log.lastIndex,
      termRuns: log.termRuns,
      isInDoubt: log.doubt !== undefined,
      ...(isNew && { hardState: { term: term(0), votedFor: null } }),
    });
    watchLog(log, {
      id,
      checker,
      isOn: () => watched.isUp,
      isLeader: () => replica.role === "leader",
      look: () => this.#lookAll(replica.replicaSetId),
    });
  }

  #look(watched: Watched): void {
    if (!watched.isUp) return;
    this.#tellSynced(watched);
    watched.checker.look(watched.replica);
  }

  #tellSynced(watched: Watched): void {
    const { log, replicaId } = watched.replica;
    const { syncedIndex } = log;
    if (this.#options.syncedBy === "disk" || syncedIndex === watched.syncedIndex) return;
    watched.syncedIndex = syncedIndex;
    watched.checker.synced(replicaId, { index: syncedIndex, term: log.termAt(syncedIndex) ?? term(0) });
  }

  #lookAll(replicaSetId: ReplicaSetId): void {
    for (const watched of this.#watched.values()) if (watched.replica.replicaSetId === replicaSetId) this.#look(watched);
  }

  *#of(nodeId: NodeId): Iterable<Watched> {
    for (const [key, watched] of this.#watched) if (key.startsWith(`${nodeId}/`)) yield watched;
  }

  #checkerOf(id: ReplicaSetId): PartitionChecker {
    const known = this.checkers.get(id);
    if (known !== undefined) return known;
    const checker = new PartitionChecker({ ...this.#options.partition(id), now: this.#options.now });
    this.checkers.set(id, checker);
    return checker;
  }
}
