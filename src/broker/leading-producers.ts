import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { Term } from "../base/ids.js";
import { limits } from "../base/limits.js";
import { encodeProducersEntry } from "../base/producers-entry.js";
import type { RecordBatchHeader } from "../base/record-batch.js";
import { type Committed, EntryKind, type Replica } from "../replica/types.js";
import { type ProducerState, type ProducerTable, sequenceAfter, type WrittenBatch } from "./producer-table.js";

type Outcome = Committed | Error;

/** A batch that this leader proposed and that was not applied yet. */
export interface PendingBatch {
  readonly producerId: number;
  readonly epoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  /** Whether it has its place in the log. */
  isPlaced: boolean;
  /** Retries of it, which get its outcome. */
  readonly followers: ((outcome: Outcome) => void)[];
}

/** What is to be done with a batch of an idempotent producer. */
export type Admission =
  /** Propose it, between `begin` and `settled`. */
  | { readonly kind: "next" }
  /** A retry of one that is under way. */
  | { readonly kind: "pending"; readonly original: PendingBatch }
  /** A retry of one that is committed. */
  | { readonly kind: "written"; readonly original: WrittenBatch };

export interface LeadingProducersOptions {
  /** Where the partition is, for messages. */
  readonly name: string;
  readonly replica: Pick<Replica, "propose" | "term">;
  /** As applied on this replica. */
  readonly table: ProducerTable;
  readonly producersMax: number;
  /** First epoch of a named producer's newest life, as this broker knows; undefined for one without a name. */
  readonly epochOf: (producerId: number) => number | undefined;
  readonly wallMs: () => number;
}

/**
 * Decides for one partition, while this broker leads it in one term, what becomes of the batches of idempotent producers: from what is
 * applied, and what this leader has proposed since. There is nothing else: a leader serves once an entry of its own term is applied, and with it
 * everything that any leader before it could have got committed. So one entry per producer, epoch and sequence is ever committed, and a retry
 * gets the offset of the original.
 *
 * After Kafka's idempotent producer (KIP-98, KIP-360).
 */
export class LeadingProducers {
  readonly term: Term;
  readonly #options: LeadingProducersOptions;
  /** Oldest first, without a gap within an epoch; of one producer it may be empty: a map whose only entry comes and goes is made anew each time. */
  readonly #pending = new Map<number, PendingBatch[]>();
  /** Proposed to be forgotten, and not applied yet. */
  readonly #leaving = new Set<number>();

  constructor(options: LeadingProducersOptions) {
    this.#options = options;
    this.term = options.replica.term;
  }

  /** @throws QuireError PRODUCER_FENCED, OUT_OF_ORDER_SEQUENCE, DUPLICATE_SEQUENCE, INVALID_FIELD, NOT_READY; nothing was appended */
  admit(batch: RecordBatchHeader): Admission {
    const { producerId, producerEpoch: epoch } = batch;
    const known = this.#options.table.get(producerId);
    const pending = this.#pending.get(producerId)?.at(-1);
    const current = pending?.epoch ?? known?.epoch;
    const named = this.#options.epochOf(producerId) ?? 0;
    if (epoch < Math.max(named, current ?? 0)) throw this.#fenced(batch, Math.max(named, current ?? 0));
    const written = known?.epoch === epoch ? known : undefined;
    const last = pending?.epoch === epoch ? pending : written?.batches.at(-1);
    const next = last === undefined ? 0 : sequenceAfter(last);
    if (batch.baseSequence > next) throw this.#gap(batch, next);
    if (batch.baseSequence < next) return this.#repeated(batch, written);
    // Rare: proposed from within another proposal. Were it refused after all, what follows it would leave a gap.
    if (pending?.isPlaced === false) throw this.#notYet(batch);
    return { kind: "next" };
  }

  /** What was admitted as next is about to be proposed. */
  begin({ producerId, producerEpoch, baseSequence, recordCount }: RecordBatchHeader): PendingBatch {
    const isNew = this.#options.table.get(producerId) === undefined && !this.#isPending(producerId);
    if (isNew) this.#makeRoom();
    const begun: PendingBatch = { producerId, epoch: producerEpoch, baseSequence, recordCount, isPlaced: false, followers: [] };
    const batches = this.#pending.get(producerId);
    if (batches === undefined) this.#pending.set(producerId, [begun]);
    else batches.push(begun);
    return begun;
  }

