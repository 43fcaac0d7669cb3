/**
 * The data plane's verbs, as the gRPC edges call them: local only. An edge that gets NOT_LEADER or LEADER_UNKNOWN
 * for a request that may be forwarded forwards it. Every refusal is a QuireError.
 */
import type { NodeId, Offset, Term } from "../base/ids.js";
import type { AcksName, RecordBatchHeader } from "../base/record-batch.js";
import type { TopicPartition } from "../cluster/view.js";
import type { Frame } from "../storage/log.js";
import type { ProgressPlane } from "./progress-types.js";

/** A batch as a client offers it, unchecked. What was left out is filled in at admission. */
export interface OfferedBatch extends Omit<RecordBatchHeader, "compression" | "crc32"> {
  readonly compression: number;
  /** Undefined: the broker computes it. */
  readonly crc32: number | undefined;
  readonly body: Buffer;
}

export interface ProduceRequest extends TopicPartition {
  readonly acks: AcksName;
  /** From admission to outcome; after it the outcome is WRITE_OUTCOME_UNKNOWN. */
  readonly timeoutMs: number;
  /** Refuse with STALE_TERM unless the leader's term is this one: what it follows was taken in it. */
  readonly ifTerm?: Term;
  readonly batch: OfferedBatch;
}

export interface ProduceResult {
  /** -1 for acks=none. */
  readonly baseOffset: Offset;
  readonly term: Term;
  /** 0 for acks=none. */
  readonly replicasOnDisk: number;
}

export interface FetchRequest extends TopicPartition {
  readonly offset: Offset;
  /** With the batches' headers. Always at least one batch, even when larger. */
  readonly bytesMax: number;
  /** Wait until this many bytes are there, at most `waitMsMax`. */
  readonly bytesMin: number;
  readonly waitMsMax: number;
}

export interface FetchResult {
  /** Record batches only, in offset order; the first may begin before the offset asked for. */
  readonly frames: readonly Frame[];
  readonly highWatermark: Offset;
  readonly logStartOffset: Offset;
  /** Where to fetch next. */
  readonly nextOffset: Offset;
  readonly leader: { readonly nodeId: NodeId; readonly term: Term };
}

export type Position =
  | { readonly kind: "earliest" }
  | { readonly kind: "latest" }
  | { readonly kind: "offset"; readonly offset: Offset }
  | { readonly kind: "timestamp"; readonly timestampMs: number };

/** Reads one partition from an offset on, forever: for Subscribe. Pull until `undefined`, then wait for `ready`. */
export interface PartitionReader {
  readonly position: Offset;
  readonly highWatermark: Offset;
  /** Next batches, at most `bytesMax` (at least one batch), or undefined when caught up. One call at a time. */
  next(bytesMax: number): Promise<FetchResult | undefined>;
  seek(offset: Offset): void;
  /** `ready` is called once after each `undefined` when there may be more, or when this broker no longer leads (next() then throws NOT_LEADER). */
  onReady(ready: () => void): void;
  close(): void;
}

export interface DataPlane extends ProgressPlane {
  /** `done` is called exactly once, perhaps before `produce` returns. Admission (size, checksum, leadership, memory) is checked before anything is appended. Returns the term in which it was appended, undefined if it was not. */
  produce(request: ProduceRequest, done: (outcome: ProduceResult | Error) => void): Term | undefined;
  /** Bytes admitted and not yet answered on this broker; above `inflightBytesMax` edges stop reading their streams. */
  readonly inflightBytes: number;
  readonly inflightBytesMax: number;
  /** Calls back once, first come first served, when `inflightBytes` is below the limit; the returned function takes it back. */
  onDrain(run: () => void): () => void;
  fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchResult>;
  /** @throws QuireError when this broker cannot read the partition now */
  reader(at: TopicPartition, start: Offset): PartitionReader;
  /** Linearizable for `latest`: needs a round confirmed by R replicas. */
  listOffset(at: TopicPartition, position: Position): Promise<{ offset: Offset; timestampMs: number | undefined; term: Term }>;
  /** Proposes a new log start; resolves with it when applied. */
  trim(at: TopicPartition, before: Offset): Promise<Offset>;
}

export type { Frame };
