/** When each record of a fixed rate is due: what the clock says does not move it. Pure. */
export class Schedule {
  readonly #beginMs: number;
  readonly #perSecond: number;
  #given = 0;

  constructor(beginMs: number, perSecond: number) {
    this.#beginMs = beginMs;
    this.#perSecond = perSecond;
  }

  /** The times of those that became due since the last call, however late that is. In whole milliseconds from the beginning, as timers tick. */
  *due(nowMs: number): Generator<number> {
    for (;;) {
      const atMs = this.#beginMs + Math.ceil(((this.#given + 1) * 1e3) / this.#perSecond);
      if (atMs > nowMs) return;
      this.#given += 1;
      yield atMs;
    }
  }
}
