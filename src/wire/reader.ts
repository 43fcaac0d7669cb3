import { WireType } from "./tags.js";

/** Bytes that are not the message they should be. The only thing the codecs of this folder throw while decoding. */
export class MalformedError extends Error {
  override name = "MalformedError";
  /** The field's path where it is known, else empty. */
  readonly field: string;

  constructor(message: string, field = "") {
    super(message);
    this.field = field;
  }
}

const TWO_TO_32 = 2 ** 32;
const GROUP_DEPTH_MAX = 32;

/** Reads protobuf fields from a slice of a buffer. What it returns are slices of the same memory; nothing is copied. */
export class Reader {
  readonly buffer: Buffer;
  position: number;
  end: number;
  /** Low and high halves of the varint read last. */
  #low = 0;
  #high = 0;

  constructor(buffer: Buffer, position = 0, end = buffer.length) {
    this.buffer = buffer;
    this.position = position;
    this.end = end;
  }

  /** The next field's tag, or 0 at the end. */
  tag(): number {
    if (this.position >= this.end) return 0;
    const first = this.buffer[this.position] as number;
    if (first < 0x80 && first >= 8) {
      this.position += 1;
      return first;
    }
    this.#varint();
    if (this.#high !== 0 || this.#low >>> 3 === 0) throw this.#malformed("is no field's tag");
    return this.#low;
  }

  /** An int64, uint64 or enum. @throws MalformedError beyond ±(2^53 − 1) */
  integer(): number {
    const byte = this.buffer[this.position] as number;
    if (byte < 0x80 && this.position < this.end) {
      this.position += 1;
      return byte;
    }
    this.#varint();
    // A sum of products is a double to V8, which takes more memory wherever it is kept.
    return this.#high === 0 ? this.#low : this.#safe((this.#high | 0) * TWO_TO_32 + this.#low);
  }

  /** An int32 or enum; a longer value is cut to its low 32 bits, as every protobuf library does. */
  int32(): number {
    this.#varint();
    return this.#low | 0;
  }

  uint32(): number {
    this.#varint();
    return this.#low;
  }

  /** A sint64 (zigzag). @throws MalformedError beyond ±(2^53 − 1) */
  sint64(): number {
    this.#varint();
    const half = this.#high * (TWO_TO_32 / 2) + (this.#low >>> 1);
    return this.#safe((this.#low & 1) === 0 ? half : -half - 1);
  }

  bool(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  fixed32(): number {
    this.#need(4);
    const value = this.buffer.readUInt32LE(this.position);
    this.position += 4;
    return value;
  }

  /** A slice: it keeps the whole buffer alive. */
  bytes(): Buffer {
    const start = this.span();
    return this.buffer.subarray(start, this.position);
  }

  string(): string {
    const start = this.span();
    return this.buffer.toString("utf8", start, this.position);
  }

  /** A reader of the message that stands here; this reader goes on behind it. */
  message(): Reader {
    const start = this.span();
    return new Reader(this.buffer, start, this.position);
  }

  /** Passes over the value of a field that nobody knows. */
  skip(tag: number): void {
    this.#skip(tag, 0);
  }

  #skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case WireType.varint:
        this.#varint();
        return;
      case WireType.fixed64:
        this.#need(8);
        this.position += 8;
        return;
      case WireType.bytes:
        this.span();
        return;
      case WireType.fixed32:
        this.#need(4);
        this.position += 4;
        return;
      case WireType.startGroup:
        this.#skipGroup(tag, depth + 1);
        return;
      default:
        throw this.#malformed("has no such wire type");
    }
  }

  #skipGroup(start: number, depth: number): void {
    if (depth > GROUP_DEPTH_MAX) throw this.#malformed("nests groups too deeply");
    for (;;) {
      const tag = this.tag();
      if (tag === 0) throw this.#malformed("ends within a group");
      if ((tag & 7) === WireType.endGroup) {
        if (tag >>> 3 !== start >>> 3) throw this.#malformed("ends another group");
        return;
      }
      this.#skip(tag, depth);
    }
  }

  /** Reads a length, moves behind what it measures, and returns where that began: `bytes` without an object. */
  span(): number {
    this.#varint();
    const length = this.#low;
    if (this.#high !== 0 || length > this.end - this.position) {
      throw this.#malformed(`says that ${this.#high * TWO_TO_32 + length} bytes follow, but ${this.end - this.position} do`);
    }
    const start = this.position;
    this.position += length;
    return start;
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    let position = this.position;
    for (let shift = 0; shift < 70; shift += 7) {
      if (position >= this.end) throw this.#malformed("ends within a number");
      const byte = this.buffer[position++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) {
        this.position = position;
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw this.#malformed("has a number longer than 10 bytes");
  }

  #need(bytes: number): void {
    if (bytes > this.end - this.position) throw this.#malformed(`ends ${bytes - (this.end - this.position)} bytes early`);
  }

  #safe(value: number): number {
    if (!Number.isSafeInteger(value)) throw this.#malformed(`has the number ${value}, beyond ±(2^53 − 1)`);
    return value;
  }

  #malformed(what: string): MalformedError {
    return new MalformedError(`the message ${what} (at byte ${this.position} of ${this.end})`);
  }
}
