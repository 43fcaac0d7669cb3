/**
 * Large writes past the page cache (O_DIRECT), where system and file system have that. What is written to a log is read again from memory at once or much
 * later, so its pages in the cache help nobody; on virtual machines, making them is most of what a write costs (`scripts/bench/RESULTS.md`).
 *
 * Only whole blocks go this way, copied into memory that is aligned as the system demands. The bytes before the first and after the last whole block
 * are written through the cache as ever, so the file's length is exact, and no block is written in both ways at a time.
 */
import fs from "node:fs";

/** Of memory, position and length. The largest that common devices ask for. */
export const BLOCK_BYTES = 4_096;
/** From here on a write costs less this way, though it takes up to three calls. */
export const DIRECT_BYTES_MIN = 128 * 1_024;
const STAGE_BYTES = 1_024 * 1_024;
/** Of one process. Whoever finds none free writes through the cache. */
const STAGES_MAX = 8;
const WASM_PAGE_BYTES = 65_536;

/** As much of it as is used: its types belong to those of browsers. */
declare const WebAssembly: { Memory: new (limits: { initial: number; maximum: number }) => { buffer: ArrayBuffer } };

let free: Buffer[] | undefined;

function takeStage(): Buffer | undefined {
  free ??= makeStages();
  return free.pop();
}

/** WebAssembly's memory begins at a page of the system's, which Buffers do not. None where the process may not reserve the address space for it. */
function makeStages(): Buffer[] {
  try {
    const pages = (STAGES_MAX * STAGE_BYTES) / WASM_PAGE_BYTES;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return Array.from({ length: STAGES_MAX }, (_, at) => Buffer.from(buffer, at * STAGE_BYTES, STAGE_BYTES));
  } catch {
    return [];
  }
}

/** The large writes of one open file. */
export class DirectWriter {
  readonly #file: number;
  /** Opened with the first large write, which does not wait for it. `none`: not to be had here. */
  #descriptor: number | "unopened" | "opening" | "none" = fs.constants.O_DIRECT === undefined ? "none" : "unopened";
  #isClosed = false;

  /** @param file its descriptor */
  constructor(file: number) {
    this.#file = file;
  }

  /** Whether so many bytes are worth it, and it can be done. */
  isFor(bytes: number): boolean {
    if (bytes < DIRECT_BYTES_MIN) return false;
    if (this.#descriptor === "unopened") this.#open();
    return typeof this.#descriptor === "number";
  }

  /**
   * Writes the first whole blocks of the chunks, as many as there is room for.
   *
   * @param position where a block begins
   * @param otherwise called when it cannot be done after all, and nothing was tried
   */
  write(chunks: readonly Buffer[], position: number, done: (error: Error | null, bytesWritten: number) => void, otherwise: () => void): void {
    const stage = typeof this.#descriptor === "number" ? takeStage() : undefined;
    if (typeof this.#descriptor !== "number" || stage === undefined) return otherwise();
    const bytes = gather(chunks, stage);
    fs.write(this.#descriptor, stage, 0, bytes - (bytes % BLOCK_BYTES), position, (error, written) => {
      free?.push(stage);
      if (error?.code !== "EINVAL") return done(error, written);
      // Refused as such: this file system demands more than whole blocks of this size.
      this.#closeOwn();
      return otherwise();
    });
  }

  /** With the file, which no write is under way to. */
  close(): void {
    this.#isClosed = true;
    this.#closeOwn();
  }

  /** By descriptor: another file may have the path by now. */
  #open(): void {
    this.#descriptor = "opening";
    fs.open(`/proc/self/fd/${this.#file}`, fs.constants.O_WRONLY | fs.constants.O_DIRECT, (error, descriptor) => {
      this.#descriptor = error === null ? descriptor : "none";
      if (this.#isClosed) this.#closeOwn();
    });
  }

  #closeOwn(): void {
    if (typeof this.#descriptor === "number") fs.close(this.#descriptor, () => {});
    if (this.#descriptor !== "opening") this.#descriptor = "none";
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
