/**
 * What clients saw of a run, as plain data; `check-history.ts` judges it. The words are those of Jepsen's Kafka workload
 * (jepsen.tests.kafka): clients send unique values to partitions and poll them back with their offsets.
 */
import type { AcksName } from "../../../src/base/record-batch.js";

/** When something happened. Only the order counts, and equal moments are not ordered: simulated milliseconds will do. */
export type Moment = number;

/** What a client was told of a send. `failed`: it is certain that nothing was written. `unknown`: it may have been, and may still be. */
export type Outcome =
  | { readonly kind: "acknowledged"; readonly offset: number; readonly term: number }
  | { readonly kind: "failed" }
  | { readonly kind: "unknown" };

export interface Send {
  readonly client: string;
  /** Topic and partition, `orders/0`. A topic that was deleted and made anew is another one: give it another name. */
  readonly partition: string;
  /** Unique in the run. */
  readonly value: string;
  /** Of all that must come back unchanged: key, value, headers, timestamp. */
  readonly digest: number;
  readonly invoked: Moment;
  /** When the client was told; for an outcome that never came, infinity. */
  readonly completed: Moment;
  /** Only `quorum` promises that an acknowledged record stays. What a topic with deferred fsync acknowledges promises no more than `leader`. */
  readonly acks: AcksName;
  /** The client sent it again after an outcome that it did not know, without idempotence: more than one copy is no anomaly. */
  readonly mayRepeat?: boolean;
  /** Names one call of the client that sent several values (`sendAll`). */
  readonly call?: number;
  /** Names one record batch: its records stand side by side, or not at all. */
  readonly batch?: number;
  readonly outcome: Outcome;
}

export interface ReadRecord {
  readonly offset: number;
  /** What the record says that it is; for one that cannot be read as sent, any text. */
  readonly value: string;
  readonly digest: number;
}

/** The reader goes on from `to`: an offset, the first record kept, or somewhere at the end that it does not know. */
export interface Seek {
  readonly kind: "seek";
  readonly reader: string;
  readonly partition: string;
  readonly to: number | "earliest" | "latest";
}

/** What one poll, or one message of a subscription, brought of a partition, in the order in which the reader was given it. */
export interface Poll {
  readonly kind: "poll";
  readonly reader: string;
  readonly partition: string;
  readonly completed: Moment;
  readonly records: readonly ReadRecord[];
  /** Once its place is trimmed, the reader goes on at the end, wherever that is by then. */
  readonly leaps?: boolean;
}

/** The whole log of a partition, read when the faults had ended. */
export interface FinalRead {
  readonly partition: string;
  /** First offset kept, as the leader tells it. */
  readonly logStart: number;
  readonly records: readonly ReadRecord[];
}

/** A trim that was committed: offsets below `before` may be gone from then on. Retention trims too. */
export interface Trim {
  readonly partition: string;
  readonly before: number;
  /** When it was committed, at the latest by when anybody could notice. */
  readonly committed: Moment;
}

export interface History {
  /** Each client's in the order in which it sent them. */
  readonly sends: readonly Send[];
  /** Each reader's in the order in which it made them. A reader begins where its first poll begins, unless a seek says where. */
  readonly reads: readonly (Seek | Poll)[];
  /** One for each partition that still exists. */
  readonly finalReads: readonly FinalRead[];
  readonly trims: readonly Trim[];
  /** Partitions of topics that were deleted: nothing can be read of them at the end. */
  readonly deleted: readonly string[];
}

export type AnomalyName =
  /** Acknowledged, not there at the end, though what comes after it is. */
  | "lost-write"
  /** Acknowledged, and nobody ever read as far. */
  | "unseen"
  /** Two values at one offset. */
  | "inconsistent-offsets"
  /** One value at two offsets. */
  | "duplicate"
  /** A reader's next poll leaves out offsets that it did not ask to leave out. */
  | "poll-skip"
  /** The same within one poll. */
  | "int-poll-skip"
  /** A reader's next poll begins at or before what it was given before. */
  | "nonmonotonic-poll"
  | "int-nonmonotonic-poll"
  /** What a client sent later stands earlier. */
  | "nonmonotonic-send"
  /** The same within one call. */
  | "int-nonmonotonic-send"
  /** Records of one batch do not stand side by side. */
  | "int-send-skip"
  /** G1a: a value was read whose send failed for certain. */
  | "aborted-read"
  /** A value was read that nobody sent to this partition. */
  | "invented"
  /** A value was read with other bytes than it was sent with. */
  | "altered"
  /** A record was acknowledged at an offset that is not above all that were acknowledged before it was sent. */
  | "real-time-order"
  /** Terms fall along the log. */
  | "nonmonotonic-term"
  /** The log begins above every trim that was committed. */
  | "untrimmed-start"
  /** Offsets are dense; one is missing in the final read. */
  | "hole";

/** One anomaly as a check found it; evidence is gathered only for those that are reported. */
export interface Anomaly {
  readonly name: AnomalyName;
  readonly expected: string;
  readonly seen: string;
  readonly values: readonly string[];
  readonly offsets: readonly number[];
}
