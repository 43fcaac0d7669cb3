/** What a reader hands out. */
import { QuireError } from "../base/errors.js";
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
  #keyBytes: Buffer | undefined;
  #valueBytes: Buffer | undefined;
  #detached = false;
  #value: { readonly decoded: Value } | undefined;

  constructor(at: RecordPlace, cursor: RecordsCursor, serializer: Serializer<Value>) {
    this.topic = at.topic;
    this.partition = at.partition;
    this.offset = at.offset;
    this.timestampMs = at.timestampMs;
    this.headers = copiedHeaders(cursor);
    this.#keyBytes = cursor.key;
    this.#valueBytes = cursor.value;
    this.#serializer = serializer;
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
    if (this.#detached) return;
    this.#detached = true;
    if (this.#keyBytes !== undefined) this.#keyBytes = Buffer.from(this.#keyBytes);
    if (this.#valueBytes !== undefined) this.#valueBytes = Buffer.from(this.#valueBytes);
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
    for (let at = 0; at < recordCount; at++) {
      if (!cursor.next())
        throw new QuireError("CORRUPT_BATCH", `the batch at offset ${baseOffset} of ${topic}/${partition} has ${at} records instead of ${recordCount}`);
      const offset = baseOffset + at;
      if (offset < this.from) continue;
      if (offset >= this.to) return undefined;
      yield new ReceivedRecord({ topic, partition, offset, timestampMs: baseTimestampMs + cursor.timestampDeltaMs }, cursor, this.#serializer);
    }
    return undefined;
  }
}
