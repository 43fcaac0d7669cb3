/** What a reader hands out. */
import { QuireError } from "../base/errors.js";
import { KIB } from "../base/limits.js";
import type { RecordBatch } from "../wire/messages.js";
import { RecordsCursor } from "../wire/records-codec.js";
import type { Serializer } from "./serializers.js";
import type { Body } from "./unpack.js";

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer;
}

export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970, by the sender's clock unless it said otherwise. */
  readonly timestampMs: number;
}

/** Small records are copied out of their batch in pieces of so many bytes, as Node's own small buffers share memory: a copy for each costs more. */
const PIECE_BYTES = 8 * KIB;
/** Keys and values beyond it have memory of their own. */
const SHARED_BYTES_MAX = PIECE_BYTES / 2;

/** Gives the bytes of a body's records as copies: whoever keeps them keeps no more than a piece of the batch. */
class BodyCopier {
  readonly #body: Buffer;
  #piece: Buffer | undefined;
  /** Where the piece begins in the body, and where it ends. */
  #start = 0;
  #end = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  copy(start: number, end: number): Buffer {
    if (end - start > SHARED_BYTES_MAX) return Buffer.from(this.#body.subarray(start, end));
    if (this.#piece === undefined || start < this.#start || end > this.#end) {
      this.#start = start;
      this.#end = Math.min(start + PIECE_BYTES, this.#body.length);
      this.#piece = Buffer.from(this.#body.subarray(start, this.#end));
    }
    return this.#piece.subarray(start - this.#start, end - this.#start);
  }
}

/**
 * A record as read. It is decoded when its key or value is first asked for, from a copy of its own bytes. Until then it keeps its
 * whole batch in memory: of a record that you keep for long, ask for the value, or call `detach`.
 */
export class ReceivedRecord<Value> implements RecordPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly headers: readonly RecordHeader[];
  readonly #serializer: Serializer<Value>;
  /** Until it is detached. */
  #body: BodyCopier | undefined;
  readonly #keyStart: number;
  readonly #keyEnd: number;
  readonly #valueStart: number;
  readonly #valueEnd: number;
  #keyBytes: Buffer | undefined;
  #valueBytes: Buffer | undefined;
  #value: { readonly decoded: Value } | undefined;

  /** Of the record that `cursor` stands at, in the batch's `body`. */
  constructor(
    batch: Pick<RecordPlace, "topic" | "partition">,
    offset: number,
    timestampMs: number,
    cursor: RecordsCursor,
    body: BodyCopier,
    serializer: Serializer<Value>,
  ) {
    this.topic = batch.topic;
    this.partition = batch.partition;
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.headers = copiedHeaders(cursor);
    this.#serializer = serializer;
    this.#body = body;
    this.#keyStart = cursor.keyStart;
    this.#keyEnd = cursor.keyEnd;
    this.#valueStart = cursor.valueStart;
    this.#valueEnd = cursor.valueEnd;
  }

  /** The key as text; undefined when the record has none. */
  get key(): string | undefined {
    return this.keyBytes?.toString();
  }

  get keyBytes(): Buffer | undefined {
    this.detach();
    return this.#keyBytes;
  }

  /** Undefined when the record has none. */
  get valueBytes(): Buffer | undefined {
    this.detach();
    return this.#valueBytes;
  }

  /** The value as the topic's serializer reads it. @throws QuireError CORRUPT_BATCH when it cannot, with what it threw as cause */
  get value(): Value {
    if (this.#value === undefined) {
      try {
        this.#value = { decoded: this.#serializer.deserialize(this.valueBytes) };
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new QuireError(
          "CORRUPT_BATCH",
          `the value at offset ${this.offset} of ${this.topic}/${this.partition} cannot be read: ${why}; valueBytes has it as it is`,
          { cause },
        );
      }
    }
    return this.#value.decoded;
  }

  /** Copies the record's bytes out of its batch. */
  detach(): void {
    const body = this.#body;
    if (body === undefined) return;
    this.#body = undefined;
    if (this.#keyStart >= 0) this.#keyBytes = body.copy(this.#keyStart, this.#keyEnd);
    if (this.#valueStart >= 0) this.#valueBytes = body.copy(this.#valueStart, this.#valueEnd);
  }

  toJSON(): object {
    const { topic, partition, offset, timestampMs, key, value, headers } = this;
    return { topic, partition, offset, timestampMs, key, value, headers: headers.map((header) => ({ key: header.key, value: header.value.toString() })) };
  }
}

const NO_HEADERS: readonly RecordHeader[] = [];

function copiedHeaders(cursor: RecordsCursor): readonly RecordHeader[] {
  const headers = cursor.headers();
  return headers.length === 0 ? NO_HEADERS : headers.map(({ key, value }) => ({ key, value: Buffer.from(value) }));
}

/** Records of one partition in the order of their offsets, decoded as they are walked over. For programs that count every microsecond. */
export class ReceivedBatch<Value> implements Iterable<ReceivedRecord<Value>> {
  readonly topic: string;
  readonly partition: number;
  /** First offset that iteration gives. */
  readonly from: number;
  /** Just past the last. */
  readonly to: number;
  /** Just past the last committed record of the partition, when this was sent. */
  readonly highWatermark: number;
  readonly #batch: RecordBatch;
  readonly #body: Body;
  readonly #serializer: Serializer<Value>;

  constructor(
    at: { topic: string; partition: number; from: number; to: number; highWatermark: number },
    batch: RecordBatch,
    body: Body,
    serializer: Serializer<Value>,
  ) {
    this.topic = at.topic;
    this.partition = at.partition;
    this.from = at.from;
    this.to = at.to;
    this.highWatermark = at.highWatermark;
    this.#batch = batch;
    this.#body = body;
    this.#serializer = serializer;
  }

  get size(): number {
    return this.to - this.from;
  }

  /** @throws QuireError CORRUPT_BATCH when checksum, compressed bytes or encoding are wrong; UNSUPPORTED for a compression not known here */
  *[Symbol.iterator](): Iterator<ReceivedRecord<Value>, undefined> {
    const { topic, partition } = this;
    const { baseOffset, baseTimestampMs, recordCount } = this.#batch;
    if (this.#body instanceof QuireError) throw this.#body;
    const cursor = new RecordsCursor(this.#body);
    const body = new BodyCopier(this.#body);
    for (let at = 0; at < recordCount; at++) {
      if (!cursor.next())
        throw new QuireError("CORRUPT_BATCH", `the batch at offset ${baseOffset} of ${topic}/${partition} has ${at} records instead of ${recordCount}`);
      const offset = baseOffset + at;
      if (offset < this.from) continue;
      if (offset >= this.to) return undefined;
      yield new ReceivedRecord(this, offset, baseTimestampMs + cursor.timestampDeltaMs, cursor, body, this.#serializer);
    }
    return undefined;
  }
}
