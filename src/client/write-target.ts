/** What the producer knows of one partition that it writes to, and of one broker. */
import type { QuireError } from "../base/errors.js";
import type { Lane } from "./lane.js";
import type { OutgoingBatch } from "./outgoing-batch.js";
import type { ProduceStream } from "./produce-stream.js";
import type { Sequence } from "./sequence.js";

/** One partition being written to. */
export interface WriteTarget {
  readonly topic: string;
  readonly partition: number;
  readonly lane: Lane<OutgoingBatch>;
  readonly sequence: Sequence;
  /** Where the batches in flight went. */
  link: BrokerLink | undefined;
  /** The leader that was tried last, and its term. */
  triedNodeId: number;
  triedTerm: number;
  /** Since when another leader is known while batches are in flight to the old one; 0 for never. */
  movedMs: number;
  /** Since when no leader was heard that takes records, or says why not; 0 while one is, or nothing waits. */
  leaderlessMs: number;
}

export interface AppendLimits {
  /** When the user sent it, monotonic: its deadline counts from there. */
  readonly sentMs: number;
  /** The record's size once encoded, not underestimated. */
  readonly bytesAtMost: number;
  /** Largest batch that the topic takes. */
  readonly batchBytesMax: number;
  /** How long a batch that it begins waits for more although nothing is under way. */
  readonly lingerMs: number;
  /** Those after it go elsewhere: the batch that it is in need not wait for more. */
  readonly isLast: boolean;
}

export interface Attempt {
  readonly target: WriteTarget;
  readonly batch: OutgoingBatch;
}

/** A stream and how it fares. */
export interface BrokerLink {
  readonly nodeId: number;
  readonly stream: ProduceStream<Attempt>;
  failures: number;
  /** Not opened again before then. */
  resumeMs: number;
  lastError: QuireError | undefined;
  suspectedMs: number;
}
