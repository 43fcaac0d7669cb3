/** 64-bit integers in bytes, little endian, as two halves: a BigInt for each would be measurable. Asserted safe when written. */
import { assertSafeInteger } from "./assert.js";

const TWO_32 = 2 ** 32;

export function writeInt64(into: Buffer, at: number, value: number): void {
  assertSafeInteger(value, "a field of 64 bits");
  const high = Math.floor(value / TWO_32);
  into.writeUInt32LE(value - high * TWO_32, at);
  into.writeInt32LE(high, at + 4);
}

/** Small ones apart: a sum of products is a double to V8, and one in a field gives that field of every object of its shape 16 bytes more. */
export function readInt64(from: Buffer, at: number): number {
  const low = from.readUInt32LE(at);
  const high = from.readInt32LE(at + 4);
  return high === 0 ? low : high * TWO_32 + low;
}
