import { logIndex, type Term } from "../../../src/base/ids.js";
import type { LogPosition } from "../../../src/consensus/types.js";
import { GROUP_HEADER_BYTES, JOURNAL_HEADER_BYTES, PART_BYTES, readFrames, readGroup } from "../../../src/storage/journal/journal-codec.js";
import { fileOf, journalName, keyOf } from "../../../src/storage/journal/journal-names.js";
import type { ReplicaRecord } from "../../../src/storage/replica-store.js";

/** A disk that tells what is there after any power cut. */
export interface TellingDisk {
  paths(): readonly string[];
  /** These bytes of the file; undefined unless they are there after any power cut. */
  durableBytes(path: string, from: number, to: number): Buffer | undefined;
}

/**
 * Asks the disk, not the journal, which entries of its logs are on it. Groups are read once, when the disk has them, in files that one process
 * of a broker makes; what is in them stays in the logs' own files when they are removed.
 */
export class DurableJournal {
  readonly #disk: TellingDisk;
  readonly #folder: string;
  readonly #entries = new Map<string, Map<number, Term>>();
  #file: number;
  #at = JOURNAL_HEADER_BYTES;

  /** Before the process makes its first file. */
  constructor(disk: TellingDisk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
    const before = disk.paths().filter((path) => path.startsWith(`${folder}/`));
    this.#file = 1 + Math.max(0, ...before.map((path) => fileOf(path.slice(folder.length + 1))));
  }

  has(record: ReplicaRecord, { index, term }: LogPosition): boolean {
    this.#read();
    return this.#entries.get(keyOf(record))?.get(index) === term;
  }

  /** The log removes entries from `from` on: if it has the same ones again, that is for the disk to say. */
  cut(record: ReplicaRecord, from: number): void {
    this.#read();
    const entries = this.#entries.get(keyOf(record));
    for (const index of entries?.keys() ?? []) if (index >= from) entries?.delete(index);
  }

  #read(): void {
    for (;;) {
      const path = `${this.#folder}/${journalName(this.#file)}`;
      if (this.#readGroup(path)) continue;
      if (this.#disk.durableBytes(`${this.#folder}/${journalName(this.#file + 1)}`, 0, JOURNAL_HEADER_BYTES + GROUP_HEADER_BYTES) === undefined) return;
      this.#file += 1;
      this.#at = JOURNAL_HEADER_BYTES;
    }
  }

  #readGroup(path: string): boolean {
    const header = this.#disk.durableBytes(path, this.#at, this.#at + GROUP_HEADER_BYTES);
    if (header === undefined) return false;
    const length = GROUP_HEADER_BYTES + header.readUInt32LE(16) * PART_BYTES + header.readUInt32LE(20);
    const bytes = this.#disk.durableBytes(path, this.#at, this.#at + length);
    const group = bytes && readGroup(bytes, 0);
    const parts = group && bytes && readFrames(bytes, group);
    if (parts === undefined) return false;
    this.#at += length;
    for (const part of parts) {
      const entries = this.#entries.get(keyOf(part)) ?? new Map<number, Term>();
      this.#entries.set(keyOf(part), entries);
      for (const { index, term } of part.frames) entries.set(logIndex(index), term);
    }
    return true;
  }
}
