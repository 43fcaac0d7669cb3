/**
 * The layout of a frame: a fixed header, then the body. Little endian; int64 as two halves, asserted safe.
 *
 * | at | bytes | field |
 * | --- | --- | --- |
 * | 0 | 4 | magic `QFRM` |
 * | 4 | 1 | version, 1 |
 * | 5 | 1 | kind of entry |
 * | 6 | 1 | compression of the body |
 * | 7 | 1 | 0, reserved |
 * | 8 | 4 | CRC-32 of the body |
 * | 12 | 4 | body bytes |
 * | 16 | 4 | record count, 0 unless kind is `records` |
 * | 20 | 4 | body bytes before compression |
 * | 24 | 4 | priority (int32) |
 * | 28 | 4 | producer epoch (int32) |
 * | 32 | 4 | base sequence (int32) |
 * | 36 | 4 | position in the group commit: frames of the same group before this one |
 * | 40 | 8 | number of the group commit; both are local to a replica and 0 between brokers |
 * | 48 | 8 | log index |
 * | 56 | 8 | term |
 * | 64 | 8 | base offset |
 * | 72 | 8 | base timestamp, ms since 1970 |
 * | 80 | 8 | max timestamp, ms since 1970 |
 * | 88 | 8 | producer id |
 * | 96 | 4 | CRC-32 of bytes 0 to 95 |
 *
 * Two checksums, because a header that can be trusted alone lets a reader walk from frame to frame without the
 * bodies, and because the group number is given at append time while the body's checksum is the producer's.
 */
import { crc32 } from "node:zlib";
import { assert } from "./assert.js";
import { EntryKind, type EntryKindCode } from "./entry-kind.js";
import { QuireError } from "./errors.js";
import type { Frame } from "./frame.js";
import { logIndex, offset, term } from "./ids.js";
import { readInt64, writeInt64 } from "./int64.js";
import { limits } from "./limits.js";
import type { CompressionCode, RecordBatchHeader } from "./record-batch.js";

export const FRAME_HEADER_BYTES = 100;
export const FRAME_VERSION = 1;
const MAGIC = 0x4d524651;
/** The first four bytes of every frame, for searching. */
export const FRAME_MAGIC: Buffer = Buffer.from("QFRM", "latin1");
/** No body is larger: a length beyond it is damage, not a reason to allocate. */
export const FRAME_BODY_BYTES_MAX: number = limits.peerMessageBytes;
const CRC_AT = FRAME_HEADER_BYTES - 4;
const KIND_MAX = Math.max(...Object.values(EntryKind));

/** Where a frame stands among the group commits of one replica's log. */
export interface GroupMark {
  /** Rises by one with each sync. */
  readonly group: number;
  /** Frames of the same group before this one. */
  readonly groupPosition: number;
}

/** A header as read: the frame without its body. */
export interface FrameHeader extends Omit<Frame, "body">, GroupMark {
  readonly bodyBytes: number;
}

/** Why bytes are not a frame's header. `short`: too few of them to tell. `version`: intact, but made by a newer release. */
export type HeaderProblem = "short" | "magic" | "checksum" | "version" | "field";

/** Size on disk and between brokers. */
export const frameBytes = (frame: Frame): number => FRAME_HEADER_BYTES + frame.body.length;

const NO_BODY = Buffer.alloc(0);
const NO_GROUP: GroupMark = { group: 0, groupPosition: 0 };

/** Writes the header of `frame` at `at`; `FRAME_HEADER_BYTES` long. The body's checksum is taken as the frame gives it. */
export function writeFrameHeader(into: Buffer, at: number, frame: Frame, mark: GroupMark = NO_GROUP): void {
  const { batch, body } = frame;
  assert(body.length <= FRAME_BODY_BYTES_MAX, () => `a frame's body of ${body.length} bytes is above ${FRAME_BODY_BYTES_MAX}`);
  into.writeUInt32LE(MAGIC, at);
  into[at + 4] = FRAME_VERSION;
  into[at + 5] = frame.kind;
  into[at + 6] = batch.compression;
  into[at + 7] = 0;
  into.writeUInt32LE(batch.crc32, at + 8);
  into.writeUInt32LE(body.length, at + 12);
  into.writeUInt32LE(batch.recordCount, at + 16);
  into.writeUInt32LE(batch.uncompressedBytes, at + 20);
  into.writeInt32LE(batch.priority, at + 24);
  into.writeInt32LE(batch.producerEpoch, at + 28);
  into.writeInt32LE(batch.baseSequence, at + 32);
  into.writeUInt32LE(mark.groupPosition, at + 36);
  writeInt64(into, at + 40, mark.group);
  writeInt64(into, at + 48, frame.index);
  writeInt64(into, at + 56, frame.term);
  writeInt64(into, at + 64, frame.baseOffset);
  writeInt64(into, at + 72, batch.baseTimestampMs);
  writeInt64(into, at + 80, batch.maxTimestampMs);
  writeInt64(into, at + 88, batch.producerId);
  into.writeUInt32LE(crc32(into.subarray(at, at + CRC_AT)), at + CRC_AT);
}

