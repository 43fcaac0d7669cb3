/**
 * One file of a log: a header of 64 bytes, then frames. Its name is the log index of its first frame. Little endian:
 *
 * | at | bytes | field |
 * | --- | --- | --- |
 * | 0 | 4 | magic `QSEG` |
 * | 4 | 4 | version, 1 |
 * | 8 | 8 | log index of the first frame |
 * | 16 | 8 | term of the entry before it |
 * | 24 | 8 | offset of the first record |
 * | 32 | 8 | when it was begun, ms since 1970 |
 * | 40 | 8 | number of the group commit that began it |
 * | 48 | 12 | 0, reserved |
 * | 60 | 4 | CRC-32 of bytes 0 to 59 |
 */
import { crc32 } from "node:zlib";
import { type LogIndex, logIndex, type Offset, offset, type Term, term } from "../base/ids.js";
import { OffsetIndex } from "./offset-index.js";

export const SEGMENT_HEADER_BYTES = 64;
const VERSION = 1;
const MAGIC = 0x47455351;
const CRC_AT = SEGMENT_HEADER_BYTES - 4;

/** What a segment is from its beginning on. */
export interface SegmentStart {
  readonly first: LogIndex;
  /** Term of the entry before `first`. */
  readonly previousTerm: Term;
  readonly baseOffset: Offset;
  readonly createdMs: number;
}

/** What a segment holds, as saved in a checkpoint. */
export interface SegmentExtent extends SegmentStart {
  readonly bytes: number;
  readonly last: LogIndex;
  readonly lastTerm: Term;
  readonly endOffset: Offset;
  /** At least the largest timestamp in it; 0 without records. */
  readonly maxTimestampMs: number;
}

/** A segment in memory; grows with every append and shrinks with a truncation. */
export interface Segment extends SegmentStart {
  bytes: number;
  last: LogIndex;
  lastTerm: Term;
  endOffset: Offset;
  maxTimestampMs: number;
  /** Kept here while the segment is written to; afterwards it is loaded when a read needs it. */
  index: OffsetIndex | undefined;
}

// Here, as wherever an object lives as long as its partition, each field is named: what is made by spreading gets a shape of its own, of several hundred bytes.
export const segmentOfExtent = (extent: SegmentExtent, index: OffsetIndex | undefined): Segment => ({
  first: extent.first,
  previousTerm: extent.previousTerm,
  baseOffset: extent.baseOffset,
  createdMs: extent.createdMs,
  bytes: extent.bytes,
  last: extent.last,
  lastTerm: extent.lastTerm,
  endOffset: extent.endOffset,
  maxTimestampMs: extent.maxTimestampMs,
  index,
});

export const emptyIndex = (start: SegmentStart): OffsetIndex =>
  new OffsetIndex({ index: start.first, offset: start.baseOffset, position: SEGMENT_HEADER_BYTES });

export const beginSegment = (start: SegmentStart): Segment => ({
  first: start.first,
  previousTerm: start.previousTerm,
  baseOffset: start.baseOffset,
  createdMs: start.createdMs,
  bytes: SEGMENT_HEADER_BYTES,
  last: logIndex(start.first - 1),
  lastTerm: start.previousTerm,
  endOffset: start.baseOffset,
  maxTimestampMs: 0,
  index: emptyIndex(start),
});

const DIGITS = 20;
const NAME = /^\d{20}\.log$/;

export const segmentName = (first: LogIndex): string => `${String(first).padStart(DIGITS, "0")}.log`;
export const indexName = (first: LogIndex): string => `${String(first).padStart(DIGITS, "0")}.index`;

/** First log indexes of the segments among these names, ascending. */
export const firstIndexesOf = (names: readonly string[]): LogIndex[] =>
  names
    .filter((name) => NAME.test(name))
    .map((name) => logIndex(Number(name.slice(0, DIGITS))))
    .sort((a, b) => a - b);

export function encodeSegmentHeader(start: SegmentStart, group: number): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 4);
  const numbers = [start.first, start.previousTerm, start.baseOffset, start.createdMs, group];
  for (const [i, value] of numbers.entries()) bytes.writeBigInt64LE(BigInt(Math.trunc(value)), 8 + 8 * i);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

/** The header, `newer` when a later release wrote it, or undefined when these bytes are not one. */
export function decodeSegmentHeader(bytes: Buffer): { start: SegmentStart; group: number } | "newer" | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT))) return undefined;
  if (bytes.readUInt32LE(4) !== VERSION) return "newer";
  const number = (i: number): number => Number(bytes.readBigInt64LE(8 + 8 * i));
  const start = { first: logIndex(number(0)), previousTerm: term(number(1)), baseOffset: offset(number(2)), createdMs: number(3) };
  return { start, group: number(4) };
}
