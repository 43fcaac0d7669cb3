/** What the partition checker is told: plain data, so that a simulation, a real replica or a test by hand can tell it. */
import type { EntryKindCode } from "../../../src/base/entry-kind.js";
import type { LogIndex, Offset, ReplicaId, Term } from "../../../src/base/ids.js";
import type { Configuration, HardState, LogPosition, Role, TermRun } from "../../../src/consensus/types.js";

export interface EntryFacts extends LogPosition {
  readonly kind: EntryKindCode;
  readonly baseOffset: Offset;
  /** Just past its last record. */
  readonly endOffset: Offset;
  /** Of everything that all replicas must hold alike. */
  readonly digest: number;
  /** Of what the producer sent: what an acknowledgement is compared with. */
  readonly bodyCrc32: number;
  /** Of a trim: offsets below may go once it is committed. */
  readonly trimsBefore?: Offset | undefined;
  /** Of records with a sequence: whose they are. */
  readonly producer?: { readonly id: number; readonly epoch: number; readonly baseSequence: number } | undefined;
  /** Of a `producers` entry: ids of those that the partition forgets. */
  readonly forgets?: readonly number[] | undefined;
}

/** A replica between two events. `Replica` of `src/replica/types.ts` is one. */
export interface ReplicaView {
  readonly replicaId: ReplicaId;
  readonly role: Role;
  readonly term: Term;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly highWatermark: Offset;
  readonly serving: boolean;
  readonly configuration: Configuration;
  matchOf(replica: ReplicaId): LogIndex | undefined;
}

/** A replica as a process found it on its disk. */
export interface FoundReplica {
  readonly start: LogPosition;
  readonly lastIndex: LogIndex;
  readonly termRuns: readonly TermRun[];
  /** The log says itself that something may be missing (rule 10). */
  readonly isInDoubt: boolean;
  readonly hardState?: HardState;
  /** Log indexes of the snapshots on disk: one may have been saved by a process that died before it could tell. */
  readonly snapshots?: readonly LogIndex[];
}

/** An acknowledgement with acks=quorum, as it left a broker: of a whole batch. */
export interface Acknowledgement {
  readonly baseOffset: Offset;
  readonly term: Term;
  /** Of the batch's body, as it was sent; left out where it is not known. */
  readonly bodyCrc32?: number;
}

/** A replica that may have come to rest. */
export interface RestingReplica extends ReplicaView {
  readonly lastIndex: LogIndex;
  readonly isInDoubt: boolean;
  readonly failure: Error | undefined;
}

/** A replica when the faults have ended and everything had time: its log as its disk gives it. */
export interface FinalReplica extends RestingReplica {
  readonly start: LogPosition;
  /** All of them, in order, read anew, their checksums computed from the bytes. */
  readonly entries: readonly EntryFacts[];
}
