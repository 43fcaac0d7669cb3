import { assert, assertSafeInteger } from "../base/assert.js";
import { type Offset, offset } from "../base/ids.js";
import { limits } from "../base/limits.js";
import type { ProducersEntry } from "../base/producers-entry.js";
import type { RecordBatchHeader } from "../base/record-batch.js";

/** A batch that is in the log: what a retry of it is answered with. */
export interface WrittenBatch {
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly baseOffset: Offset;
}

/** What a partition remembers of one producer. */
export interface ProducerState {
  readonly epoch: number;
  /** The last ones of this epoch, oldest first, without a gap; at least one, at most `limits.producerBatchesKept`. */
  readonly batches: readonly WrittenBatch[];
  /** By the leaders' clocks, when it was first seen idle; 0: it has written since time was last told. */
  readonly idleSinceMs: number;
}

/** The sequence that a producer's next batch begins with. */
export const sequenceAfter = ({ baseSequence, recordCount }: Omit<WrittenBatch, "baseOffset">): number => baseSequence + recordCount;

const HEAD_BYTES = 8;
const PRODUCER_BYTES = 8 + 4 + 8 + 1;
const BATCH_BYTES = 4 + 4 + 8;

/**
 * The producers of a partition, as its log tells: part of the state machine, so equal on all replicas, whatever their clocks say. Time passes
 * only by `producers` entries. Longest idle first: each batch puts its producer at the end.
 */
export class ProducerTable {
  /** Undefined while nobody has written: there may be ten thousand such tables. */
  #producers: Map<number, ProducerState> | undefined;
  #toldMs = 0;
  /** Who wrote last, and so is at the end; undefined when that is not known. */
  #last: number | undefined;

  get size(): number {
    return this.#producers?.size ?? 0;
  }

  /** When time was last told; 0 for never. */
  get toldMs(): number {
    return this.#toldMs;
  }

  get(producerId: number): ProducerState | undefined {
    return this.#producers?.get(producerId);
  }

  /** Longest idle first. */
  entries(): Iterable<readonly [producerId: number, state: ProducerState]> {
    return this.#producers ?? [];
  }

  /** A batch was written. Whether it might be was decided when its leader admitted it; here it is taken as it stands in the log. */
  wrote({ producerId, producerEpoch, baseSequence, recordCount }: RecordBatchHeader, baseOffset: Offset): void {
    this.#producers ??= new Map();
    const known = this.#producers.get(producerId);
    const written: WrittenBatch = { baseSequence, recordCount, baseOffset };
    const kept = known?.epoch === producerEpoch ? known.batches.slice(1 - limits.producerBatchesKept) : [];
    const state = { epoch: producerEpoch, batches: kept.concat(written), idleSinceMs: 0 };
    // A map whose only entry comes and goes is made anew each time.
    if (producerId !== this.#last) this.#producers.delete(producerId);
    this.#producers.set(producerId, state);
    this.#last = producerId;
  }

  /** Time was told, and some are forgotten. */
  passed({ nowMs, forgotten }: ProducersEntry): void {
    for (const id of forgotten) this.#producers?.delete(id);
    this.#last = undefined;
    // Leaders' clocks differ: time never goes back, so that nobody seems idle for longer than they were.
    this.#toldMs = Math.max(this.#toldMs, nowMs);
    for (const [id, state] of this.entries()) if (state.idleSinceMs === 0) this.#producers?.set(id, { ...state, idleSinceMs: this.#toldMs });
  }

  clear(): void {
    this.#producers = undefined;
    this.#toldMs = 0;
    this.#last = undefined;
  }

  /** The last time, then for each producer: id, epoch, idle since, number of batches, and each batch's sequence, count and offset. */
  encode(): Buffer {
    let bytes = HEAD_BYTES;
    for (const [, { batches }] of this.entries()) bytes += PRODUCER_BYTES + batches.length * BATCH_BYTES;
    const into = Buffer.allocUnsafe(bytes);
    let at = into.writeBigInt64LE(BigInt(this.#toldMs), 0);
    for (const [id, { epoch, batches, idleSinceMs }] of this.entries()) {
      at = into.writeBigInt64LE(BigInt(id), at);
      at = into.writeInt32LE(epoch, at);
      at = into.writeBigInt64LE(BigInt(idleSinceMs), at);
      at = into.writeUInt8(batches.length, at);
      for (const { baseSequence, recordCount, baseOffset } of batches) {
        at = into.writeInt32LE(baseSequence, at);
        at = into.writeInt32LE(recordCount, at);
        at = into.writeBigInt64LE(BigInt(baseOffset), at);
      }
    }
    return into;
  }

  /** Replaces the state. */
  decode(from: Buffer): void {
    const int64 = (at: number): number => assertSafeInteger(Number(from.readBigInt64LE(at)), "number in a snapshot's producers");
    this.clear();
    this.#toldMs = int64(0);
    let at = HEAD_BYTES;
    while (at < from.length) {
      const id = int64(at);
      const epoch = from.readInt32LE(at + 8);
      const idleSinceMs = int64(at + 12);
      const count = from.readUInt8(at + 20);
      at += PRODUCER_BYTES;
      assert(count > 0, "a remembered producer has written");
      const batches: WrittenBatch[] = [];
      for (let n = 0; n < count; n++, at += BATCH_BYTES) {
        batches.push({ baseSequence: from.readInt32LE(at), recordCount: from.readInt32LE(at + 4), baseOffset: offset(int64(at + 8)) });
      }
      this.#producers ??= new Map();
      this.#producers.set(id, { epoch, batches, idleSinceMs });
    }
  }
}
