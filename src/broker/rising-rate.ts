/** Between two samples; a rate is over one to two such times. */
const SAMPLE_MS = 15_000;
/** What moved less than so long ago has no steadier rate than this. */
const SPAN_MS_MIN = 1_000;

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

/** How fast a number rises, over the last half minute or so. */
export class RisingRate {
  #since: Sample;
  #next: Sample;

  constructor(value: number, atMs: number) {
    this.#since = { atMs, value };
    this.#next = this.#since;
  }

  /** Per second, now that it is `value`. */
  perSecond(value: number, nowMs: number): number {
    this.saw(value, nowMs);
    const spanMs = Math.max(SPAN_MS_MIN, nowMs - this.#since.atMs);
    return ((value - this.#since.value) * 1_000) / spanMs;
  }

  /** To be told now and then, or the rate is over a longer time. */
  saw(value: number, nowMs: number): void {
    const now: Sample = { atMs: nowMs, value };
    // It was set back: what was before says nothing about how fast it rises.
    if (value < this.#next.value) this.#since = now;
    else if (nowMs - this.#next.atMs >= SAMPLE_MS) this.#since = this.#next;
    else return;
    this.#next = now;
  }
}
