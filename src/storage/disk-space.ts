import type { Clock } from "../base/ports.js";
import type { Files } from "./files.js";

interface DiskSpaceOptions {
  readonly files: Files;
  readonly folder: string;
  readonly clock: Clock;
  /** Below this many free bytes nothing more is taken. */
  readonly reserveBytes: number;
}

/** How old an answer of the file system may be. */
const FRESH_MS = 500;
/** Free bytes at which taking begins again, as a multiple of the reserve: otherwise every deleted segment would flip it. */
const RESUME_FACTOR = 1.25;

/**
 * Whether there is room for more records. Refusing early keeps the disk from filling up, for a log whose write fails stops for good.
 * Looks at the disk when asked and no more often than that, so an idle broker does nothing; what was admitted since the last
 * look counts as used.
 */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  #freeBytes = Number.POSITIVE_INFINITY;
  #admittedBytes = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #isFull = false;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** Whether `bytes` more may be taken; a yes counts them. */
  hasRoom(bytes = 0): boolean {
    if (this.#options.clock.monotonicMs() - this.#lookedMs >= FRESH_MS) this.#lookSoon();
    const left = this.#freeBytes - this.#admittedBytes - bytes;
    this.#isFull = left < this.#options.reserveBytes * (this.#isFull ? RESUME_FACTOR : 1);
    if (!this.#isFull) this.#admittedBytes += bytes;
    return !this.#isFull;
  }

  /** Looks now. Call it once before the first record is taken. A file system that does not say is taken to have room. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  #lookSoon(): void {
    this.look().catch(() => undefined);
  }

  async #look(): Promise<void> {
    const { files, folder, clock } = this.#options;
    this.#lookedMs = clock.monotonicMs();
    const admittedBefore = this.#admittedBytes;
    try {
      this.#freeBytes = await files.freeBytes(folder);
    } catch {
      this.#freeBytes = Number.POSITIVE_INFINITY;
    }
    this.#admittedBytes -= admittedBefore;
  }
}
