/** What reading and writing past the page cache (O_DIRECT) have in common: a second descriptor of the file, and memory that is aligned as the system demands. */
import fs from "node:fs";

/** Of memory, position and length. The largest that common devices ask for. */
export const BLOCK_BYTES = 4_096;
const WASM_PAGE_BYTES = 65_536;

/** As much of it as is used: its types belong to those of browsers. */
declare const WebAssembly: { Memory: new (limits: { initial: number; maximum: number }) => { buffer: ArrayBuffer } };

/** Aligned memory of one process, in a few pieces of equal length, made when it is first wanted. */
export class Stages {
  readonly #count: number;
  readonly #bytes: number;
  #free: Buffer[] | undefined;

  /** @param bytes of each, whole pages of 64 KiB */
  constructor(count: number, bytes: number) {
    this.#count = count;
    this.#bytes = bytes;
  }

  /** One that nobody has, to be given back. */
  take(): Buffer | undefined {
    this.#free ??= makeStages(this.#count, this.#bytes);
    return this.#free.pop();
  }

  give(stage: Buffer): void {
    this.#free?.push(stage);
  }
}

/** WebAssembly's memory begins at a page of the system's, which Buffers do not. None where the process may not reserve the address space for it. */
function makeStages(count: number, bytes: number): Buffer[] {
  try {
    const pages = (count * bytes) / WASM_PAGE_BYTES;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return Array.from({ length: count }, (_, at) => Buffer.from(buffer, at * bytes, bytes));
  } catch {
    return [];
  }
}

/** A second descriptor of an open file, that goes past the page cache. */
export class DirectDescriptor {
  readonly #file: number;
  readonly #access: number;
  /** Opened when it is first asked for, which does not wait for it. `none`: not to be had here. */
  #descriptor: number | "unopened" | "opening" | "none" = fs.constants.O_DIRECT === undefined ? "none" : "unopened";
  #isClosed = false;
  #isRefused = false;

  /**
   * @param file its first descriptor
   * @param access O_RDONLY or O_WRONLY
   */
  constructor(file: number, access: number) {
    this.#file = file;
    this.#access = access;
  }

  get(): number | undefined {
    if (this.#descriptor === "unopened") this.#open();
    return typeof this.#descriptor === "number" && !this.#isRefused ? this.#descriptor : undefined;
  }

  /** There is none from now on: the file system refuses what is asked of it. Others may be using it at the moment, so it stays open until `close`. */
  giveUp(): void {
    this.#isRefused = true;
  }

  /** With the file, while nothing is under way. */
  close(): void {
    this.#isClosed = true;
    if (typeof this.#descriptor === "number") fs.close(this.#descriptor, () => {});
    if (this.#descriptor !== "opening") this.#descriptor = "none";
  }

  /** By descriptor: another file may have the path by now. */
  #open(): void {
    this.#descriptor = "opening";
    fs.open(`/proc/self/fd/${this.#file}`, this.#access | fs.constants.O_DIRECT, (error, descriptor) => {
      this.#descriptor = error === null ? descriptor : "none";
      if (this.#isClosed) this.close();
    });
  }
}
