import { indexPlus, type LogIndex, logIndex } from "../../../src/base/ids.js";
import type { LogPosition } from "../../../src/consensus/types.js";
import type { EntryFacts } from "./observations.js";

/** An entry that was in some replica's log. */
export interface KnownEntry extends EntryFacts {
  /** Of everything from the first entry to this one. */
  readonly prefix: number;
  /** Another entry of the same index, of another term. */
  readonly other: KnownEntry | undefined;
}

/**
 * Every entry that ever was in any log of a replica set. A log index and a term name one entry and all that is before it (log
 * matching), so one hash per entry stands for a whole log, and two logs are compared by looking at one entry of each.
 */
export class KnownEntries {
  readonly #entries = new Map<LogIndex, KnownEntry>();
  #first = logIndex(0);

  /** Entries below this are forgotten. */
  get first(): LogIndex {
    return this.#first;
  }

  find({ index, term }: LogPosition): KnownEntry | undefined {
    let known = this.#entries.get(index);
    while (known !== undefined && known.term !== term) known = known.other;
    return known;
  }

  /** The hash of everything through `at`; undefined where it is not known. */
  prefixAt(at: LogPosition): number | undefined {
    return at.index === 0 ? 0 : this.find(at)?.prefix;
  }

  /** Takes an entry that follows `before` in a log. Returns what the same index and term was before, if it was something else. */
  add(entry: EntryFacts, before: LogPosition): KnownEntry | undefined {
    const known = this.find(entry);
    const prefixBefore = this.prefixAt(before);
    // What was before is forgotten: then only the bytes can be compared.
    const prefix = prefixBefore === undefined ? (known?.prefix ?? 0) : mixed(mixed(prefixBefore, entry.term), entry.digest);
    if (known !== undefined) return known.digest === entry.digest && known.prefix === prefix ? undefined : known;
    const { index, term, kind, baseOffset, endOffset, digest, bodyCrc32, trimsBefore, producer, forgets } = entry;
    const other = this.#entries.get(index);
    this.#entries.set(index, { index, term, kind, baseOffset, endOffset, digest, bodyCrc32, trimsBefore, producer, forgets, prefix, other });
    return undefined;
  }

  /** Nobody has anything below `index` any more. */
  forgetBelow(index: LogIndex): void {
    while (this.#first < index) {
      this.#entries.delete(this.#first);
      this.#first = indexPlus(this.#first, 1);
    }
  }
}

/** One step of a hash with good diffusion of 32 bits (the finalizer of MurmurHash3, Austin Appleby, public domain). */
export function mixed(hash: number, value: number): number {
  let mix = Math.imul(hash, 31) + (value >>> 0) + Math.floor(value / 2 ** 32);
  mix = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}
