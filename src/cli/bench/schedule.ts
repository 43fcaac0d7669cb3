/** Records of a fixed rate that are due at the same time. */
export interface Due {
  readonly atMs: number;
  readonly records: number;
}

/** When each record of a fixed rate is due: what the clock says does not move it. Pure. */
export class Schedule {
  readonly #beginMs: number;
  readonly #perSecond: number;
  #given = 0;

  constructor(beginMs: number, perSecond: number) {
    this.#beginMs = beginMs;
    this.#perSecond = perSecond;
  }

  /** Those that became due since the last call, however late that is. In whole milliseconds from the beginning, as timers tick. */
  *due(nowMs: number): Generator<Due> {
    for (let atMs = this.#nextMs; atMs <= nowMs; atMs = this.#nextMs) {
      const before = this.#given;
      while (this.#nextMs === atMs) this.#given += 1;
      yield { atMs, records: this.#given - before };
    }
  }

  get #nextMs(): number {
    return this.#beginMs + Math.ceil(((this.#given + 1) * 1e3) / this.#perSecond);
  }
}