/** Reads and checks the header at `at`. The body is not looked at. */
export function readFrameHeader(from: Buffer, at: number): FrameHeader | HeaderProblem {
  if (from.length - at < FRAME_HEADER_BYTES) return "short";
  if (from.readUInt32LE(at) !== MAGIC) return "magic";
  if (from.readUInt32LE(at + CRC_AT) !== crc32(from.subarray(at, at + CRC_AT))) return "checksum";
  if (from[at + 4] !== FRAME_VERSION) return "version";
  const kind = from[at + 5] ?? 0;
  const bodyBytes = from.readUInt32LE(at + 12);
  const recordCount = from.readUInt32LE(at + 16);
  const group = readInt64(from, at + 40);
  const index = readInt64(from, at + 48);
  const termOf = readInt64(from, at + 56);
  const baseOffset = readInt64(from, at + 64);
  const isSane = kind >= 1 && kind <= KIND_MAX && bodyBytes <= FRAME_BODY_BYTES_MAX && group >= 0 && index >= 1 && termOf >= 0 && baseOffset >= 0;
  if (!isSane) return "field";
  const batch = readBatchHeader(from, at, recordCount);
  for (const value of [index, termOf, baseOffset + recordCount, group, batch.baseTimestampMs, batch.maxTimestampMs, batch.producerId]) {
    if (!Number.isSafeInteger(value)) return "field";
  }
  return {
    index: logIndex(index),
    term: term(termOf),
    kind: kind as EntryKindCode,
    baseOffset: offset(baseOffset),
    batch,
    bodyBytes,
    group,
    groupPosition: from.readUInt32LE(at + 36),
  };
}

function readBatchHeader(from: Buffer, at: number, recordCount: number): RecordBatchHeader {
  return {
    recordCount,
    compression: (from[at + 6] ?? 0) as CompressionCode,
    baseTimestampMs: readInt64(from, at + 72),
    maxTimestampMs: readInt64(from, at + 80),
    producerId: readInt64(from, at + 88),
    producerEpoch: from.readInt32LE(at + 28),
    baseSequence: from.readInt32LE(at + 32),
    priority: from.readInt32LE(at + 24),
    crc32: from.readUInt32LE(at + 8),
    uncompressedBytes: from.readUInt32LE(at + 20),
  };
}

/** The frame of a header and its body. An empty slice would keep alive what it was cut from, for as long as the frame is the end of an idle log. */
export function frameOf(header: FrameHeader, body: Buffer): Frame {
  const { index, term: termOf, kind, baseOffset, batch } = header;
  return { index, term: termOf, kind, baseOffset, batch, body: body.length === 0 ? NO_BODY : body };
}

/** Whether the body is the one the header was made for. */
export const isBodyIntact = (header: FrameHeader, body: Buffer): boolean => body.length === header.bodyBytes && crc32(body) === header.batch.crc32;

/**
 * Frames as they travel between brokers: header, body, header, body, and nothing before, between or after them. Both checksums are
 * checked; bodies are slices of `bytes`.
 *
 * @throws QuireError CORRUPT_BATCH naming the position and what is wrong there
 */
export function decodeFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const header = readFrameHeader(bytes, at);
    if (typeof header === "string") throw corrupt(at, header);
    const bodyAt = at + FRAME_HEADER_BYTES;
    const body = bytes.subarray(bodyAt, bodyAt + header.bodyBytes);
    if (!isBodyIntact(header, body)) throw corrupt(at, body.length < header.bodyBytes ? "short" : "body checksum");
    frames.push(frameOf(header, body));
    at = bodyAt + header.bodyBytes;
  }
  return frames;
}

const corrupt = (at: number, problem: string): QuireError =>
  new QuireError("CORRUPT_BATCH", `the bytes at ${at} are not a frame (${problem}); send them again`, { details: { at, problem } });
