import { assert } from "../base/assert.js";
import { Fifo } from "../base/fifo.js";
import { indexPlus, type LogIndex, logIndex } from "../base/ids.js";

/** Values of log indexes without a gap, given up at either end. */
export class IndexRun<Value> {
  readonly #values = new Fifo<Value>();
  #first: LogIndex = logIndex(0);

  get size(): number {
    return this.#values.size;
  }

  /** Index of the oldest value; means nothing while there is none. */
  get first(): LogIndex {
    return this.#first;
  }

  get(index: LogIndex): Value | undefined {
    return this.#values.at(index - this.#first);
  }

  push(index: LogIndex, value: Value): void {
    if (this.size === 0) this.#first = index;
    assert(index === this.#first + this.size, "what is in memory of a log has no gap");
    this.#values.push(value);
  }

  /** Gives up the oldest value. */
  shift(): Value | undefined {
    this.#first = indexPlus(this.#first, 1);
    return this.#values.shift();
  }

  /** Gives up the values of `from` and all after it; returns those, the newest first. */
  cut(from: LogIndex): Value[] {
    const cut: Value[] = [];
    while (this.size > 0 && this.#first + this.size > from) cut.push(this.#values.pop() as Value);
    return cut;
  }

  clear(): void {
    this.#values.clear();
  }
}
