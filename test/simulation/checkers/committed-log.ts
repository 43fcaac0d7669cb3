import { EntryKind } from "../../../src/base/entry-kind.js";
import { indexPlus, type LogIndex, logIndex, type Offset, offset, type Term, term } from "../../../src/base/ids.js";
import type { LogPosition } from "../../../src/consensus/types.js";
import { CommittedProducers } from "./committed-producers.js";
import type { KnownEntries, KnownEntry } from "./known-entries.js";
import { ReplicaLog } from "./replica-log.js";

const BEGINNING: LogPosition = { index: logIndex(0), term: term(0) };

/** What is committed: one log, which only grows. */
export class CommittedLog {
  readonly #log = new ReplicaLog({ start: BEGINNING, lastIndex: BEGINNING.index, termRuns: [] });
  /** Through where, by the leaders of which term: both rise. */
  readonly #ends: { readonly by: Term; through: LogIndex }[] = [];
  readonly producers = new CommittedProducers();
  readonly #byOffset = new Map<Offset, LogIndex>();
  #trimmedBefore = offset(0);

  get last(): LogPosition {
    return this.#log.last;
  }

  /** Offsets below this may be gone. */
  get trimmedBefore(): Offset {
    return this.#trimmedBefore;
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#log.termAt(index);
  }

  /** The last entry that leaders of terms below `next` committed: the least that a leader of that term must have. */
  lastBefore(next: Term): LogPosition {
    const end = this.#ends.findLast(({ by }) => by < next);
    if (end === undefined) return BEGINNING;
    return { index: end.through, term: this.#log.termAt(end.through) ?? term(0) };
  }

  /** The entry of records that begins at `baseOffset`. */
  indexOfOffset(baseOffset: Offset): LogIndex | undefined {
    return this.#byOffset.get(baseOffset);
  }

  extend(entry: KnownEntry, by: Term): void {
    this.#log.append(entry);
    const end = this.#ends.at(-1);
    // Who commits late, of a term that is over, commits what the later leader had from the beginning.
    if (end !== undefined && end.by >= by) end.through = entry.index;
    else this.#ends.push({ by, through: entry.index });
    if (entry.kind === EntryKind.records) this.#byOffset.set(entry.baseOffset, entry.index);
    if (entry.trimsBefore !== undefined && entry.trimsBefore > this.#trimmedBefore) this.#trimmedBefore = entry.trimsBefore;
  }

  /** The offsets of entries below `index` are asked for no more. */
  forgetBelow(index: LogIndex, known: KnownEntries): void {
    for (let at = known.first; at < index; at = indexPlus(at, 1)) {
      const entry = known.find({ index: at, term: this.#log.termAt(at) ?? term(0) });
      if (entry !== undefined) this.#byOffset.delete(entry.baseOffset);
    }
  }
}
