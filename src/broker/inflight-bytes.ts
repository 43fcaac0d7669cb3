import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { Clock } from "../base/ports.js";

/**
 * Bytes admitted and not yet out of memory's way, bounded. A batch is taken while the sum is below the limit, so the
 * sum exceeds it by less than one batch. Bytes are given back when the replica is done with them, not when the caller
 * has its answer: a timed-out write still holds its memory.
 */
export class InflightBytes {
  readonly max: number;
  readonly #clock: Clock;
  #bytes = 0;
  #waiting = new Set<() => void>();
  #scheduled = false;

  constructor(max: number, clock: Clock) {
    assert(max > 0, "some bytes may be in flight");
    this.max = max;
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws QuireError THROTTLED */
  take(bytes: number): void {
    if (this.#bytes >= this.max) {
      throw new QuireError(
        "THROTTLED",
        `${this.#bytes} bytes wait to be written on this broker; the limit is ${this.max} (produce.inflightBytesMax); try again in a moment`,
        {
          details: { bytes: this.#bytes, limit: this.max },
          retryAfterMs: 100,
        },
      );
    }
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    assert(this.#bytes >= 0, "no more bytes are given back than were taken");
    this.#schedule();
  }

  /** First come, first served; in a later turn, so that nobody proposes from within an outcome. */
  onDrain(run: () => void): () => void {
    const waiter = (): void => run();
    this.#waiting.add(waiter);
    this.#schedule();
    return () => {
      this.#waiting.delete(waiter);
    };
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.size === 0 || this.#bytes >= this.max) return;
    this.#scheduled = true;
    this.#clock.soon(() => {
      this.#scheduled = false;
      // Who registers again while being served waits for the next round, behind those who were not served.
      const round = [...this.#waiting];
      for (const waiter of round) {
        if (this.#bytes >= this.max) break;
        if (this.#waiting.delete(waiter)) waiter();
      }
      this.#schedule();
    });
  }
}
