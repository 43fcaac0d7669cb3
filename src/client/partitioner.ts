import { partitionOfKey } from "../base/murmur2.js";
import type { Random } from "../base/ports.js";

/**
 * Chooses partitions: by key as Kafka's default partitioner does; without a key, one partition until a batch's bytes went there, then another,
 * so that batches are large and partitions are used alike (the sticky partitioner of Kafka's KIP-480, as KIP-794 mends it). One per topic.
 */
export class Partitioner {
  readonly #random: Random;
  readonly #batchBytes: number;
  #sticky = -1;
  /** Went to `#sticky` since it was chosen. */
  #bytes = 0;

  /** @param batchBytes after so many, records without a key go to another partition */
  constructor(random: Random, batchBytes: number) {
    this.#random = random;
    this.#batchBytes = batchBytes;
  }

  /** Where records without a key go now; negative before the first. */
  get sticky(): number {
    return this.#sticky;
  }

  /** @param partitions how many the topic has, at least 1 */
  choose(key: Uint8Array | undefined, partitions: number): number {
    if (key !== undefined) return partitionOfKey(key, partitions);
    if (this.#sticky < 0 || this.#sticky >= partitions) this.#sticky = this.#random.below(partitions);
    return this.#sticky;
  }

  /** A record without a key went to the sticky partition. */
  took(bytes: number, partitions: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= this.#batchBytes) this.move(partitions);
  }

  /** Records without a key go elsewhere from now on, where there is an elsewhere. */
  move(partitions: number): void {
    this.#bytes = 0;
    if (this.#sticky < 0 || partitions < 2) return;
    const next = this.#random.below(partitions - 1);
    this.#sticky = next < this.#sticky ? next : next + 1;
  }
}
