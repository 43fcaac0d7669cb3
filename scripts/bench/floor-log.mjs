// What `floor.mjs` and `floor-many.mjs` have in the place of a log.
import { fdatasync, openSync, writev } from "node:fs";
import { crc32 } from "node:zlib";

/** Replicas that must have a record on disk, of three. */
export const WRITE_QUORUM = 2;

/** How many records are on disk now that were not before, as an answer of four bytes. */
export const counted = (count) => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(count);
  return bytes;
};

/** A file to which batches are appended in groups: one write and one sync under way, what comes meanwhile is the next group. */
export class FloorLog {
  #descriptor;
  #isSynced;
  #onDurable;
  #waiting = [];
  #isBusy = false;

  /** @param onDurable told how many more batches, in the order of `append` */
  constructor(file, isSynced, onDurable) {
    this.#descriptor = openSync(file, "wx");
    this.#isSynced = isSynced;
    this.#onDurable = onDurable;
  }

  append(batch) {
    crc32(batch);
    this.#waiting.push(batch);
    if (!this.#isBusy) this.#writeGroup();
  }

  #writeGroup() {
    const group = this.#waiting;
    this.#waiting = [];
    this.#isBusy = true;
    writev(this.#descriptor, group, null, (error) => {
      if (error) throw error;
      if (!this.#isSynced) this.#isDurable(null, group.length);
      else fdatasync(this.#descriptor, (syncError) => this.#isDurable(syncError, group.length));
    });
  }

  #isDurable(error, count) {
    if (error) throw error;
    this.#isBusy = false;
    this.#onDurable(count);
    if (this.#waiting.length > 0) this.#writeGroup();
  }
}
