import type { DiskRoom } from "../base/disk-room.js";
import type { Clock, Timer } from "../base/ports.js";
import type { Files } from "./files.js";

interface DiskSpaceOptions {
  readonly files: Files;
  readonly folder: string;
  readonly clock: Clock;
  /** Below this many free bytes nothing more is admitted; below half of it no records are taken. */
  readonly reserveBytes: number;
}

/** How old an answer of the file system may be. */
const FRESH_MS = 500;
/** Free bytes at which taking begins again, as a multiple of the bound: otherwise every deleted segment would flip it. */
const RESUME_FACTOR = 1.25;
const NONE_FACTOR = 0.5;

/**
 * Whether there is room for more records. Refusing early keeps the disk from filling up, for a log whose write fails stops for good.
 * Looks at the disk when asked and no more often than that, so an idle broker does nothing; only while there is not enough it looks by
 * itself, since then nobody asks. What was taken since the last look counts as used.
 */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  readonly #watchers = new Set<(room: DiskRoom) => void>();
  #freeBytes = Number.POSITIVE_INFINITY;
  #takenBytes = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #room: DiskRoom = "enough";
  #timer: Timer | undefined;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  get room(): DiskRoom {
    return this.#room;
  }

  /** Whether a leader here may admit so many bytes more; a yes counts them. */
  admits(bytes: number): boolean {
    return this.#takes(bytes, ["enough"]);
  }

  /** Whether so many bytes may be taken that a leader elsewhere has admitted; a yes counts them. */
  takes(bytes: number): boolean {
    return this.#takes(bytes, ["enough", "low"]);
  }

  /** Calls back at each change, until the returned function is called. */
  watch(changed: (room: DiskRoom) => void): () => void {
    this.#watchers.add(changed);
    this.#watchDisk();
    return () => this.#watchers.delete(changed);
  }

  /** Looks now. Call it once before the first record is taken. A file system that does not say is taken to have room. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    this.#watchers.clear();
    this.#timer?.cancel();
  }

  #takes(bytes: number, rooms: readonly DiskRoom[]): boolean {
    if (this.#options.clock.monotonicMs() - this.#lookedMs >= FRESH_MS) this.#lookSoon();
    this.#judge(bytes);
    if (!rooms.includes(this.#room)) return false;
    this.#takenBytes += bytes;
    return true;
  }

  #lookSoon(): void {
    this.look().catch(() => undefined);
  }

  async #look(): Promise<void> {
    const { files, folder, clock } = this.#options;
    this.#lookedMs = clock.monotonicMs();
    const takenBefore = this.#takenBytes;
    try {
      this.#freeBytes = await files.freeBytes(folder);
    } catch {
      this.#freeBytes = Number.POSITIVE_INFINITY;
    }
    this.#takenBytes -= takenBefore;
    this.#judge(0);
  }

  #judge(bytes: number): void {
    const { reserveBytes } = this.#options;
    const leftBytes = this.#freeBytes - this.#takenBytes - bytes;
    const below = (bound: number, isBelow: boolean): boolean => leftBytes < bound * (isBelow ? RESUME_FACTOR : 1);
    const before = this.#room;
    if (below(reserveBytes * NONE_FACTOR, before === "none")) this.#room = "none";
    else this.#room = below(reserveBytes, before !== "enough") ? "low" : "enough";
    this.#watchDisk();
    if (this.#room !== before) for (const changed of [...this.#watchers]) changed(this.#room);
  }

  #watchDisk(): void {
    const isNeeded = this.#room !== "enough" && this.#watchers.size > 0;
    if (isNeeded) this.#timer ??= this.#options.clock.every(FRESH_MS, () => this.#lookSoon());
    else {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
  }
}
