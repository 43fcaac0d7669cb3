/**
 * The journal's files. Little endian. A file is a header, then groups, one for each write; a group is a header, its table of parts, and the frames of
 * the parts one after the other, as in segments.
 *
 * | File header, at | bytes | field |
 * | --- | --- | --- |
 * | 0 | 4 | magic `QJNL` |
 * | 4 | 4 | version, 1 |
 * | 8 | 8 | number of the file |
 * | 16 | 8 | number of the file whose groups go on here; 0 in the first file of a process |
 * | 24 | 4 | 0, reserved |
 * | 28 | 4 | CRC-32 of bytes 0 to 27 |
 *
 * | Group header, at | bytes | field |
 * | --- | --- | --- |
 * | 0 | 4 | magic `QJGR` |
 * | 4 | 4 | version, 1 |
 * | 8 | 8 | number of the group |
 * | 16 | 4 | parts |
 * | 20 | 4 | bytes of all frames |
 * | 24 | 4 | 0, reserved |
 * | 28 | 4 | CRC-32 of bytes 0 to 27 and of the table |
 *
 * | Part, at | bytes | field |
 * | --- | --- | --- |
 * | 0 | 8 | replica set |
 * | 8 | 8 | replica |
 * | 16 | 8 | log index of the first frame |
 * | 24 | 4 | frames |
 * | 28 | 4 | bytes of these frames |
 *
 * The table comes first, with a checksum of its own, so that a group that was not written whole still tells which logs it was of.
 */
import { crc32 } from "node:zlib";
import { assert } from "../../base/assert.js";
import type { Frame } from "../../base/frame.js";
import { FRAME_HEADER_BYTES, frameOf, isBodyIntact, readFrameHeader, writeFrameHeader } from "../../base/frame-codec.js";
import { type LogIndex, logIndex, type ReplicaId, type ReplicaSetId, replicaId, replicaSetId } from "../../base/ids.js";
import { readInt64, writeInt64 } from "../../base/int64.js";
import type { ReplicaRecord } from "../replica-store.js";

export const JOURNAL_HEADER_BYTES = 32;
export const GROUP_HEADER_BYTES = 32;
export const PART_BYTES = 32;
const VERSION = 1;
const FILE_MAGIC = 0x4c4e4a51;
const GROUP_MAGIC = 0x52474a51;
/** The first four bytes of every group, for searching. */
export const GROUP_MAGIC_BYTES: Buffer = Buffer.from("QJGR", "latin1");
const CRC_AT = 28;

/** Entries of one log in a group, one after the other. */
export interface JournalPart extends ReplicaRecord {
  readonly frames: readonly Frame[];
}

/** What a group's table says of a part. */
export interface PartExtent extends ReplicaRecord {
  readonly first: LogIndex;
  readonly count: number;
  readonly bytes: number;
}

export interface GroupExtent {
  readonly group: number;
  readonly parts: readonly PartExtent[];
  /** Where the frames begin and end. */
  readonly bodyAt: number;
  readonly end: number;
}

export interface JournalFileHeader {
  readonly number: number;
  /** 0 for none. */
  readonly follows: number;
}

export function encodeFileHeader({ number, follows }: JournalFileHeader): Buffer {
  const bytes = Buffer.alloc(JOURNAL_HEADER_BYTES);
  bytes.writeUInt32LE(FILE_MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 4);
  writeInt64(bytes, 8, number);
  writeInt64(bytes, 16, follows);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

/** The header, `newer` when a later release wrote it, or undefined when these bytes are not one. */
export function decodeFileHeader(bytes: Buffer): JournalFileHeader | "newer" | undefined {
  if (bytes.length < JOURNAL_HEADER_BYTES || bytes.readUInt32LE(0) !== FILE_MAGIC) return undefined;
  if (bytes.readUInt32LE(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT))) return undefined;
  if (bytes.readUInt32LE(4) !== VERSION) return "newer";
  return { number: readInt64(bytes, 8), follows: readInt64(bytes, 16) };
}

/** What a part takes in a group. @param frameBytes of its frames */
export const partBytes = (frameBytes: number): number => PART_BYTES + frameBytes;

