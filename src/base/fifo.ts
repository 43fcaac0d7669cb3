/** Slots that an empty queue keeps, so that one which fills and empties all the time makes no garbage. */
const KEPT_SLOTS = 8;

/**
 * First in, first out, in memory that is used again. An array that is filled and emptied gives its memory up each time; where the array is old by
 * then and its memory new, V8 keeps what was in it until it looks through the whole heap.
 */
export class Fifo<Value> {
  /** A power of two of them, once there was a value. */
  #slots: (Value | undefined)[] | undefined;
  /** The oldest value's slot. */
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The value `at` places behind the oldest; undefined when there are not so many. */
  at(at: number): Value | undefined {
    return at < 0 || at >= this.#size || this.#slots === undefined ? undefined : this.#slots[(this.#head + at) & (this.#slots.length - 1)];
  }

  push(value: Value): void {
    if (this.#slots === undefined || this.#size === this.#slots.length) this.#grow();
    const slots = this.#slots as (Value | undefined)[];
    slots[(this.#head + this.#size) & (slots.length - 1)] = value;
    this.#size += 1;
  }

  /** Takes the oldest value. */
  shift(): Value | undefined {
    const value = this.at(0);
    if (this.#size > 0) {
      this.#empty(this.#head);
      this.#head += 1;
      this.#shrunk();
    }
    return value;
  }

  /** Takes the newest value. */
  pop(): Value | undefined {
    const value = this.at(this.#size - 1);
    if (this.#size > 0) {
      this.#empty(this.#head + this.#size - 1);
      this.#shrunk();
    }
    return value;
  }

  clear(): void {
    while (this.#size > 0) this.pop();
  }

  #empty(slot: number): void {
    if (this.#slots !== undefined) this.#slots[slot & (this.#slots.length - 1)] = undefined;
    this.#size -= 1;
  }

  #shrunk(): void {
    if (this.#size > 0) return;
    this.#head = 0;
    if (this.#slots !== undefined && this.#slots.length > KEPT_SLOTS) this.#slots = undefined;
  }

  #grow(): void {
    const slots = new Array<Value | undefined>(Math.max(KEPT_SLOTS, 2 * this.#size)).fill(undefined);
    for (let at = 0; at < this.#size; at++) slots[at] = this.at(at);
    this.#slots = slots;
    this.#head = 0;
  }
}
