import { assert } from "../base/assert.js";
import { indexPlus, type LogIndex, logIndex } from "../base/ids.js";

/** Slots given up at the front before the rest is moved. */
const SLACK = 64;

/** Values of log indexes without a gap, given up at either end. */
export class IndexRun<Value> {
  #values: (Value | undefined)[] = [];
  /** Slots before this one are given up. */
  #start = 0;
  #first: LogIndex = logIndex(0);

  get size(): number {
    return this.#values.length - this.#start;
  }

  /** Index of the oldest value; means nothing while there is none. */
  get first(): LogIndex {
    return this.#first;
  }

  get(index: LogIndex): Value | undefined {
    return index < this.#first ? undefined : this.#values[this.#start + index - this.#first];
  }

  push(index: LogIndex, value: Value): void {
    if (this.size === 0) this.#first = index;
    assert(index === this.#first + this.size, "what is in memory of a log has no gap");
    this.#values.push(value);
  }

  /** Gives up the oldest value. */
  shift(): Value | undefined {
    if (this.size === 0) return undefined;
    const value = this.#values[this.#start];
    this.#values[this.#start++] = undefined;
    this.#first = indexPlus(this.#first, 1);
    if (this.size === 0) this.clear();
    else if (this.#start > SLACK && this.#start > this.#values.length / 2) {
      this.#values = this.#values.slice(this.#start);
      this.#start = 0;
    }
    return value;
  }

  /** Gives up the values of `from` and all after it; returns those, the newest first. */
  cut(from: LogIndex): Value[] {
    const cut: Value[] = [];
    while (this.size > 0 && this.#first + this.size > from) cut.push(this.#values.pop() as Value);
    if (this.size === 0) this.clear();
    return cut;
  }

  clear(): void {
    this.#values = [];
    this.#start = 0;
  }
}
