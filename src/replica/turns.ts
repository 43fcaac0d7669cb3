import { Fifo } from "../base/fifo.js";

/** So many at a time, the others in the order of asking. */
export class Turns {
  readonly #max: number;
  readonly #waiting = new Fifo<() => void>();
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Does `work` in its turn, which may be now; settles as it does. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken < this.#max) this.#taken += 1;
    // Whoever ends hands its turn on.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken -= 1;
      else next();
    }
  }
}
