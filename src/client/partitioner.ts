import { partitionOfKey } from "../base/murmur2.js";
import type { Random } from "../base/ports.js";

/**
 * Chooses partitions: by key as Kafka's default partitioner does; without a key, one partition until a batch's bytes went there, then another,
 * so that batches are large (the sticky partitioner of Kafka's KIP-480, as KIP-794 mends it). Of two others it takes the one where less waits:
 * partitions that are equally fast are used alike, and a slow one does not come to hold the whole buffer while the others have nothing to do
 * (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing). One per topic.
 */
export class Partitioner {
  readonly #random: Random;
  readonly #batchBytes: number;
  readonly #waitingAt: (partition: number) => number;
  #sticky = -1;
  /** Went to `#sticky` since it was chosen. */
  #bytes = 0;

  /**
   * @param batchBytes after so many, records without a key go to another partition
   * @param waitingAt how many batches of a partition are not answered yet
   */
  constructor(random: Random, batchBytes: number, waitingAt: (partition: number) => number) {
    this.#random = random;
    this.#batchBytes = batchBytes;
    this.#waitingAt = waitingAt;
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
    const [one, two] = [this.#other(partitions), this.#other(partitions)];
    this.#sticky = this.#waitingAt(two) < this.#waitingAt(one) ? two : one;
  }

  #other(partitions: number): number {
    const other = this.#random.below(partitions - 1);
    return other < this.#sticky ? other : other + 1;
  }
}
