/**
 * Large writes past the page cache, where system and file system have that. What is written to a log is read again from memory at once or much
 * later, so its pages in the cache help nobody; on virtual machines, making them is most of what a write costs (`scripts/bench/RESULTS.md`).
 *
 * Only whole blocks go this way, copied into aligned memory. The bytes before the first and after the last whole block are written through the cache as
 * ever, so the file's length is exact, and no block is written in both ways at a time.
 */
import fs from "node:fs";
import { BLOCK_BYTES, DirectDescriptor, Stages } from "./direct-file.js";

/** From here on a write costs less this way, though it takes up to three calls. */
export const DIRECT_BYTES_MIN = 128 * 1_024;
/** Of one process. Whoever finds none free writes through the cache. */
const stages = new Stages(8, 1_024 * 1_024);

/** The large writes of one open file. */
export class DirectWriter {
  readonly #descriptor: DirectDescriptor;

  /** @param file its descriptor */
  constructor(file: number) {
    this.#descriptor = new DirectDescriptor(file, fs.constants.O_WRONLY);
  }

  /** Whether so many bytes are worth it, and it can be done. */
  isFor(bytes: number): boolean {
    return bytes >= DIRECT_BYTES_MIN && this.#descriptor.get() !== undefined;
  }

  /**
   * Writes the first whole blocks of the chunks, as many as there is room for.
   *
   * @param position where a block begins
   * @param otherwise called when it cannot be done after all, and nothing was tried
   */
  write(chunks: readonly Buffer[], position: number, done: (error: Error | null, bytesWritten: number) => void, otherwise: () => void): void {
    const descriptor = this.#descriptor.get();
    const stage = descriptor === undefined ? undefined : stages.take();
    if (descriptor === undefined || stage === undefined) return otherwise();
    const bytes = gather(chunks, stage);
    fs.write(descriptor, stage, 0, bytes - (bytes % BLOCK_BYTES), position, (error, written) => {
      stages.give(stage);
      if (error?.code !== "EINVAL") return done(error, written);
      // Refused as such: this file system demands more than whole blocks of this size.
      this.#descriptor.giveUp();
      return otherwise();
    });
  }

  /** With the file, which no write is under way to. */
  close(): void {
    this.#descriptor.close();
  }
}

/** Fills the stage with the first bytes of the chunks; returns how many. */
function gather(chunks: readonly Buffer[], stage: Buffer): number {
  let at = 0;
  for (const chunk of chunks) {
    at += chunk.copy(stage, at);
    if (at === stage.length) break;
  }
  return at;
}
