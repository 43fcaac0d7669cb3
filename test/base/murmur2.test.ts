import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { murmur2, partitionOfKey } from "../../src/base/murmur2.js";

// From Apache Kafka's UtilsTest.testMurmur2.
const published: readonly (readonly [string, number])[] = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

test("hashes are Kafka's", () => {
  for (const [key, hash] of published) assert.equal(murmur2(Buffer.from(key)), hash, key);
});

test("a key's partition is the hash without its sign, modulo the partitions, and always one of them", () => {
  assert.equal(partitionOfKey(Buffer.from("foobar"), 10), (-790332482 & 0x7fffffff) % 10);
  fc.assert(
    fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 10_000 }), (key, partitions) => {
      const partition = partitionOfKey(key, partitions);
      assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions);
    }),
  );
});
