import { assert } from "../base/assert.js";
import type { Frame } from "../base/frame.js";
import { type FrameHeader, frameBytes } from "../base/frame-codec.js";
import { frameAt, headerAt, writeFrame } from "./tail-bytes.js";

/**
 * One block of memory, made once, into which frames are copied one after the other, the newest over the oldest. A position only rises and is a
 * frame's for ever; whoever keeps one asks whether it `holds`.
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
    writeFrame(this.#memory, position % this.bytes, frame);
    this.#head += bytes;
    return position;
  }

  header(position: number): FrameHeader {
    return headerAt(this.#held(position), position % this.bytes);
  }

  frame(position: number): Frame {
    return frameAt(this.#held(position), position % this.bytes);
  }

  #held(position: number): Buffer {
    assert(this.#memory !== undefined && this.holds(position), "a frame that was overwritten is not read");
    return this.#memory;
  }
}
