/**
 * MurmurHash2 (32 bit, Austin Appleby) with the seed Apache Kafka uses, so that a key lands in the same partition
 * as with Kafka's default partitioner (kafka `org.apache.kafka.common.utils.Utils.murmur2`).
 *
 * @returns the hash as a signed 32-bit number, as Kafka's
 */
export function murmur2(bytes: Uint8Array): number {
  const multiplier = 0x5bd1e995;
  const length = bytes.length;
  let hash = 0x9747b28c ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = at4(bytes, at);
    word = Math.imul(word, multiplier);
    word ^= word >>> 24;
    word = Math.imul(word, multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  const left = length - at;
  if (left >= 3) hash ^= byteAt(bytes, at + 2) << 16;
  if (left >= 2) hash ^= byteAt(bytes, at + 1) << 8;
  if (left >= 1) hash = Math.imul(hash ^ byteAt(bytes, at), multiplier);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, multiplier);
  return (hash ^ (hash >>> 15)) | 0;
}

const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
const at4 = (bytes: Uint8Array, at: number): number =>
  byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8) | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24);

/**
 * The partition of a key, the same in client and broker and as in Kafka.
 *
 * @param partitions how many the topic has, at least 1
 */
export const partitionOfKey = (key: Uint8Array, partitions: number): number => (murmur2(key) & 0x7fffffff) % partitions;
