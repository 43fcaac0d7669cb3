/** A batch being filled, sent and answered; and whom its answer concerns. */
import { crc32 } from "node:zlib";
import { assert } from "../base/assert.js";
import type { QuireError } from "../base/errors.js";
import { KIB } from "../base/limits.js";
import { plainHeader, type RecordBatchHeader, withBody } from "../base/record-batch.js";
import { type HeaderContent, RecordsEncoder } from "../wire/records-codec.js";
import { COMPRESS_BYTES_MIN, type Compressor } from "./compressor.js";
import type { LaneBatch } from "./lane.js";
import type { Stamp } from "./sequence.js";

/** A record ready to be encoded. Strings are written as UTF-8; undefined is absent. */
export interface OutgoingRecord {
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array | string | undefined;
  readonly headers: readonly HeaderContent[];
  readonly timestampMs: number;
}

/** Encoders with their memory, for the next batches, up to a bound: without it each batch's memory would be made anew. */
export class EncoderPool {
  readonly #free: RecordsEncoder[] = [];
  readonly #usualBytes: number;

  /** @param batchBytes a batch is closed when it has as many */
  constructor(batchBytes: number) {
    this.#usualBytes = batchBytes + Math.max(KIB, batchBytes >>> 4);
  }

  borrow(): RecordsEncoder {
    return this.#free.pop() ?? new RecordsEncoder(ENCODER_BYTES, this.#usualBytes);
  }

  giveBack(encoder: RecordsEncoder): void {
    encoder.clear();
    if (this.#free.length < ENCODERS_KEPT) this.#free.push(encoder);
  }
}

const ENCODER_BYTES = 4_096;
const ENCODERS_KEPT = 32;

/** Told once about each run of records that it put into a batch without another's in between. */
export interface Completion {
  /** `baseOffset` is that of the run's first record; -1 with acks=none. */
  acknowledged(partition: number, baseOffset: number, count: number): void;
  rejected(error: QuireError, count: number): void;
}

interface Run {
  readonly completion: Completion;
  readonly first: number;
  count: number;
}

export interface BatchTimes {
  /** Monotonic. */
  readonly lingersUntilMs: number;
  readonly deadlineMs: number;
}

/** Makes batches smaller when they are closed, and whom to tell when one may be sent. */
export interface Compression {
  readonly by: Compressor;
  readonly onReady: () => void;
}

export class OutgoingBatch implements LaneBatch {
  order = -1;
  attempts = 0;
  readonly partition: number;
  readonly lingersUntilMs: number;
  readonly deadlineMs: number;
  /** An earlier attempt may have been written. */
  outcomeUnknown = false;
  /** Of an idempotent producer, once it was sent. */
  stamp: Stamp | undefined;
  lastError: QuireError | undefined;
  #bytes = 0;
  #records = 0;
  readonly #pool: EncoderPool;
  /** As long as the batch uses its memory. */
  #encoder: RecordsEncoder | undefined;
  readonly #baseTimestampMs: number;
  #maxTimestampMs: number;
  readonly #runs: Run[] = [];
  #settled = false;
  #onSettled: (() => void)[] = [];
  #message: (RecordBatchHeader & { readonly body: Buffer }) | undefined;
  readonly #compression: Compression | undefined;
  #isCompressing = false;

  constructor(partition: number, times: BatchTimes, baseTimestampMs: number, pool: EncoderPool, compression?: Compression) {
    this.partition = partition;
    this.lingersUntilMs = times.lingersUntilMs;
    this.deadlineMs = times.deadlineMs;
    this.#baseTimestampMs = baseTimestampMs;
    this.#maxTimestampMs = baseTimestampMs;
    this.#pool = pool;
    this.#encoder = pool.borrow();
    this.#compression = compression;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.#records;
  }

  /** Whether its senders were told. */
  get settled(): boolean {
    return this.#settled;
  }

  get isReady(): boolean {
    return !this.#isCompressing;
  }

  /** Returns how many bytes the batch grew by. */
  add(record: OutgoingRecord, completion: Completion): number {
    assert(this.#encoder !== undefined && this.#message === undefined, "a closed batch takes no records");
    const grown = this.#encoder.append(record.key, record.value, record.timestampMs - this.#baseTimestampMs, record.headers);
    if (record.timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = record.timestampMs;
    const last = this.#runs[this.#runs.length - 1];
    if (last?.completion === completion) last.count += 1;
    else this.#runs.push({ completion, first: this.#records, count: 1 });
    this.#records += 1;
    this.#bytes += grown;
    return grown;
  }

  /** Without compression it is encoded when it is sent. */
  close(): void {
    if (this.#compression === undefined || this.#bytes < COMPRESS_BYTES_MIN) return;
    const { by, onReady } = this.#compression;
    const plain = this.message();
    this.#isCompressing = true;
    by.compress(plain.body, (body) => {
      this.#isCompressing = false;
      if (body !== undefined) this.#message = { ...plain, compression: by.code, crc32: crc32(body), body };
      onReady();
    });
  }

  /** The batch as it travels, the same bytes at every attempt. It takes no more records. */
  message(): RecordBatchHeader & { readonly body: Buffer } {
    this.#message ??= this.#encode();
    return this.#message;
  }

  #encode(): RecordBatchHeader & { readonly body: Buffer } {
    assert(this.#encoder !== undefined, "a batch is encoded once");
    const { isRoomy } = this.#encoder;
    const body = isRoomy ? this.#encoder.take() : this.#encoder.body;
    if (isRoomy) this.#giveBackMemory();
    const header = plainHeader(body, { recordCount: this.#records, baseTimestampMs: this.#baseTimestampMs, maxTimestampMs: this.#maxTimestampMs });
    return withBody(header, body);
  }

  acknowledge(baseOffset: number): void {
    // Of an only attempt that was answered all bytes have left; those of an earlier one might still wait in a stream.
    if (this.attempts === 1) this.#giveBackMemory();
    if (!this.#settle()) return;
    for (const { completion, first, count } of this.#runs) completion.acknowledged(this.partition, baseOffset < 0 ? -1 : baseOffset + first, count);
    this.#tell();
  }

  #giveBackMemory(): void {
    if (this.#encoder !== undefined) this.#pool.giveBack(this.#encoder);
    this.#encoder = undefined;
  }

  reject(error: QuireError): void {
    if (!this.#settle()) return;
    for (const { completion, count } of this.#runs) completion.rejected(error, count);
    this.#tell();
  }

  /** Calls back once its senders were told; at once if they were. */
  whenSettled(run: () => void): void {
    if (this.#settled) run();
    else this.#onSettled.push(run);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    return true;
  }

  #tell(): void {
    for (const run of this.#onSettled) run();
    this.#onSettled = [];
  }
}
