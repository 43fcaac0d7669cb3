/**
 * `Records`, the body of a batch (records.proto), as the client writes and reads it. Brokers never look inside; what they
 * check is in `base/records-walk`.
 *
 * Writing goes straight into one growing buffer, reading moves a cursor: neither makes an object per record.
 */
import { QuireError } from "../base/errors.js";
import type { Header } from "./messages.js";
import { Reader } from "./reader.js";
import { bytesField, varintField } from "./tags.js";
import { varintSize, writeVarint } from "./writer.js";

const RECORD = bytesField(1);
const Field = { key: bytesField(1), value: bytesField(2), headers: bytesField(3), timestampDeltaMs: varintField(4) } as const;
const HeaderField = { key: bytesField(1), value: bytesField(2) } as const;

/** A key or value to be written; a string is written as UTF-8. Undefined is absent, which is not the same as empty. */
export type Content = Uint8Array | string | undefined;
export interface HeaderContent {
  readonly key: string;
  readonly value: Uint8Array | string;
}
const NO_HEADERS: readonly HeaderContent[] = [];
const sizeOf = (content: Uint8Array | string): number => (typeof content === "string" ? Buffer.byteLength(content) : content.length);
const fieldSize = (length: number): number => 1 + varintSize(length) + length;

/** Collects records of one batch. */
export class RecordsEncoder {
  #buffer: Buffer;
  #length = 0;
  readonly #usualBytes: number;

  /** @param bytes how much to make room for at first; it grows by doubling, but stops at `usualBytes` on its way if that is enough */
  constructor(bytes = 16_384, usualBytes = 0) {
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#usualBytes = usualBytes;
  }

  /** Whether the body takes so little of the memory that it is better copied than kept while the batch is under way. */
  get isRoomy(): boolean {
    return this.#length * 2 < this.#buffer.length;
  }

