/** Values of a benchmark's records: text that compresses like real events do, and in some the time at which they were to be sent. */
import { assert } from "../../base/assert.js";

/** The time's place: the first bytes of a value. */
export const STAMP_BYTES = 8;
const POOL_BYTES = 1024 * 1024;
const RING_BYTES = 4 * 1024 * 1024;
const RING_MIN = 64;
const RING_MAX = 4_096;
const WORDS = ["order", "customer", "paid", "shipped", "total", "currency", "EUR", "street", "created", "true", "false", "null", "item", "count", "sku"];

/** Text in the manner of JSON, the same in every run: a linear congruential generator (Numerical Recipes) chooses words and numbers. */
function textPool(bytes: number): Buffer {
  const pool = Buffer.alloc(bytes);
  let state = 1;
  const below = (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  for (let at = 0; at < bytes; ) at += pool.write(`{"${WORDS[below(WORDS.length)]}":"${WORDS[below(WORDS.length)]}","${below(1_000)}":${below(2 ** 31)}}`, at);
  return pool;
}

export class Payload {
  readonly #bytes: number;
  readonly #pool: Buffer;
  readonly #ring: readonly Buffer[];
  #at = 0;

  /** @param recordBytes at least `STAMP_BYTES` */
  constructor(recordBytes: number) {
    assert(recordBytes >= STAMP_BYTES, () => `a value of ${recordBytes} bytes has no room for the time`);
    this.#bytes = recordBytes;
    this.#pool = textPool(Math.max(POOL_BYTES, 2 * recordBytes));
    const size = Math.min(RING_MAX, Math.max(RING_MIN, Math.floor(RING_BYTES / recordBytes)));
    this.#ring = Array.from({ length: size }, () => this.stamped(0));
  }

  /** A value that is used again some calls later, at least `RING_MIN`: for senders that encode at once. @param atMs as of `stamped` */
  next(atMs = 0): Buffer {
    this.#at = (this.#at + 1) % this.#ring.length;
    const value = this.#ring[this.#at] ?? this.stamped(atMs);
    value.writeDoubleLE(atMs, 0);
    return value;
  }

  /** A value of its own. @param atMs the machine's time at which it is to be sent; 0 for none */
  stamped(atMs: number): Buffer {
    const value = Buffer.allocUnsafe(this.#bytes);
    this.#at += 1;
    const from = (this.#at * 7_919) % (this.#pool.length - this.#bytes + 1);
    this.#pool.copy(value, 0, from, from + this.#bytes);
    value.writeDoubleLE(atMs, 0);
    return value;
  }
}

/** The time in a value; 0 when it has none. */
export const stampOf = (value: Buffer): number => (value.length < STAMP_BYTES || value[STAMP_BYTES - 1] === 0 ? 0 : value.readDoubleLE(0));
