import { indexPlus, type LogIndex, type Term } from "../../../src/base/ids.js";
import type { LogPosition, TermRun } from "../../../src/consensus/types.js";

/** A log as positions only: which term each entry is of. */
export class ReplicaLog {
  #start: LogPosition;
  #lastIndex: LogIndex;
  #runs: TermRun[];

  constructor({ start, lastIndex, termRuns }: { start: LogPosition; lastIndex: LogIndex; termRuns: readonly TermRun[] }) {
    this.#start = start;
    this.#lastIndex = lastIndex;
    this.#runs = [...termRuns];
  }

  /** Just before the first entry. */
  get start(): LogPosition {
    return this.#start;
  }

  get last(): LogPosition {
    return { index: this.#lastIndex, term: this.#runs.at(-1)?.term ?? this.#start.term };
  }

  /** The last entry of each term. */
  *runEnds(): Iterable<LogPosition> {
    for (const [at, { term }] of this.#runs.entries()) {
      const next = this.#runs[at + 1];
      yield { index: next === undefined ? this.#lastIndex : indexPlus(next.first, -1), term };
    }
  }

  /** Of an entry or of the start; undefined outside. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#start.index) return this.#start.term;
    if (index < this.#start.index || index > this.#lastIndex) return undefined;
    // Nearly always asked near the end.
    for (let at = this.#runs.length - 1; at >= 0; at--) {
      const run = this.#runs[at];
      if (run !== undefined && run.first <= index) return run.term;
    }
    return undefined;
  }

  holds({ index, term }: LogPosition): boolean {
    return this.termAt(index) === term;
  }

  /** Whether this log has the entry, or begins after it. */
  agreesOn(at: LogPosition): boolean {
    return at.index < this.#start.index || this.holds(at);
  }

  append({ index, term }: LogPosition): void {
    if (this.#runs.at(-1)?.term !== term) this.#runs.push({ term, first: index });
    this.#lastIndex = index;
  }

  /** Removes entries from `from` on. */
  truncate(from: LogIndex): void {
    while ((this.#runs.at(-1)?.first ?? 0) >= from) this.#runs.pop();
    this.#lastIndex = indexPlus(from, -1);
  }

  /** The log now begins after `start`, which it holds. */
  cut(start: LogPosition): void {
    this.#start = start;
    const first = indexPlus(start.index, 1);
    this.#runs = this.#runs
      .filter((_, at) => (this.#runs[at + 1]?.first ?? this.#lastIndex + 1) > first)
      .map((run) => ({ ...run, first: run.first < first ? first : run.first }));
    if (this.#lastIndex < first) this.#runs = [];
  }

  reset(start: LogPosition): void {
    this.#start = start;
    this.#lastIndex = start.index;
    this.#runs = [];
  }
}
