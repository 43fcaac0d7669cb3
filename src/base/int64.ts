/** 64-bit integers in bytes, little endian, as two halves: a BigInt for each would be measurable. Asserted safe when written. */
import { assertSafeInteger } from "./assert.js";

const TWO_32 = 2 ** 32;

export function writeInt64(into: Buffer, at: number, value: number): void {
  assertSafeInteger(value, "a field of 64 bits");
  const high = Math.floor(value / TWO_32);
  into.writeUInt32LE(value - high * TWO_32, at);
  into.writeInt32LE(high, at + 4);
}

export const readInt64 = (from: Buffer, at: number): number => from.readInt32LE(at + 4) * TWO_32 + from.readUInt32LE(at);
