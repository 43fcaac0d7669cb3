import type { Doubt } from "../consensus/types.js";
import { decodeCheckedJson, encodeCheckedJson } from "./checked-json.js";
import { type Files, replaceFile } from "./files.js";
import type { LogStateImage } from "./log-state.js";

/**
 * What is known to be on disk: everything in this image is synced, ends where it says, and nothing after it of a group at
 * or below `group` is wanted. So writing a checkpoint is also what makes a truncation last: it takes effect at once,
 * and removing the bytes is cleaning up.
 */
export interface Checkpoint extends LogStateImage {
  readonly format: number;
  /** Number of the last group commit that was synced. */
  readonly group: number;
  /** The last segment's offset index; null when it is in a file of its own. */
  readonly index: readonly number[] | null;
  readonly doubt?: Doubt;
  /**
   * Present while entries are acknowledged before they are synced (flush mode `interval`): the boot of the machine in
   * which that began, empty when unknown. After another boot, entries that were acknowledged may be gone.
   */
  readonly deferredIn?: string;
  /** Of the groups of the broker's journal through this number nothing is wanted: the log was cut, or made, after them. Absent for 0. */
  readonly voidThrough?: number;
}

export const CHECKPOINT_FORMAT = 1;
export const CHECKPOINT_NAME = "checkpoint";
/** A checkpoint of the last moment that can be trusted, left by a failed write or sync; see `group-commit.ts`. */
export const FAILED_NAME = "failed";
/** An empty file, left when a log could not be opened: if a sync failed, memory may show what is not on disk; see `open-log.ts`. */
export const UNSURE_NAME = "unsure";

export const encodeCheckpoint = (checkpoint: Checkpoint): Buffer => encodeCheckedJson(checkpoint);

/** The checkpoint, `newer` when a later release wrote it, or undefined when it is damaged. */
export function decodeCheckpoint(bytes: Buffer): Checkpoint | "newer" | undefined {
  const value = decodeCheckedJson(bytes) as Checkpoint | undefined;
  if (value === undefined) return undefined;
  return value.format === CHECKPOINT_FORMAT ? value : "newer";
}

/** Writes checkpoints one at a time; requests made while one is being written share the next. */
export class CheckpointFile {
  readonly #files: Files;
  readonly #folder: string;
  readonly #image: () => Checkpoint;
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  /** Bytes of the last one written. */
  size = 0;

  /** `image` is called when writing begins, so that a checkpoint never is older than the request for it. */
  constructor(files: Files, folder: string, image: () => Checkpoint) {
    this.#files = files;
    this.#folder = folder;
    this.#image = image;
  }

  /** On disk when it resolves. After a failure every later one fails as well: what is on disk is no longer known. */
  write(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      this.#running = this.#writeNow();
      return this.#running;
    });
    return this.#next;
  }

  async #writeNow(): Promise<void> {
    const bytes = encodeCheckpoint(this.#image());
    this.size = bytes.length;
    await replaceFile(this.#files, this.#folder, CHECKPOINT_NAME, bytes);
  }
}
