/**
 * The ports of a replica: what the data plane (broker/) and the control plane (cluster/) may ask of one, what it
 * asks of its state machine, and how it talks to other brokers. `replica.ts` implements the first, `broker/` and
 * `cluster/` the second, `rpc/` the third.
 */
import type { LogIndex, NodeId, Offset, ReplicaId, ReplicaSetId, Term } from "../base/ids.js";
import type { RecordBatchHeader } from "../base/record-batch.js";
import type { Configuration, EntryKindCode, Member, Message, QuorumSet, Role, SnapshotMeta } from "../consensus/types.js";
import type { Frame, Log, LogSettings, ReadDetail } from "../storage/log.js";
import type { ReplicaRecord } from "../storage/replica-store.js";

/** What is proposed: a kind, a body, and for records the batch header. */
export interface Proposal {
  readonly kind: EntryKindCode;
  readonly batch?: RecordBatchHeader;
  readonly body: Buffer;
}

/** Where a proposal stands in the log. */
export interface Placed {
  readonly index: LogIndex;
  readonly term: Term;
  readonly baseOffset: Offset;
}
export interface Committed extends Placed {
  /** Voters known to have it on disk at this moment, the leader included. */
  readonly replicasOnDisk: number;
}

/** Applied in log order, exactly once per index between snapshots. Deterministic. */
export interface StateMachine {
  /** What `apply` looks at. */
  readonly detail: ReadDetail;
  /** Called for every committed entry, in order. */
  apply(frame: Frame): void;
  snapshot(): Buffer;
  /** The snapshot of the state before any entry, whatever this machine applied since. */
  blank(): Buffer;
  /** Replaces the state. */
  restore(state: Buffer): void;
  /** First offset readers may ask for, where the state has one (partitions: moved by `trim` entries). */
  logStartOffset?(): Offset;
}

export interface LeaderHint {
  readonly nodeId: NodeId;
  readonly term: Term;
}

/** One replica, as the rest of the broker sees it. Every refusal is a QuireError. */
export interface Replica {
  readonly replicaSetId: ReplicaSetId;
  readonly replicaId: ReplicaId;
  readonly role: Role;
  readonly term: Term;
  readonly leader: LeaderHint | null;
  readonly configuration: Configuration;
  /** Whether this replica leads and an entry of its own term has committed and was applied: only then may it serve. */
  readonly serving: boolean;
  /**
   * Whether the state applied here includes everything that was committed when this replica first heard its leader. After a restart, and all the
   * more after damage, it is older for a while, and what it lacks says nothing.
   */
  readonly current: boolean;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  /** Offset just past the last committed record. Never goes back. */
  readonly highWatermark: Offset;
  /** First offset readers may ask for. */
  readonly logStartOffset: Offset;
  readonly log: Pick<
    Log,
    "logStart" | "startOffset" | "endOffset" | "bytes" | "lastIndex" | "syncedIndex" | "segments" | "readCached" | "read" | "indexOfOffset" | "findTimestamp"
  >;
  /** Why the replica stopped for good (a failed sync, say); undefined while it works. */
  readonly failure: Error | undefined;

  /**
   * Proposes; `done` is called once, when it has committed and was applied, or with the reason why not:
   * NOT_LEADER, LEADER_UNKNOWN, NOT_READY (nothing was appended) or WRITE_OUTCOME_UNKNOWN. `placed`, if given, is
   * called synchronously when the leader gave it a place, and `onDisk` when it is synced here (acks=leader).
   */
  propose(proposal: Proposal, done: (outcome: Committed | Error) => void, options?: { placed?: (at: Placed) => void; onDisk?: (at: Placed) => void }): void;

  /** A linearizable read point: resolves when state applied here includes everything acknowledged before the call. */
  readIndex(): Promise<LogIndex>;
  /** Last entry known to be on disk at another replica of the set; undefined unless this one leads. */
  matchOf(replica: ReplicaId): LogIndex | undefined;
  reconfigure(target: Omit<Configuration, "incoming">): Promise<void>;
  transfer(to: ReplicaId): Promise<boolean>;
  /** Calls back on each change of high watermark, role, leader or log start, until the returned function is called. */
  watch(changed: () => void): () => void;
}

/** All replicas of this broker, as the control plane manages them. `host.ts` implements it. */
export interface ReplicaHost {
  get(id: ReplicaSetId): Replica | undefined;
  all(): Iterable<Replica>;
  /** Opens the replica, or creates it at log position (0, 0) with `initial` in force; the host picks the state machine. Idempotent. */
  start(spec: ReplicaSpec): Promise<Replica>;
  update(id: ReplicaSetId, logSettings: LogSettings): void;
  /** Stops the replica and deletes its data. */
  remove(id: ReplicaSetId): Promise<void>;
}

export interface ReplicaSpec {
  readonly replicaSetId: ReplicaSetId;
  readonly replicaId: ReplicaId;
  /** The set's very first configuration, for ever the same. */
  readonly initial: Configuration;
  readonly logSettings: LogSettings;
}

/** Links to the other brokers, as replicas see them. Sending never blocks and may lose: consensus repeats. */
export interface Peers {
  /** False when the message was dropped at once: no link, or its queue is full. */
  send(to: NodeId, envelope: ReplicaEnvelope): boolean;
  /** Bytes waiting for this peer on the bulk link; infinity while there is none, so that nothing is read for whoever cannot take it. */
  queuedBytes(to: NodeId): number;
  /** False while that broker's disk has no room for records; other entries it takes. */
  takesRecords(to: NodeId): boolean;
}

/** One message of one replica set. Entries' payloads are frames; a snapshot's is its state. */
export interface ReplicaEnvelope {
  readonly replicaSetId: ReplicaSetId;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly message: Message<Payload>;
}
/** For entries a frame; for snapshots the state and next offset. */
export type Payload = Frame | SnapshotPayload | Proposal;
export interface SnapshotPayload {
  readonly nextOffset: Offset;
  readonly state: Buffer;
}

/** What the peer links tell the replicas. */
export interface PeerEvents {
  onMessage(from: NodeId, envelope: ReplicaEnvelope): void;
  /** Both links stand and the handshake matched. */
  onPeerUp(nodeId: NodeId, incarnation: string): void;
  /** `closed`: the connection broke, so its process may be gone. `silent`: nothing came for an election timeout. */
  onPeerDown(nodeId: NodeId, why: "closed" | "silent"): void;
}

export { EntryKind } from "../consensus/types.js";
/** What users of these ports need besides; they may not import the folders below. */
export type { Configuration, Frame, LogSettings, Member, QuorumSet, ReadDetail, ReplicaRecord, SnapshotMeta };
