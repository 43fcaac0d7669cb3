import { assert } from "../base/assert.js";
import { indexPlus, type LogIndex, logIndex, type Term } from "../base/ids.js";
import type { LogPosition, TermRun } from "./types.js";

/** Negative when `a` is the less up-to-date end of a log: last terms first, then last indexes (rule 4). */
export const compareLogs = (a: LogPosition, b: LogPosition): number => a.term - b.term || a.index - b.index;

export interface LogViewOptions {
  readonly start: LogPosition;
  readonly lastIndex: LogIndex;
  readonly runs: readonly TermRun[];
}

/**
 * All that consensus needs to know of a log: where it begins and ends, how far it is on disk, and the term of every
 * entry, as runs. Appending within a term costs nothing, and looking up a recent term costs one comparison.
 */
export class LogView {
  #start: LogPosition;
  #lastIndex: LogIndex;
  #syncedIndex: LogIndex;
  #runs: TermRun[];

  /** @throws InvariantError when the runs do not cover start+1 to last with rising terms */
  constructor({ start, lastIndex, runs }: LogViewOptions) {
    assert(lastIndex >= start.index, "a log does not end before it starts");
    assert((runs[0]?.first ?? lastIndex + 1) === start.index + 1, "term runs begin right after the log start");
    assert((runs.at(-1)?.first ?? lastIndex) <= lastIndex, "the last term run begins within the log");
    let previous: TermRun = { term: start.term, first: start.index };
    for (const run of runs) {
      assert(run.first > previous.first && run.term >= previous.term, "term runs rise");
      previous = run;
    }
    this.#start = start;
    this.#lastIndex = lastIndex;
    this.#syncedIndex = lastIndex;
    this.#runs = [...runs];
  }

  /** Just before the first entry. */
  get start(): LogPosition {
    return this.#start;
  }
  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }
  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? this.#start.term;
  }
  get last(): LogPosition {
    return { index: this.#lastIndex, term: this.lastTerm };
  }
  /** Entries through here are on disk. */
  get syncedIndex(): LogIndex {
    return this.#syncedIndex;
  }
  get synced(): LogPosition {
    const index = this.#syncedIndex;
    const term = this.termAt(index);
    assert(term !== undefined, "what is synced is part of the log");
    return { index, term };
  }

  /** Of an entry, or of the log start; undefined outside. */
  termAt(index: LogIndex): Term | undefined {
    if (index > this.#lastIndex || index < this.#start.index) return undefined;
    const run = this.#runs[this.#runOf(index)];
    return run === undefined ? this.#start.term : run.term;
  }

  /** The highest position at or before `index` whose term is at most `term`; what may agree with a log that ends so. */
  lastAtMost(index: LogIndex, term: Term): LogPosition {
    let at = index < this.#lastIndex ? index : this.#lastIndex;
    if (at < this.#start.index) return { index: at, term };
    for (let run = this.#runOf(at); run >= 0; run--) {
      const candidate = this.#runs[run];
      if (candidate === undefined) break;
      if (candidate.term <= term) return { index: at, term: candidate.term };
      at = indexPlus(candidate.first, -1);
    }
    if (this.#start.term <= term) return { index: at, term: this.#start.term };
    return { index: logIndex(Math.max(0, this.#start.index - 1)), term };
  }

  append(index: LogIndex, term: Term): void {
    assert(index === this.#lastIndex + 1, () => `entry ${index} follows ${this.#lastIndex}`);
    assert(term >= this.lastTerm, () => `term ${term} of entry ${index} is not below ${this.lastTerm}`);
    if (this.#runs.length === 0 || term > this.lastTerm) this.#runs.push({ term, first: index });
    this.#lastIndex = index;
  }

  truncate(from: LogIndex): void {
    assert(from > this.#start.index && from <= this.#lastIndex, "only entries of the log are truncated");
    this.#lastIndex = indexPlus(from, -1);
    if (this.#syncedIndex > this.#lastIndex) this.#syncedIndex = this.#lastIndex;
    while ((this.#runs.at(-1)?.first ?? 0) >= from) this.#runs.pop();
  }

  /** Notes that the log is on disk through `last`. A report about entries that were replaced meanwhile changes nothing. */
  markSynced(last: LogPosition): boolean {
    if (last.index <= this.#syncedIndex || this.termAt(last.index) !== last.term) return false;
    this.#syncedIndex = last.index;
    return true;
  }

  /** The log's beginning was dropped. */
  compact(start: LogPosition): void {
    if (start.index <= this.#start.index) return;
    assert(this.termAt(start.index) === start.term, "a new log start is an entry of the log");
    this.#runs = this.#runs.filter((_, at) => (this.#runs[at + 1]?.first ?? this.#lastIndex + 1) > start.index + 1);
    const first = this.#runs[0];
    if (first !== undefined && first.first <= start.index) this.#runs[0] = { term: first.term, first: indexPlus(start.index, 1) };
    this.#start = start;
    if (this.#syncedIndex < start.index) this.#syncedIndex = start.index;
  }

  /** The log was replaced by a snapshot that ends here. */
  reset(start: LogPosition): void {
    this.#start = start;
    this.#lastIndex = start.index;
    this.#syncedIndex = start.index;
    this.#runs = [];
  }

  /** The run that holds `index`; -1 for the log start. */
  #runOf(index: LogIndex): number {
    let low = 0;
    let high = this.#runs.length - 1;
    if (index >= (this.#runs[high]?.first ?? Number.POSITIVE_INFINITY)) return high;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle]?.first ?? 0) <= index) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }
}
