/**
 * How long a batch may wait to become full. Brokers pay for each batch (a write, a sync, messages to followers and readers) more than for its bytes: so where
 * records come fast enough to fill one in a moment, waiting for that moment costs less than it saves, and everybody's records arrive sooner. Where they do
 * not, nobody waits. Pure.
 */

/** Longer than that nobody waits. */
const FILL_MS_MAX = 5;
/** A batch that is not full after so many times what the last one took: they come more slowly now. */
const PATIENCE = 2;

export class Pace {
  readonly #batchBytes: number;
  /** Since the last batch's bytes were complete. */
  #bytes = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;
  /** What the last batch's bytes took. */
  #fillMs = Number.POSITIVE_INFINITY;

  constructor(batchBytes: number) {
    this.#batchBytes = batchBytes;
  }

  /** A record was sent. @param nowMs monotonic */
  took(bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#batchBytes) return;
    this.#bytes = 0;
    this.#fillMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
  }

  /** For a batch that begins now. @param nowMs monotonic */
  lingerMs(nowMs: number): number {
    if (this.#fillMs > FILL_MS_MAX || nowMs - this.#sinceMs > FILL_MS_MAX) return 0;
    return Math.min(this.#fillMs * PATIENCE, FILL_MS_MAX);
  }
}
