import { FRAME_HEADER_BYTES, type FrameHeader, type HeaderProblem, readFrameHeader } from "../base/frame-codec.js";
import { KIB } from "../base/limits.js";
import { type OpenFile, readFully } from "./files.js";

/** Read at once while walking over headers. */
const WALK_BYTES = 128 * KIB;

/** Where a walk came to its end: past the last frame, or at bytes that are not the header it expected. */
export interface WalkEnd {
  readonly position: number;
  readonly problem: HeaderProblem | "end" | "stopped";
}

/**
 * Walks from header to header in a file, from `position` to `end`. Bodies are not looked at. `visit` returns false to stop, at
 * the frame it was given.
 */
export async function walkHeaders(
  file: OpenFile,
  { position, end }: { position: number; end: number },
  visit: (header: FrameHeader, position: number) => boolean,
): Promise<WalkEnd> {
  let at = position;
  let chunk: Buffer = Buffer.alloc(0);
  let chunkAt = position;
  while (at < end) {
    if (at + FRAME_HEADER_BYTES > chunkAt + chunk.length) {
      chunkAt = at;
      chunk = await readFully(file, Buffer.allocUnsafe(Math.min(WALK_BYTES, end - at)), at);
    }
    const header = readFrameHeader(chunk, at - chunkAt);
    if (typeof header === "string") return { position: at, problem: header };
    if (!visit(header, at)) return { position: at, problem: "stopped" };
    at += FRAME_HEADER_BYTES + header.bodyBytes;
  }
  return { position: at, problem: "end" };
}
