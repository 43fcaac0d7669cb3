import { QuireError } from "../base/errors.js";
import { Fifo } from "../base/fifo.js";
import type { LogIndex, Term } from "../base/ids.js";
import type { Committed, Placed } from "./types.js";

/** After this many ticks without leadership, what still waits is told that its outcome is unknown. */
export const ORPHAN_TICKS = 40;

/** One proposal that has its place and waits for its outcome. */
export interface Waiter {
  readonly at: Placed;
  readonly done: (outcome: Committed | Error) => void;
  onDisk: ((at: Placed) => void) | undefined;
}

/**
 * Proposals of this replica that were appended and not answered, in log order. Answered exactly once: when their
 * entry was applied, when another entry took its place (then it is certain that it never commits), or when this
 * replica has lost leadership for too long to learn which of the two it will be.
 */
export class WaitingProposals {
  readonly #queue = new Fifo<Waiter>();
  /** How many of the first were told `onDisk`. */
  #told = 0;
  /** How long leadership has been lost with proposals waiting; 0 while leading. */
  #orphanTicks = 0;

  get size(): number {
    return this.#queue.size;
  }

  add(waiter: Waiter): void {
    this.#queue.push(waiter);
  }

  /** Entries through `index` are synced here. */
  synced(index: LogIndex): void {
    for (let waiter = this.#queue.at(this.#told); waiter !== undefined && waiter.at.index <= index; waiter = this.#queue.at(this.#told)) {
      this.#told += 1;
      waiter.onDisk?.(waiter.at);
      waiter.onDisk = undefined;
    }
  }

  /** The entry at `index`, of `term`, was applied: whoever waited for this place has an outcome. */
  applied(index: LogIndex, term: Term, replicasOnDisk: (index: LogIndex) => number): void {
    for (let waiter = this.#queue.at(0); waiter !== undefined && waiter.at.index <= index; waiter = this.#queue.at(0)) {
      this.#queue.shift();
      this.#told = Math.max(0, this.#told - 1);
      const { at } = waiter;
      if (at.index === index && at.term === term) waiter.done({ index, term, baseOffset: at.baseOffset, replicasOnDisk: replicasOnDisk(index) });
      else waiter.done(replaced(waiter.at));
    }
  }

  /** Entries from `index` on were removed for a later leader's: they never commit. */
  truncated(from: LogIndex): void {
    const gone: Waiter[] = [];
    for (let last = this.#queue.at(this.size - 1); last !== undefined && last.at.index >= from; last = this.#queue.at(this.size - 1)) {
      this.#queue.pop();
      gone.push(last);
    }
    this.#told = Math.min(this.#told, this.size);
    for (const waiter of gone.reverse()) waiter.done(replaced(waiter.at));
  }

  /**
   * A snapshot through `index` took the place of a log that did not agree with it there: what was proposed at or beyond that
   * place gave way, and what was proposed before may or may not be part of the snapshot.
   */
  installed(index: LogIndex): void {
    this.truncated(index);
    this.failAll((at) => unknownOutcome(at, "this broker lost the partition's leadership and got a snapshot"));
  }

  /** One tick; fails everything after `ORPHAN_TICKS` of them without leadership. */
  tick(leading: boolean): void {
    if (leading || this.size === 0) {
      this.#orphanTicks = 0;
      return;
    }
    this.#orphanTicks += 1;
    if (this.#orphanTicks >= ORPHAN_TICKS) this.failAll((at) => unknownOutcome(at, "this broker lost the partition's leadership"));
  }

  failAll(error: (at: Placed) => Error): void {
    const waiting: Waiter[] = [];
    for (let waiter = this.#queue.shift(); waiter !== undefined; waiter = this.#queue.shift()) waiting.push(waiter);
    this.#told = 0;
    this.#orphanTicks = 0;
    for (const waiter of waiting) waiter.done(error(waiter.at));
  }
}

const replaced = (at: Placed): QuireError =>
  new QuireError("NOT_LEADER", `entry ${at.index} of term ${at.term} gave way to a later leader's and was not written; send it to the new leader`, {
    details: { term: at.term },
  });

export const unknownOutcome = (at: Placed, why: string): QuireError =>
  new QuireError(
    "WRITE_OUTCOME_UNKNOWN",
    `${why} before offset ${at.baseOffset} was confirmed; it may or may not be written, so retry only if writing it twice does no harm`,
    {
      details: { baseOffset: at.baseOffset, term: at.term },
    },
  );