  /** The outcome of what was begun. */
  settled(pending: PendingBatch, outcome: Outcome): void {
    const batches = this.#pending.get(pending.producerId);
    const at = batches?.indexOf(pending) ?? -1;
    assert(batches !== undefined && at >= 0, "a batch is settled once");
    batches.splice(at, 1);
    if (batches.length === 0 && this.#pending.size > 1) this.#pending.delete(pending.producerId);
    for (const tell of pending.followers) tell(outcome);
  }

  /**
   * Tells time to the partition if it is time for that, and forgets who was idle for longer than `expireMs`. Idleness is counted from the first
   * time that was told after the last batch, so nobody is forgotten too early.
   */
  tellTime(expireMs: number): void {
    const { table, wallMs } = this.#options;
    const nowMs = wallMs();
    const expired: number[] = [];
    let isAnyFresh = false;
    for (const [id, { idleSinceMs }] of table.entries()) {
      if (idleSinceMs === 0) isAnyFresh = true;
      else if (idleSinceMs + expireMs <= nowMs && this.#mayLeave(id)) expired.push(id);
    }
    const isTime = isAnyFresh && table.toldMs + expireMs / TIMES_TOLD <= nowMs;
    if (isTime || expired.length > 0) this.#propose(nowMs, expired.slice(0, FORGOTTEN_AT_ONCE));
  }

  /** A partition remembers so many producers; for one more, those idle longest are forgotten, some at a time. */
  #makeRoom(): void {
    const { table, producersMax, wallMs } = this.#options;
    let newcomers = 0;
    for (const [id, { length }] of this.#pending) if (length > 0 && table.get(id) === undefined) newcomers += 1;
    if (table.size + newcomers - this.#leaving.size < producersMax) return;
    const forgotten: number[] = [];
    const wanted = Math.min(FORGOTTEN_AT_ONCE, Math.ceil(producersMax / 64));
    for (const [id] of table.entries()) {
      if (forgotten.length === wanted) break;
      if (this.#mayLeave(id)) forgotten.push(id);
    }
    if (forgotten.length > 0) this.#propose(wallMs(), forgotten);
  }

  #mayLeave(id: number): boolean {
    return !this.#isPending(id) && !this.#leaving.has(id);
  }

  #isPending(id: number): boolean {
    return (this.#pending.get(id)?.length ?? 0) > 0;
  }

  #propose(nowMs: number, forgotten: readonly number[]): void {
    for (const id of forgotten) this.#leaving.add(id);
    this.#options.replica.propose({ kind: EntryKind.producers, body: encodeProducersEntry({ nowMs, forgotten }) }, () => {
      for (const id of forgotten) this.#leaving.delete(id);
    });
  }

  #repeated(batch: RecordBatchHeader, written: ProducerState | undefined): Admission {
    const isSame = (other: Pick<WrittenBatch, "baseSequence" | "recordCount">): boolean =>
      other.baseSequence === batch.baseSequence && other.recordCount === batch.recordCount;
    const pending = (this.#pending.get(batch.producerId) ?? []).filter(({ epoch }) => epoch === batch.producerEpoch);
    const underWay = pending.find(isSame);
    if (underWay !== undefined) return { kind: "pending", original: underWay };
    const there = written?.batches.find(isSame);
    if (there !== undefined) return { kind: "written", original: there };
    const oldest = written?.batches[0] ?? pending[0];
    if (oldest !== undefined && sequenceAfter(batch) <= oldest.baseSequence) throw this.#forgotten(batch, oldest.baseSequence);
    throw this.#different(batch);
  }

  #fenced(batch: RecordBatchHeader, current: number): QuireError {
    return this.#refusal(
      "PRODUCER_FENCED",
      batch,
      `its epoch is now ${current}: the same producer was begun again elsewhere, and this one may write no more. Begin again to take over`,
      {
        currentEpoch: current,
      },
    );
  }

  #gap(batch: RecordBatchHeader, next: number): QuireError {
    const why = `the next is ${next}; a batch before it is missing, or the producer was idle for so long that it was forgotten. Begin a new epoch at sequence 0`;
    return this.#refusal("OUT_OF_ORDER_SEQUENCE", batch, why, { nextSequence: next });
  }

  #forgotten(batch: RecordBatchHeader, oldest: number): QuireError {
    const why = `it was written before, and so long ago that its offset is not remembered: the last ${limits.producerBatchesKept} batches are, from sequence ${oldest} on`;
    return this.#refusal("DUPLICATE_SEQUENCE", batch, why, { oldestSequence: oldest });
  }

  #different(batch: RecordBatchHeader): QuireError {
    return this.#refusal(
      "INVALID_FIELD",
      batch,
      "another batch was written with some of these sequences; a retry carries the same records, in the same batch",
      {},
    );
  }

  #notYet(batch: RecordBatchHeader): QuireError {
    return this.#refusal("NOT_READY", batch, "the batch before it has no place in the log yet; try again in a moment", {}, 5);
  }

  #refusal(
    reason: "PRODUCER_FENCED" | "OUT_OF_ORDER_SEQUENCE" | "DUPLICATE_SEQUENCE" | "INVALID_FIELD" | "NOT_READY",
    { producerId, producerEpoch, baseSequence, recordCount }: RecordBatchHeader,
    why: string,
    details: Readonly<Record<string, number>>,
    retryAfterMs?: number,
  ): QuireError {
    const message = `${this.#options.name} did not take sequence ${baseSequence} (${recordCount} records) of producer ${producerId}, epoch ${producerEpoch}: ${why}`;
    return new QuireError(reason, message, {
      details: { producerId, producerEpoch, baseSequence, recordCount, ...details },
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(reason === "INVALID_FIELD" && { fields: [{ field: "batch.base_sequence", description: why }] }),
    });
  }
}

/** How often time is told while a producer is idle for as long as it may be. */
const TIMES_TOLD = 8;
/** Bounds the size of one entry. */
const FORGOTTEN_AT_ONCE = 10_000;
