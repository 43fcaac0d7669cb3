/**
 * Writes protobuf in two passes over the same layout function: the first measures, the second fills a buffer of exactly that
 * size. So a message with megabytes in it costs one allocation and one copy, and each layout is written once.
 *
 * Scalars with their default value are left out, as proto3 says, except in the `always…` variants (members of a oneof
 * and `optional` fields, where presence means something).
 */
import { assert } from "../base/assert.js";
import { allocateMessage } from "./framing.js";

export interface Sink {
  /** int32, int64, uint32, uint64, enum. A safe integer. */
  integer(tag: number, value: number | undefined): void;
  alwaysInteger(tag: number, value: number): void;
  bool(tag: number, value: boolean | undefined): void;
  alwaysFixed32(tag: number, value: number): void;
  string(tag: number, value: string | undefined): void;
  bytes(tag: number, value: Uint8Array | undefined): void;
  alwaysBytes(tag: number, value: Uint8Array): void;
  /** A bytes field of this length, filled in place by the caller. */
  region(tag: number, length: number, fill: (buffer: Buffer, at: number) => void): void;
  /** Everything until the matching `end` is one nested message. */
  begin(tag: number): void;
  end(): void;
}

/** Lays one message out; called twice, and must do the same both times. */
export type Layout<Message> = (sink: Sink, message: Message) => void;

export function encode<Message>(layout: Layout<Message>, message: Message): Buffer {
  const sizer = new Sizer();
  layout(sizer, message);
  const writer = new Writer(allocateMessage(sizer.size), sizer.lengths);
  layout(writer, message);
  assert(writer.position === sizer.size, () => `both passes agree: ${sizer.size} bytes were measured, ${writer.position} written`);
  return writer.buffer;
}

const TWO_TO_28 = 2 ** 28;
const TWO_TO_32 = 2 ** 32;

/** Bytes that `value`, a safe integer, takes as a varint; a negative one is sign-extended to 64 bits. */
export function varintSize(value: number): number {
  if (value < 0) return 10;
  let size = 1;
  let rest = value;
  while (rest >= 128) {
    rest = rest < TWO_TO_32 ? rest >>> 7 : Math.floor(rest / 128);
    size += 1;
  }
  return size;
}

class Sizer implements Sink {
  size = 0;
  /** Lengths of strings and nested messages in the order in which the second pass meets them. */
  readonly lengths: number[] = [];
  readonly #open: { readonly slot: number; readonly start: number }[] = [];

  integer(tag: number, value: number | undefined): void {
    if (value !== undefined && value !== 0) this.alwaysInteger(tag, value);
  }

  alwaysInteger(tag: number, value: number): void {
    assert(Number.isSafeInteger(value), () => `a number on the wire is a safe integer, not ${value}`);
    this.size += varintSize(tag) + varintSize(value);
  }

  bool(tag: number, value: boolean | undefined): void {
    if (value === true) this.size += varintSize(tag) + 1;
  }

  alwaysFixed32(tag: number, _value: number): void {
    this.size += varintSize(tag) + 4;
  }

  string(tag: number, value: string | undefined): void {
    if (value === undefined || value === "") return;
    const length = Buffer.byteLength(value);
    this.lengths.push(length);
    this.size += varintSize(tag) + varintSize(length) + length;
  }

  bytes(tag: number, value: Uint8Array | undefined): void {
    if (value !== undefined && value.length > 0) this.alwaysBytes(tag, value);
  }

  alwaysBytes(tag: number, value: Uint8Array): void {
    this.size += varintSize(tag) + varintSize(value.length) + value.length;
  }

  region(tag: number, length: number): void {
    this.size += varintSize(tag) + varintSize(length) + length;
  }

  begin(tag: number): void {
    this.size += varintSize(tag);
    this.#open.push({ slot: this.lengths.length, start: this.size });
    this.lengths.push(0);
  }

  end(): void {
    const open = this.#open.pop();
    assert(open !== undefined, "every end has its begin");
    const length = this.size - open.start;
    this.lengths[open.slot] = length;
    this.size += varintSize(length);
  }
}

class Writer implements Sink {
  readonly buffer: Buffer;
  position = 0;
  readonly #lengths: readonly number[];
  #nextLength = 0;

  constructor(buffer: Buffer, lengths: readonly number[]) {
    this.buffer = buffer;
    this.#lengths = lengths;
  }

  integer(tag: number, value: number | undefined): void {
    if (value !== undefined && value !== 0) this.alwaysInteger(tag, value);
  }

  alwaysInteger(tag: number, value: number): void {
    this.#varint(tag);
    this.#varint(value);
  }

  bool(tag: number, value: boolean | undefined): void {
    if (value === true) this.alwaysInteger(tag, 1);
  }

  alwaysFixed32(tag: number, value: number): void {
    this.#varint(tag);
    this.position = this.buffer.writeUInt32LE(value, this.position);
  }

  string(tag: number, value: string | undefined): void {
    if (value === undefined || value === "") return;
    this.begin(tag);
    this.position += this.buffer.write(value, this.position, "utf8");
  }

  bytes(tag: number, value: Uint8Array | undefined): void {
    if (value !== undefined && value.length > 0) this.alwaysBytes(tag, value);
  }

  alwaysBytes(tag: number, value: Uint8Array): void {
    this.#varint(tag);
    this.#varint(value.length);
    this.buffer.set(value, this.position);
    this.position += value.length;
  }

  region(tag: number, length: number, fill: (buffer: Buffer, at: number) => void): void {
    this.#varint(tag);
    this.#varint(length);
    fill(this.buffer, this.position);
    this.position += length;
  }

  begin(tag: number): void {
    this.#varint(tag);
    this.#varint(this.#lengths[this.#nextLength++] as number);
  }

  end(): void {}

  #varint(value: number): void {
    this.position = writeVarint(this.buffer, this.position, value);
  }
}

/** Writes a safe integer as a varint and returns the position behind it. The caller has made room. */
export function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  let position = at;
  if (value >= 0 && value < TWO_TO_28) {
    let rest = value;
    while (rest >= 128) {
      buffer[position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[position++] = rest;
    return position;
  }
  // Two's complement in two halves: division keeps every bit of a safe integer, shifts would not.
  let high = Math.floor(value / TWO_TO_32);
  let low = value - high * TWO_TO_32;
  high >>>= 0;
  while (high !== 0 || low >= 128) {
    buffer[position++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | ((high & 0x7f) << 25)) >>> 0;
    high >>>= 7;
  }
  buffer[position++] = low;
  return position;
}
