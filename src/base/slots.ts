import { Fifo } from "./fifo.js";

/** So many at a time; whoever waits is served in turn. */
export class Slots {
  #free: number;
  readonly #waiting = new Fifo<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Undefined when there is one at once. */
  acquire(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free -= 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
