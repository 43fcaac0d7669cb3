/**
 * Large reads past the page cache, where system and file system have that: of what was written long ago and is read from its beginning to its end. Its
 * pages would push out those of others, and on virtual machines fresh pages are slow: copying out of them was a sixth of all processor time of a cluster that
 * was read from the start (`perf record`).
 */
import fs from "node:fs";
import { BLOCK_BYTES, DirectDescriptor, Stages } from "./direct-file.js";

/** Below that the system's reading ahead is worth more than what its cache costs. */
export const DIRECT_READ_BYTES_MIN = 128 * 1_024;
/** Of one process: a message to a consumer and what is read beside it. Whoever finds none free reads through the cache. */
const stages = new Stages(4, 17 * 64 * 1_024);

/** The large reads of one open file. */
export class DirectReader {
  readonly #descriptor: DirectDescriptor;

  /** @param file its descriptor */
  constructor(file: number) {
    this.#descriptor = new DirectDescriptor(file, fs.constants.O_RDONLY);
  }

  /** Whether so many bytes are worth it, and it can be done. */
  isFor(bytes: number): boolean {
    return bytes >= DIRECT_READ_BYTES_MIN && this.#descriptor.get() !== undefined;
  }

  /**
   * Reads as many of the bytes as there is room for beside those before them in their block.
   *
   * @param otherwise called when it cannot be done after all
   */
  read(into: Buffer, position: number, done: (error: Error | null, bytesRead: number) => void, otherwise: () => void): void {
    const descriptor = this.#descriptor.get();
    const stage = descriptor === undefined ? undefined : stages.take();
    if (descriptor === undefined || stage === undefined) return otherwise();
    const before = position % BLOCK_BYTES;
    const blocks = Math.ceil((before + into.length) / BLOCK_BYTES);
    fs.read(descriptor, stage, 0, Math.min(blocks * BLOCK_BYTES, stage.length), position - before, (error, read) => {
      // The file may end within the block, before the position too.
      const bytes = error === null ? Math.max(0, Math.min(read - before, into.length)) : 0;
      stage.copy(into, 0, before, before + bytes);
      stages.give(stage);
      if (error?.code !== "EINVAL") return done(error, bytes);
      this.#descriptor.giveUp();
      return otherwise();
    });
  }

  /** With the file, which no read is under way from. */
  close(): void {
    this.#descriptor.close();
  }
}
