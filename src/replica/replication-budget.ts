import { Fifo } from "../base/fifo.js";
import type { NodeId } from "../base/ids.js";
import { Slots } from "../base/slots.js";

/** Reads from disk for followers that are behind, half a megabyte each. */
const READS_MAX = 16;
/** Reads from disk of what is applied here: a thousand logs begin with them at once when a broker starts. */
const APPLY_READS_MAX = 16;

interface Way {
  bytes: number;
  readonly waiting: Fifo<() => void>;
  /** Those who waited are being served: what they count meanwhile serves nobody else, or a thousand of them would stand on one stack. */
  isServing: boolean;
}

/** Bytes on the way to other brokers and not known to be on their disks: they keep them in memory until then, and so much of each broker that leads. */
export class Inflight {
  readonly #bytesMax: number;
  readonly #ways = new Map<NodeId, Way>();

  /** @param bytesMax on the way to one broker; exceeded by one send, or by what a follower has on its way when it comes to count here */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Does `send` when there is room on the way to a broker: in this turn, or in the order of asking. It counts what it sends. */
  whenRoom(to: NodeId, send: () => void): void {
    const way = this.#ways.get(to);
    if (way === undefined || this.#hasRoom(way)) send();
    else way.waiting.push(send);
  }

  /** So many bytes more are on the way, or fewer. */
  count(to: NodeId, bytes: number): void {
    let way = this.#ways.get(to);
    if (way === undefined) {
      way = { bytes: 0, waiting: new Fifo(), isServing: false };
      this.#ways.set(to, way);
    }
    way.bytes += bytes;
    if (way.isServing) return;
    way.isServing = true;
    try {
      while (way.waiting.size > 0 && this.#hasRoom(way)) way.waiting.shift()?.();
    } finally {
      way.isServing = false;
    }
  }

  #hasRoom({ bytes }: Way): boolean {
    return bytes < this.#bytesMax;
  }
}

/**
 * What bringing replicas up to date may cost this broker, and others, in memory: over all replica sets, however many they have in common. Followers that are
 * behind have a budget of their own: the others' records, which producers wait for, do not stand behind theirs. It is half as large, so that a broker that comes back
 * leaves producers their share of processors and disks; and no less, since where thousands of partitions share the cache of recent batches, followers that
 * keep up are read for from disk too.
 */
export class ReplicationBudget {
  /** To followers that get what is in memory here. */
  readonly tail: Inflight;
  /** To those that get what is read from disk for them. */
  readonly behind: Inflight;
  readonly applyReads = new Slots(APPLY_READS_MAX);
  #reads = 0;

  constructor(bytesMax: number) {
    this.tail = new Inflight(bytesMax);
    this.behind = new Inflight(bytesMax / 2);
  }

  /** False when there is no turn, and whoever asks comes again with a later tick; else the caller gives it back by `endRead`. */
  tryBeginRead(): boolean {
    if (this.#reads >= READS_MAX) return false;
    this.#reads += 1;
    return true;
  }

  endRead(): void {
    this.#reads -= 1;
  }
}
