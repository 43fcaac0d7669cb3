/** Frames in memory as the bytes that they are on disk. Whoever reads one gets a copy, so nobody sees it change when the memory is used again. */
import { assert } from "../base/assert.js";
import type { Frame } from "../base/frame.js";
import { FRAME_HEADER_BYTES, type FrameHeader, frameOf, readFrameHeader, writeFrameHeader } from "../base/frame-codec.js";

export function writeFrame(into: Buffer, at: number, frame: Frame): void {
  writeFrameHeader(into, at, frame);
  frame.body.copy(into, at + FRAME_HEADER_BYTES);
}

export function headerAt(from: Buffer, at: number): FrameHeader {
  const header = readFrameHeader(from, at);
  assert(typeof header !== "string", () => `memory was damaged: a frame's header has a wrong ${String(header)}`);
  return header;
}

export function frameAt(from: Buffer, at: number): Frame {
  const header = headerAt(from, at);
  const body = Buffer.allocUnsafe(header.bodyBytes);
  from.copy(body, 0, at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + header.bodyBytes);
  return frameOf(header, body);
}