/** Writes a group at the beginning of `into`, which has room for it; returns how many bytes. */
export function encodeGroup(into: Buffer, group: number, parts: readonly JournalPart[]): number {
  const tableEnd = GROUP_HEADER_BYTES + parts.length * PART_BYTES;
  let at = tableEnd;
  let position = 0;
  for (const [i, { replicaSetId: set, replicaId: replica, frames }] of parts.entries()) {
    const [first] = frames;
    assert(first !== undefined, "a part has a frame");
    const begins = at;
    for (const frame of frames) {
      writeFrameHeader(into, at, frame, { group, groupPosition: position });
      at += FRAME_HEADER_BYTES;
      at += frame.body.copy(into, at);
      position += 1;
    }
    writePart(into, GROUP_HEADER_BYTES + i * PART_BYTES, {
      replicaSetId: set,
      replicaId: replica,
      first: first.index,
      count: frames.length,
      bytes: at - begins,
    });
  }
  into.writeUInt32LE(GROUP_MAGIC, 0);
  into.writeUInt32LE(VERSION, 4);
  writeInt64(into, 8, group);
  into.writeUInt32LE(parts.length, 16);
  into.writeUInt32LE(at - tableEnd, 20);
  into.writeUInt32LE(0, 24);
  into.writeUInt32LE(crc32(into.subarray(GROUP_HEADER_BYTES, tableEnd), crc32(into.subarray(0, CRC_AT))), CRC_AT);
  return at;
}

function writePart(into: Buffer, at: number, part: PartExtent): void {
  writeInt64(into, at, part.replicaSetId);
  writeInt64(into, at + 8, part.replicaId);
  writeInt64(into, at + 16, part.first);
  into.writeUInt32LE(part.count, at + 24);
  into.writeUInt32LE(part.bytes, at + 28);
}

/** The group that begins at `at`, by its header and table; undefined when they are not whole. The frames are not looked at, and may end after the bytes do. */
export function readGroup(bytes: Buffer, at: number): GroupExtent | undefined {
  if (bytes.length - at < GROUP_HEADER_BYTES || bytes.readUInt32LE(at) !== GROUP_MAGIC) return undefined;
  const count = bytes.readUInt32LE(at + 16);
  const tableAt = at + GROUP_HEADER_BYTES;
  const bodyAt = tableAt + count * PART_BYTES;
  if (bodyAt > bytes.length) return undefined;
  const checksum = crc32(bytes.subarray(tableAt, bodyAt), crc32(bytes.subarray(at, at + CRC_AT)));
  if (bytes.readUInt32LE(at + CRC_AT) !== checksum) return undefined;
  const parts = Array.from({ length: count }, (_, i) => readPart(bytes, tableAt + i * PART_BYTES));
  return { group: readInt64(bytes, at + 8), parts, bodyAt, end: bodyAt + bytes.readUInt32LE(at + 20) };
}

function readPart(bytes: Buffer, at: number): PartExtent {
  const set: ReplicaSetId = replicaSetId(readInt64(bytes, at));
  const replica: ReplicaId = replicaId(readInt64(bytes, at + 8));
  return {
    replicaSetId: set,
    replicaId: replica,
    first: logIndex(readInt64(bytes, at + 16)),
    count: bytes.readUInt32LE(at + 24),
    bytes: bytes.readUInt32LE(at + 28),
  };
}

/** The frames of a group's parts, with both checksums checked; undefined unless every one of them is whole. Bodies are slices. */
export function readFrames(bytes: Buffer, { parts, bodyAt }: GroupExtent): JournalPart[] | undefined {
  const read: JournalPart[] = [];
  let at = bodyAt;
  for (const { replicaSetId: set, replicaId: replica, first, count } of parts) {
    const frames: Frame[] = [];
    for (let i = 0; i < count; i++) {
      const header = readFrameHeader(bytes, at);
      if (typeof header === "string" || header.index !== first + i) return undefined;
      const body = bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + header.bodyBytes);
      if (!isBodyIntact(header, body)) return undefined;
      frames.push(frameOf(header, body));
      at += FRAME_HEADER_BYTES + header.bodyBytes;
    }
    read.push({ replicaSetId: set, replicaId: replica, frames });
  }
  return read;
}
