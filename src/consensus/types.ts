/**
 * The vocabulary of the consensus core: what it is told (events), what it asks for (effects), what replicas
 * say to each other (messages). The core is pure: `step(event)` returns effects, in the order in which they
 * must be carried out, and touches nothing else. It never looks into a payload.
 *
 * Persisting is asynchronous: an effect says what must be on disk, a later event says that it is, and what
 * depends on it (votes, acknowledgements, the leader counting itself) leaves only then.
 */
import type { EntryKindCode } from "../base/entry-kind.js";
import type { LogIndex, NodeId, ReplicaId, Term } from "../base/ids.js";

export { EntryKind, type EntryKindCode } from "../base/entry-kind.js";

/** One unit of consensus. `P` is whatever the runner needs to find or hold the bytes. */
export interface Entry<P = unknown> {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKindCode;
  /** Null in the entries that the core makes itself: no-ops, and configurations, which the runner encodes. */
  readonly payload: P | null;
  /** Present exactly when `kind` is `configuration`. */
  readonly configuration?: Configuration;
}

export interface Member {
  readonly replicaId: ReplicaId;
  readonly nodeId: NodeId;
}

/** One set of voters with its quorums: W to commit, R to elect and to read. Valid by `base/quorum`. */
export interface QuorumSet {
  readonly voters: readonly Member[];
  readonly w: number;
  readonly r: number;
}

/**
 * Who takes part. While `incoming` is present the configuration is joint: every decision needs the quorum of
 * both sets (Ongaro's dissertation, 4.3), and the leader proposes the plain incoming set once the joint one
 * has committed. Learners receive entries and count in no quorum.
 */
export interface Configuration extends QuorumSet {
  readonly learners: readonly Member[];
  readonly incoming?: QuorumSet;
  /**
   * What it was decided upon: a number that rises with whatever decides about members, so that a leader who knows less does not undo it.
   * Carried along; the core never looks at it.
   */
  readonly basis?: number;
}

/** Must be on disk before anything that depends on it is said. */
export interface HardState {
  readonly term: Term;
  readonly votedFor: ReplicaId | null;
}

/** A run of entries of one term, from `first` to the entry before the next run's first. Runs describe any log compactly. */
export interface TermRun {
  readonly term: Term;
  readonly first: LogIndex;
}

/** Where a log ends or was cut. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** A state machine's state at a log index, without the records. `state` is opaque to the core. */
export interface SnapshotMeta extends LogPosition {
  readonly configuration: Configuration;
}

/**
 * What a log that was not closed cleanly may be missing (rule 10). A replica in this condition stores entries and
 * acknowledges what its leader proved and its disk holds, but it neither stands, nor confirms reads, nor votes as if
 * its log were whole, until the core lifts the doubt: when a leader has brought it up to the leader's last entry as of
 * first contact, or when enough other voters said where their logs end and its own ends there or beyond. The argument
 * is in `doubt.ts`.
 */
export interface Doubt {
  /** `torn`: bad bytes within the last group commit. `damaged`: what had been acknowledged cannot be read. */
  readonly kind: "torn" | "damaged";
  /** The first log index that may be missing. */
  readonly from: LogIndex;
}

/** What the runner found on disk. */
export interface InitialState {
  readonly replicaId: ReplicaId;
  readonly hardState: HardState;
  /** Position just before the first entry of the log; (0, 0) for a log from the start. */
  readonly logStart: LogPosition;
  /** Last entry on disk, all of it synced; equals `logStart` for an empty log. */
  readonly lastIndex: LogIndex;
  /** Runs covering logStart.index+1 .. lastIndex; empty for an empty log. */
  readonly termRuns: readonly TermRun[];
  /** Index through which entries are known to be committed, from the last checkpoint. */
  readonly commitIndex: LogIndex;
  /** Every configuration at or after the snapshot/log start, oldest first; the last one is in force. */
  readonly configurations: readonly { readonly index: LogIndex; readonly configuration: Configuration }[];
  readonly doubt?: Doubt;
  /**
   * Of a replica set that is being begun: who shall stand first, at once; the others wait some election timeouts longer, while its broker is
   * up. Only so that its first leader is the one it is meant to have: thousands of leaderships need not be moved afterwards.
   */
  readonly standsFirst?: ReplicaId;
}

