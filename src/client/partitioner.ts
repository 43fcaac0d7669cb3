import { partitionOfKey } from "../base/murmur2.js";
import type { Random } from "../base/ports.js";

/**
 * Chooses partitions: by key as Kafka's default partitioner does; without a key, one partition for a whole batch, then another, so
 * that batches are large (Kafka's KIP-480, the sticky partitioner). One per topic.
 */
export class Partitioner {
  readonly #random: Random;
  #sticky = -1;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param partitions how many the topic has, at least 1 */
  choose(key: Uint8Array | undefined, partitions: number): number {
    if (key !== undefined) return partitionOfKey(key, partitions);
    if (this.#sticky < 0 || this.#sticky >= partitions) this.#sticky = this.#random.below(partitions);
    return this.#sticky;
  }

  /** A batch of `partition` is closed: records without a key go elsewhere from now on, where there is an elsewhere. */
  batchClosed(partition: number, partitions: number): void {
    if (partition !== this.#sticky || partitions < 2) return;
    const next = this.#random.below(partitions - 1);
    this.#sticky = next < partition ? next : next + 1;
  }
}
