import { assert } from "../base/assert.js";
import type { Clock, Timer } from "../base/ports.js";

/** Something that ends at a time unless it is removed before. */
export interface Expiring {
  expire(): void;
}

/** Where an entry waits, to remove it again. */
export type Slot = Set<Expiring>;

/**
 * Many deadlines, one timer: entries wait in slots of `periodMs`, and one sweep per period empties the slots that are
 * over. An entry expires at most one period late, never early. While nothing waits there is no timer.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #slots = new Map<number, Slot>();
  #timer: Timer | undefined;
  #sweptThrough = 0;

  constructor(clock: Clock, periodMs = 50) {
    assert(periodMs > 0, "the sweep has a period");
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /** Removing: `slot.delete(entry)`. */
  add(entry: Expiring, delayMs: number): Slot {
    const now = this.#clock.monotonicMs();
    if (this.#timer === undefined) {
      this.#sweptThrough = Math.floor(now / this.#periodMs);
      this.#timer = this.#clock.every(this.#periodMs, () => this.#sweep());
    }
    const at = Math.max(Math.ceil((now + delayMs) / this.#periodMs), this.#sweptThrough + 1);
    let slot = this.#slots.get(at);
    if (slot === undefined) {
      slot = new Set();
      this.#slots.set(at, slot);
    }
    slot.add(entry);
    return slot;
  }

  /** What `begin` settles, or a rejection with `late` once `delayMs` are over. */
  within<T>(delayMs: number, late: () => Error, begin: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const entry = { expire: () => reject(late()) };
      const slot = this.add(entry, delayMs);
      const settled = (): void => {
        slot.delete(entry);
      };
      begin(
        (value) => {
          settled();
          resolve(value);
        },
        (error) => {
          settled();
          reject(error);
        },
      );
    });
  }

  /** Forgets everything without calling anyone. */
  close(): void {
    this.#slots.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #sweep(): void {
    const through = Math.floor(this.#clock.monotonicMs() / this.#periodMs);
    // The slots are few (the longest timeout by the period); after a long pause of the process, fewer than the periods missed.
    for (const [at, slot] of this.#slots) {
      if (at <= through) {
        this.#slots.delete(at);
        for (const entry of slot) entry.expire();
      } else if (slot.size === 0) this.#slots.delete(at);
    }
    this.#sweptThrough = through;
    if (this.#slots.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
