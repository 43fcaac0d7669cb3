import { FRAME_HEADER_BYTES, FRAME_MAGIC, type FrameHeader, isBodyIntact, readFrameHeader } from "../base/frame-codec.js";
import { MIB } from "../base/limits.js";
import { type OpenFile, readFully } from "./files.js";

const CHUNK_BYTES = MIB;

/** Memory for one chunk after the other: a broker that starts reads gigabytes, and what is made for each would be hundreds of megabytes before it is collected. */
class ChunkBuffer {
  #memory: Buffer = Buffer.alloc(0);

  /** What was read before is no longer there. */
  take(bytes: number): Buffer {
    if (this.#memory.length < bytes) this.#memory = Buffer.allocUnsafeSlow(bytes);
    return this.#memory.subarray(0, bytes);
  }
}

/** `end`: the file ends with a frame. `newer`: a later release wrote what comes. Otherwise what `judge` said, `bad` for anything unreadable. */
export interface ScanEnd {
  readonly position: number;
  readonly why: "end" | "bad" | "stale" | "newer";
}

/** Reads frames from `position` to `size`, with both checksums, as long as `judge` says `next`; it is told only of whole frames. */
export async function scanFrames(
  file: OpenFile,
  { position, size }: { position: number; size: number },
  judge: (header: FrameHeader) => "next" | "stale" | "bad",
  accept: (header: FrameHeader) => void,
): Promise<ScanEnd> {
  const buffer = new ChunkBuffer();
  let at = position;
  let chunk: Buffer = Buffer.alloc(0);
  let chunkAt = position;
  const need = async (bytes: number): Promise<void> => {
    if (at + bytes <= chunkAt + chunk.length || chunkAt + chunk.length >= size) return;
    chunk = await readFully(file, buffer.take(Math.min(Math.max(bytes, CHUNK_BYTES), size - at)), at);
    chunkAt = at;
  };
  while (at < size) {
    await need(FRAME_HEADER_BYTES);
    const header = readFrameHeader(chunk, at - chunkAt);
    if (header === "version") return { position: at, why: "newer" };
    if (typeof header === "string") return { position: at, why: "bad" };
    const verdict = judge(header);
    if (verdict !== "next") return { position: at, why: verdict };
    await need(FRAME_HEADER_BYTES + header.bodyBytes);
    const bodyAt = at - chunkAt + FRAME_HEADER_BYTES;
    if (!isBodyIntact(header, chunk.subarray(bodyAt, bodyAt + header.bodyBytes))) return { position: at, why: "bad" };
    accept(header);
    at += FRAME_HEADER_BYTES + header.bodyBytes;
  }
  return { position: at, why: "end" };
}

/** Every intact header from `position` to `size`, wherever it stands. */
export async function findHeaders(file: OpenFile, { position, size }: { position: number; size: number }, found: (header: FrameHeader) => void): Promise<void> {
  const buffer = new ChunkBuffer();
  let at = position;
  while (at + FRAME_HEADER_BYTES <= size) {
    const chunk = await readFully(file, buffer.take(Math.min(CHUNK_BYTES, size - at)), at);
    for (let hit = chunk.indexOf(FRAME_MAGIC); hit >= 0 && hit + FRAME_HEADER_BYTES <= chunk.length; hit = chunk.indexOf(FRAME_MAGIC, hit + 1)) {
      const header = readFrameHeader(chunk, hit);
      if (typeof header !== "string") found(header);
    }
    if (chunk.length < FRAME_HEADER_BYTES || at + chunk.length >= size) return;
    // A header may stand across the border of two chunks.
    at += chunk.length - (FRAME_HEADER_BYTES - 1);
  }
}
