import { assert } from "../base/assert.js";
import type { Frame } from "../base/frame.js";
import { FRAME_HEADER_BYTES, type FrameHeader, frameBytes, frameOf, readFrameHeader, writeFrameHeader } from "../base/frame-codec.js";

/**
 * One block of memory, made once, into which frames are copied one after the other, the newest over the oldest. A position only rises and is a
 * frame's for ever; whoever keeps one asks whether it `holds`. What is read is a copy, so nobody sees a frame change under its hands.
 */
export class TailRing {
  readonly bytes: number;
  #memory: Buffer | undefined;
  /** Where the next frame goes, counted over all laps. */
  #head = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** Raised when the writing begins at the front of the block again. */
  get lap(): number {
    return Math.floor(this.#head / this.bytes);
  }

  /** Whether the frame that was put there is still there. */
  holds(position: number): boolean {
    return position >= this.#head - this.bytes;
  }

  /** Copies a frame; returns its position, or undefined when it is larger than the block. */
  put(frame: Frame): number | undefined {
    const bytes = frameBytes(frame);
    if (bytes > this.bytes) return undefined;
    this.#memory ??= Buffer.allocUnsafeSlow(this.bytes);
    const left = this.bytes - (this.#head % this.bytes);
    if (bytes > left) this.#head += left;
    const position = this.#head;
    const at = position % this.bytes;
    writeFrameHeader(this.#memory, at, frame);
    frame.body.copy(this.#memory, at + FRAME_HEADER_BYTES);
    this.#head += bytes;
    return position;
  }

  header(position: number): FrameHeader {
    assert(this.#memory !== undefined && this.holds(position), "a frame that was overwritten is not read");
    const header = readFrameHeader(this.#memory, position % this.bytes);
    assert(typeof header !== "string", () => `memory was damaged: a frame's header has a wrong ${String(header)}`);
    return header;
  }

  frame(position: number): Frame {
    const header = this.header(position);
    const at = (position % this.bytes) + FRAME_HEADER_BYTES;
    const body = Buffer.allocUnsafe(header.bodyBytes);
    this.#memory?.copy(body, 0, at, at + header.bodyBytes);
    return frameOf(header, body);
  }
}