export interface CoreOptions {
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly suspicionTicks: number;
  readonly quiesceTicks: number;
  /** Append messages under way to one follower before the leader waits. */
  readonly inflightMessagesMax: number;
  /** Bytes under way to one follower before the leader waits; one message beyond an empty window may exceed it. */
  readonly inflightBytesMax: number;
  /** Uniform whole number in [0, bound); the core's only source of chance. */
  readonly random: (bound: number) => number;
}

export type Role = "follower" | "pre-candidate" | "candidate" | "leader" | "learner";

/** What replicas of one set say to each other. `term` is the sender's, except in pre-votes (the term it would stand in). */
export type Message<P = unknown> =
  | { readonly kind: "pre-vote"; readonly term: Term; readonly last: LogPosition }
  | { readonly kind: "pre-vote-reply"; readonly term: Term; readonly granted: boolean }
  | { readonly kind: "vote"; readonly term: Term; readonly last: LogPosition; readonly transfer: boolean }
  | { readonly kind: "vote-reply"; readonly term: Term; readonly granted: boolean }
  | {
      readonly kind: "append";
      readonly term: Term;
      readonly previous: LogPosition;
      readonly commit: LogIndex;
      readonly entries: readonly Entry<P>[];
      /** Read-index round and liveness: echoed in the reply. Rises within a term. */
      readonly round: number;
    }
  | {
      readonly kind: "append-reply";
      readonly term: Term;
      /** Entries through here equal the leader's and are synced (success); meaningless when rejected. */
      readonly match: LogIndex;
      /** On rejection: the `previous.index` that was refused, and where to try next (last index and term that may agree). */
      readonly rejected?: { readonly previous: LogIndex; readonly hint: LogPosition };
      readonly round: number;
    }
  | {
      readonly kind: "heartbeat";
      readonly term: Term;
      /** At most the follower's known match, so that it never commits what it does not hold. */
      readonly commit: LogIndex;
      readonly round: number;
      /** The leader goes quiet: the follower's log is complete through `commit`; stop ticking until woken. */
      readonly quiesce: boolean;
    }
  | { readonly kind: "heartbeat-reply"; readonly term: Term; readonly round: number }
  | { readonly kind: "snapshot"; readonly term: Term; readonly snapshot: SnapshotMeta; readonly state: P }
  | { readonly kind: "timeout-now"; readonly term: Term }
  /** Rule 10: a replica in doubt asks where the other logs end. `term` is one that whoever answers must have reached. */
  | { readonly kind: "tail-query"; readonly term: Term; readonly nonce: number }
  | {
      readonly kind: "tail-reply";
      readonly term: Term;
      /** The query's, a whole number below 2^31; an answer to an older query says nothing. */
      readonly nonce: number;
      /** The sender's last entry, on its disk or not. */
      readonly last: LogPosition;
      /** What the sender goes by. */
      readonly configuration: Configuration;
      /** Whether the sender is in doubt itself. */
      readonly log: "whole" | Doubt["kind"];
    };

/** Names a proposal or read between the runner and the core; unique per runner, never sent. */
export type RequestId = number;

