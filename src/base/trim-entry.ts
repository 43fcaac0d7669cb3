import { assert, assertSafeInteger } from "./assert.js";
import { type Offset, offset } from "./ids.js";

/**
 * The body of a `trim` entry: the first offset to keep, int64 little endian. Proposed by the trim verb and by
 * retention, applied by the partition's state machine.
 */
export function encodeTrimEntry(before: Offset): Buffer {
  const body = Buffer.allocUnsafe(8);
  body.writeBigInt64LE(BigInt(assertSafeInteger(before, "trim offset")));
  return body;
}

export function decodeTrimEntry(body: Buffer): Offset {
  assert(body.length === 8, () => `a trim entry has 8 bytes, not ${body.length}`);
  return offset(assertSafeInteger(Number(body.readBigInt64LE()), "trim offset"));
}
