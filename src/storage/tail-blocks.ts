import { assert } from "../base/assert.js";
import type { Frame } from "../base/frame.js";
import type { FrameHeader } from "../base/frame-codec.js";
import { frameBytes } from "../base/frame-codec.js";
import { KIB } from "../base/limits.js";
import { frameAt, headerAt, writeFrame } from "./tail-bytes.js";

const BLOCK_BYTES = 512 * KIB;
/** Kept for the next frames; more would keep what a burst took. */
const SPARE_MAX = 4;

interface Block {
  readonly memory: Buffer;
  /** Frames that are not given up. */
  frames: number;
}

/**
 * Frames as bytes until each is given up, however long that takes: a hundred objects in the place of a hundred thousand, which V8 would look
 * through again and again. A block goes, or is used again, when its last frame is given up; logs give them up about in the order in which they came.
 */
export class TailBlocks {
  readonly #blocks = new Map<number, Block>();
  readonly #spare: Buffer[] = [];
  /** Where the next frame goes, counted over all blocks there ever were. */
  #head = 0;

  /** Bytes of all blocks that hold frames. */
  get bytes(): number {
    return this.#blocks.size * BLOCK_BYTES;
  }

  /** Copies a frame; returns its position, or undefined when it is larger than a block. */
  put(frame: Frame): number | undefined {
    const bytes = frameBytes(frame);
    if (bytes > BLOCK_BYTES) return undefined;
    const left = BLOCK_BYTES - (this.#head % BLOCK_BYTES);
    if (bytes > left) this.#moveOn(left);
    const position = this.#head;
    const number = Math.floor(position / BLOCK_BYTES);
    let block = this.#blocks.get(number);
    if (block === undefined) {
      block = { memory: this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES), frames: 0 };
      this.#blocks.set(number, block);
    }
    writeFrame(block.memory, position % BLOCK_BYTES, frame);
    block.frames += 1;
    this.#head += bytes;
    return position;
  }

  header(position: number): FrameHeader {
    return headerAt(this.#blockOf(position).memory, position % BLOCK_BYTES);
  }

  frame(position: number): Frame {
    return frameAt(this.#blockOf(position).memory, position % BLOCK_BYTES);
  }

  /** It is read no more. */
  giveUp(position: number): void {
    const block = this.#blockOf(position);
    block.frames -= 1;
    const number = Math.floor(position / BLOCK_BYTES);
    if (block.frames > 0 || number === Math.floor(this.#head / BLOCK_BYTES)) return;
    this.#free(number, block);
  }

  #moveOn(left: number): void {
    const number = Math.floor(this.#head / BLOCK_BYTES);
    const block = this.#blocks.get(number);
    this.#head += left;
    if (block?.frames === 0) this.#free(number, block);
  }

  #free(number: number, { memory }: Block): void {
    this.#blocks.delete(number);
    if (this.#spare.length < SPARE_MAX) this.#spare.push(memory);
  }

  #blockOf(position: number): Block {
    const block = this.#blocks.get(Math.floor(position / BLOCK_BYTES));
    assert(block !== undefined, "a frame that was given up is not read");
    return block;
  }
}
