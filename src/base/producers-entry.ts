import { assert, assertSafeInteger } from "./assert.js";

/** What a `producers` entry says: the leader's time, and whom the partition forgets. */
export interface ProducersEntry {
  /** Milliseconds since 1970, by the clock of the leader that proposed it. */
  readonly nowMs: number;
  /** Ids of producers that were idle for too long, or make room for others. */
  readonly forgotten: readonly number[];
}

/** The body of a `producers` entry: the time, then each id, all int64 little endian. */
export function encodeProducersEntry({ nowMs, forgotten }: ProducersEntry): Buffer {
  const body = Buffer.allocUnsafe(8 * (1 + forgotten.length));
  body.writeBigInt64LE(BigInt(assertSafeInteger(nowMs, "time of a producers entry")));
  forgotten.forEach((id, at) => {
    body.writeBigInt64LE(BigInt(assertSafeInteger(id, "producer id")), 8 * (at + 1));
  });
  return body;
}

export function decodeProducersEntry(body: Buffer): ProducersEntry {
  assert(body.length >= 8 && body.length % 8 === 0, () => `a producers entry has a multiple of 8 bytes, not ${body.length}`);
  const read = (at: number): number => assertSafeInteger(Number(body.readBigInt64LE(at)), "number in a producers entry");
  const forgotten: number[] = [];
  for (let at = 8; at < body.length; at += 8) forgotten.push(read(at));
  return { nowMs: read(0), forgotten };
}
