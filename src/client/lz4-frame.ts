/**
 * How much an LZ4 frame holds, found without decompressing it (LZ4 Frame Format 1.6, LZ4 Block Format). The sizes that a frame states of itself
 * are not believed.
 */

const MAGIC = 0x184d2204;
const VERSION = 1;
const UNCOMPRESSED = 0x8000_0000;
/** A byte of a block becomes at most so many: each byte of 255 lengthens a match by as much. */
const GROWTH_MAX = 255;

type BlockBytes = (frame: Buffer, from: number, to: number, blockBytesMax: number) => number;

/**
 * Bytes of the frame's content: never below what there is, and exact where a quick look says more than `enough`.
 *
 * @returns undefined when it is not exactly one whole frame
 */
export function lz4FrameBytes(frame: Buffer, enough: number): number | undefined {
  const quick = sumBlocks(frame, (_, from, to, blockBytesMax) => Math.min(blockBytesMax, (to - from) * GROWTH_MAX));
  return quick === undefined || quick <= enough ? quick : sumBlocks(frame, blockBytes);
}

function sumBlocks(frame: Buffer, bytesOf: BlockBytes): number | undefined {
  if (frame.length < 7 || frame.readUInt32LE(0) !== MAGIC) return undefined;
  const flags = frame[4] ?? 0;
  const sizeCode = ((frame[5] ?? 0) >> 4) & 7;
  if (flags >> 6 !== VERSION || sizeCode < 4) return undefined;
  const blockBytesMax = 1 << (8 + 2 * sizeCode);
  const hasBlockChecksums = (flags & 0x10) !== 0;
  let at = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4);
  let total = 0;
  while (at + 4 <= frame.length) {
    const size = frame.readUInt32LE(at);
    at += 4;
    if (size === 0) return at + ((flags & 0x04) === 0 ? 0 : 4) === frame.length ? total : undefined;
    const bytes = size % UNCOMPRESSED;
    if (bytes > frame.length - at) return undefined;
    total += size >= UNCOMPRESSED ? bytes : bytesOf(frame, at, at + bytes, blockBytesMax);
    at += bytes + (hasBlockChecksums ? 4 : 0);
  }
  return undefined;
}

/** Adds up the lengths of a block's sequences. */
function blockBytes(frame: Buffer, from: number, to: number): number {
  let total = 0;
  let at = from;
  const length = (nibble: number): number => {
    let value = nibble;
    for (let more = nibble === 15; more && at < to; at++) {
      const byte = frame[at] ?? 0;
      value += byte;
      more = byte === 255;
    }
    return value;
  };
  while (at < to) {
    const token = frame[at] ?? 0;
    at += 1;
    const literals = length(token >> 4);
    total += literals;
    at += literals;
    // The last sequence ends with its literals.
    if (at >= to) break;
    at += 2;
    total += length(token & 15) + 4;
  }
  return total;
}
