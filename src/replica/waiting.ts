import { QuireError } from "../base/errors.js";
import { Fifo } from "../base/fifo.js";
import type { LogIndex, Term } from "../base/ids.js";
import type { LogPosition } from "../consensus/types.js";
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
 * Proposals of this replica that were appended and not answered. Answered exactly once: when their entry was applied, when it is certain that it
 * never commits, or when this replica has lost leadership for too long to learn which of the two it will be.
 *
 * That another entry took its place here says little: with two brokers or more beyond R, an entry that was cut here for a later leader's may lie on
 * others, and commit if that leader dies before it commits its own. Certain is what the first committed entry tells that excludes it.
 */
export class WaitingProposals {
  /** Those whose entries are in this log, in its order. */
  readonly #queue = new Fifo<Waiter>();
  /** Those whose entries were cut from this log for a later leader's. */
  #displaced: Waiter[] = [];
  /** How many of the queue's first were told `onDisk`. */
  #told = 0;
  /** How long leadership has been lost with proposals waiting; 0 while leading. */
  #orphanTicks = 0;

  get size(): number {
    return this.#queue.size + this.#displaced.length;
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
      answer(waiter, { index, term }, replicasOnDisk);
    }
    if (this.#displaced.length > 0) this.#decide(index, term, replicasOnDisk);
  }

  /** Entries from `index` on were removed for a later leader's. */
  truncated(from: LogIndex): void {
    this.#displaced.push(...this.#takeFrom(from));
  }

  /**
   * A snapshot through `index` took the place of a log that did not agree with it there: what that log held at or beyond that
   * place never commits, since whoever holds it holds what came before it too; what was proposed before may or may not be part of the snapshot.
   */
  installed(index: LogIndex): void {
    for (const waiter of this.#takeFrom(index)) waiter.done(replaced(waiter.at));
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
    const waiting = this.#displaced;
    this.#displaced = [];
    for (let waiter = this.#queue.shift(); waiter !== undefined; waiter = this.#queue.shift()) waiting.push(waiter);
    this.#told = 0;
    this.#orphanTicks = 0;
    for (const waiter of waiting) waiter.done(error(waiter.at));
  }

  /**
   * The entry at `index`, of `term`, is committed, and so in every later leader's log: what was cut from that place commits if it is this entry (another
   * leader had it and sent it back), and else never; nor does what lay behind it with an earlier term, because terms never go down along a log.
   */
  #decide(index: LogIndex, term: Term, replicasOnDisk: (index: LogIndex) => number): void {
    const displaced = this.#displaced;
    this.#displaced = [];
    for (const waiter of displaced) {
      if (waiter.at.index <= index || waiter.at.term < term) answer(waiter, { index, term }, replicasOnDisk);
      else this.#displaced.push(waiter);
    }
  }

  /** Takes those at or beyond `from` from the queue, in log order. */
  #takeFrom(from: LogIndex): Waiter[] {
    const taken: Waiter[] = [];
    for (let last = this.#queue.at(this.#queue.size - 1); last !== undefined && last.at.index >= from; last = this.#queue.at(this.#queue.size - 1)) {
      this.#queue.pop();
      taken.push(last);
    }
    this.#told = Math.min(this.#told, this.#queue.size);
    return taken.reverse();
  }
}

/** What became of it, now that a committed entry is it or excludes it. */
function answer({ at, done }: Waiter, { index, term }: LogPosition, replicasOnDisk: (index: LogIndex) => number): void {
  if (at.index === index && at.term === term) done({ index, term, baseOffset: at.baseOffset, replicasOnDisk: replicasOnDisk(index) });
  else done(replaced(at));
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