  /** The body so far, which the next `clear` ends. */
  get body(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Begins anew in the same memory. */
  clear(): void {
    this.#length = 0;
  }

  /** Appends one record and returns how many bytes the body grew by. */
  append(key: Content, value: Content, timestampDeltaMs: number, headers: readonly HeaderContent[] = NO_HEADERS): number {
    const keySize = key === undefined ? 0 : sizeOf(key);
    const valueSize = value === undefined ? 0 : sizeOf(value);
    // Zigzag, as sint64 wants: small negative numbers stay small.
    const delta = timestampDeltaMs < 0 ? -2 * timestampDeltaMs - 1 : 2 * timestampDeltaMs;
    let size = (key === undefined ? 0 : fieldSize(keySize)) + (value === undefined ? 0 : fieldSize(valueSize));
    if (delta !== 0) size += 1 + varintSize(delta);
    for (const header of headers) size += fieldSize(fieldSize(sizeOf(header.key)) + fieldSize(sizeOf(header.value)));

    const start = this.#length;
    const grown = fieldSize(size);
    if (start + grown > this.#buffer.length) this.#grow(start + grown);
    this.#buffer[this.#length] = RECORD;
    this.#length = writeVarint(this.#buffer, this.#length + 1, size);
    if (key !== undefined) this.#write(Field.key, key, keySize);
    if (value !== undefined) this.#write(Field.value, value, valueSize);
    for (const header of headers) this.#writeHeader(header);
    if (delta !== 0) {
      this.#buffer[this.#length] = Field.timestampDeltaMs;
      this.#length = writeVarint(this.#buffer, this.#length + 1, delta);
    }
    return this.#length - start;
  }

  /** The body so far; the encoder begins anew. The body is the caller's: it is not written to again. */
  take(): Buffer {
    const { body } = this;
    const isCopied = this.isRoomy;
    this.#length = 0;
    if (isCopied) return Buffer.from(body);
    this.#buffer = Buffer.allocUnsafeSlow(this.#buffer.length);
    return body;
  }

  #writeHeader(header: HeaderContent): void {
    const keySize = sizeOf(header.key);
    const valueSize = sizeOf(header.value);
    this.#buffer[this.#length] = Field.headers;
    this.#length = writeVarint(this.#buffer, this.#length + 1, fieldSize(keySize) + fieldSize(valueSize));
    this.#write(HeaderField.key, header.key, keySize);
    this.#write(HeaderField.value, header.value, valueSize);
  }

  #write(tag: number, content: Uint8Array | string, size: number): void {
    this.#buffer[this.#length] = tag;
    const at = writeVarint(this.#buffer, this.#length + 1, size);
    if (typeof content === "string") this.#buffer.write(content, at, size, "utf8");
    else this.#buffer.set(content, at);
    this.#length = at + size;
  }

  #grow(needed: number): void {
    const doubled = this.#buffer.length * 2;
    const isUsual = needed <= this.#usualBytes && this.#usualBytes < doubled;
    const larger = Buffer.allocUnsafeSlow(isUsual ? this.#usualBytes : Math.max(needed, doubled));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

const NONE = -1;
const NO_HEADERS_READ: readonly Header[] = [];

/**
 * Walks over the records of a body. After `next()` returned true the getters speak of that record, until the next call. Bytes
 * are slices of the body and keep all of it alive: copy what outlives the batch.
 */
export class RecordsCursor {
  readonly #reader: Reader;
  readonly #bodyEnd: number;
  #start = 0;
  #end = 0;
  #keyStart = NONE;
  #keyEnd = 0;
  #valueStart = NONE;
  #valueEnd = 0;
  #timestampDeltaMs = 0;
  #hasHeaders = false;

  constructor(body: Buffer) {
    this.#reader = new Reader(body);
    this.#bodyEnd = body.length;
  }

  /** Moves to the next record; false at the end. @throws QuireError CORRUPT_BATCH */
  next(): boolean {
    const reader = this.#reader;
    try {
      for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
        if (tag !== RECORD) {
          reader.skip(tag);
          continue;
        }
        this.#start = reader.span();
        this.#end = reader.position;
        this.#readRecord();
        return true;
      }
      return false;
    } catch (cause) {
      throw corrupt(cause);
    }
  }

  /** Undefined when the record has none. */
  get key(): Buffer | undefined {
    return this.#keyStart === NONE ? undefined : this.#reader.buffer.subarray(this.#keyStart, this.#keyEnd);
  }

  /** Undefined when the record has none. */
  get value(): Buffer | undefined {
    return this.#valueStart === NONE ? undefined : this.#reader.buffer.subarray(this.#valueStart, this.#valueEnd);
  }

  /** Where the key begins in the body; -1 when the record has none. */
  get keyStart(): number {
    return this.#keyStart;
  }

  get keyEnd(): number {
    return this.#keyEnd;
  }

  /** Where the value begins in the body; -1 when the record has none. */
  get valueStart(): number {
    return this.#valueStart;
  }

  get valueEnd(): number {
    return this.#valueEnd;
  }

  /** Milliseconds after the batch's base timestamp. */
  get timestampDeltaMs(): number {
    return this.#timestampDeltaMs;
  }

  /** Bytes of the record as encoded. */
  get bytes(): number {
    return this.#end - this.#start;
  }

  /** Decoded on each call. @throws QuireError CORRUPT_BATCH */
  headers(): readonly Header[] {
    if (!this.#hasHeaders) return NO_HEADERS_READ;
    const headers: Header[] = [];
    try {
      const reader = new Reader(this.#reader.buffer, this.#start, this.#end);
      for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
        if (tag === Field.headers) headers.push(readHeader(reader.message()));
        else reader.skip(tag);
      }
      return headers;
    } catch (cause) {
      throw corrupt(cause);
    }
  }

  #readRecord(): void {
    const reader = this.#reader;
    reader.position = this.#start;
    reader.end = this.#end;
    this.#keyStart = NONE;
    this.#valueStart = NONE;
    this.#timestampDeltaMs = 0;
    this.#hasHeaders = false;
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === Field.key) {
        this.#keyStart = reader.span();
        this.#keyEnd = reader.position;
      } else if (tag === Field.value) {
        this.#valueStart = reader.span();
        this.#valueEnd = reader.position;
      } else if (tag === Field.timestampDeltaMs) this.#timestampDeltaMs = reader.sint64();
      else {
        if (tag === Field.headers) this.#hasHeaders = true;
        reader.skip(tag);
      }
    }
    reader.end = this.#bodyEnd;
  }
}

function readHeader(reader: Reader): Header {
  let key = "";
  let value = reader.buffer.subarray(0, 0);
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === HeaderField.key) key = reader.string();
    else if (tag === HeaderField.value) value = reader.bytes();
    else reader.skip(tag);
  }
  return { key, value };
}

function corrupt(cause: unknown): QuireError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new QuireError("CORRUPT_BATCH", `the batch's records cannot be decoded: ${why}`, { cause });
}
