import { assert } from "../../../src/base/assert.js";
import type { Random } from "../../../src/base/ports.js";
import { hashOf, spread } from "./mixing.js";

const RANGE = 2 ** 32;

/**
 * A repeatable source of chance: sfc32 (Chris Doty-Humphrey, PractRand), begun from a seed and a purpose, so that one more draw for one
 * purpose changes nothing for another. Whole numbers and divisions only: the same draws on every machine.
 */
export class Chance implements Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number, purpose: string) {
    const begin = hashOf(`${seed}/${purpose}`);
    this.#a = spread(begin ^ 0x9e3779b9);
    this.#b = spread(this.#a ^ hashOf(purpose));
    this.#c = spread(this.#b ^ begin);
    for (let i = 0; i < 12; i++) this.#next();
  }

  below(bound: number): number {
    assert(bound >= 1 && bound <= RANGE, () => `a draw is below 1 to 2^32, and not below ${bound}`);
    return Math.floor((this.#next() / RANGE) * bound);
  }

  /** 0 <= x < 1, in steps of 2^-32. */
  fraction(): number {
    return this.#next() / RANGE;
  }

  /** `min` <= x < `max`. */
  between(min: number, max: number): number {
    return min + this.fraction() * (max - min);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.below(items.length)];
  }

  uuid(): string {
    const hex = [0, 0, 0, 0].map(() => this.#next().toString(16).padStart(8, "0")).join("");
    const variant = "89ab"[this.below(4)];
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