export type Event<P = unknown> =
  | { readonly kind: "message"; readonly from: Member; readonly message: Message<P> }
  | { readonly kind: "tick" }
  | { readonly kind: "propose"; readonly id: RequestId; readonly entry: EntryKindCode; readonly payload: P }
  /** Change voters, W, R or learners. Carried out through a joint configuration unless only learners change. */
  | { readonly kind: "reconfigure"; readonly id: RequestId; readonly target: Omit<Configuration, "incoming"> }
  /** Linearizable read; needs R confirmations of a fresh round. */
  | { readonly kind: "read"; readonly id: RequestId }
  | { readonly kind: "transfer"; readonly id: RequestId; readonly to: ReplicaId }
  /** The group commit that holds this entry, and everything before it, is on disk. Never told of an entry truncated meanwhile. */
  | { readonly kind: "synced"; readonly last: LogPosition }
  | { readonly kind: "hard-state-saved"; readonly hardState: HardState }
  /**
   * The runner took entries up to `through` into a message for `to` (`bytes` of them), or could not (`through` absent).
   * `to` and `term` are the effect's.
   */
  | { readonly kind: "replicated"; readonly to: ReplicaId; readonly term: Term; readonly through?: LogIndex; readonly bytes: number }
  /** The snapshot left, or could not (`snapshot` absent). `to` and `term` are the effect's. */
  | { readonly kind: "snapshot-sent"; readonly to: ReplicaId; readonly term: Term; readonly snapshot?: LogPosition }
  | { readonly kind: "snapshot-installed"; readonly snapshot: SnapshotMeta }
  /** The runner dropped the log's beginning; the log now starts after this position. */
  | { readonly kind: "compacted"; readonly logStart: LogPosition }
  /** A broker's link broke or went silent (a hint), or came back. */
  | { readonly kind: "peer-down"; readonly nodeId: NodeId }
  | { readonly kind: "peer-up"; readonly nodeId: NodeId };

export type ProposalRefusal = "not-leader" | "transferring" | "reconfiguring" | "term-not-committed" | "invalid";

export type Effect<P = unknown> =
  /** Write and sync, then tell `hard-state-saved`. Of several under way only the newest matters. */
  | { readonly kind: "save-hard-state"; readonly hardState: HardState }
  /** Remove entries from this index on; a real conflict, never below the commit index. Comes before the `append` that replaces them. */
  | { readonly kind: "truncate"; readonly from: LogIndex }
  /** Append to the log in order; sync in group commits, then tell `synced`. */
  | { readonly kind: "append"; readonly entries: readonly Entry<P>[] }
  | { readonly kind: "send"; readonly to: Member; readonly message: Message<P> }
  /**
   * Send `to` an append with entries from `previous.index + 1`, as many as one message holds, at most through
   * `through`; then tell `replicated`. Until it has been told, the core asks no more for this follower in this term.
   */
  | {
      readonly kind: "replicate";
      readonly to: Member;
      readonly term: Term;
      readonly previous: LogPosition;
      readonly through: LogIndex;
      readonly commit: LogIndex;
      readonly round: number;
    }
  /** Send `to` the newest snapshot whose index is at or after logStart; then tell `snapshot-sent`. */
  | { readonly kind: "send-snapshot"; readonly to: Member; readonly term: Term }
  /** Replace log and state by the snapshot, synced, then tell `snapshot-installed`. */
  | { readonly kind: "install-snapshot"; readonly from: Member; readonly snapshot: SnapshotMeta; readonly state: P }
  /** Everything through here is committed; apply in order what was not. */
  | { readonly kind: "apply"; readonly through: LogIndex }
  | { readonly kind: "accepted"; readonly id: RequestId; readonly at: LogPosition }
  | { readonly kind: "refused"; readonly id: RequestId; readonly why: ProposalRefusal }
  /** Reads may be answered from state applied through `index`. */
  | { readonly kind: "read-ready"; readonly id: RequestId; readonly index: LogIndex }
  | { readonly kind: "read-failed"; readonly id: RequestId }
  | { readonly kind: "transfer-ended"; readonly id: RequestId; readonly done: boolean }
  /** Role, term or leader changed. `leader` is null while unknown. */
  | { readonly kind: "role"; readonly role: Role; readonly term: Term; readonly leader: Member | null }
  /** The configuration in force changed (appended, truncated or installed); it may not be committed yet. */
  | { readonly kind: "configuration"; readonly configuration: Configuration; readonly committed: boolean }
  /** Start or stop sending `tick`; idle replica sets cost nothing. */
  | { readonly kind: "ticking"; readonly needed: boolean }
  /** The doubt is over: the log is whole again. Forget the mark on disk. */
  | { readonly kind: "doubt-lifted" };
