import type { NodeId } from "../base/ids.js";

/** Reads from disk for followers that are behind, a megabyte each. */
const READS_MAX = 16;
/** To those that are behind, so much of what may be on the way to those that keep up. */
const BEHIND_SHARE = 1 / 4;

interface Way {
  bytes: number;
  readonly waiting: (() => void)[];
}

/** Bytes on the way to other brokers and not known to be on their disks: they keep them in memory until then, and so much of each broker that leads. */
export class Inflight {
  readonly #bytesMax: number;
  readonly #ways = new Map<NodeId, Way>();

  /** @param bytesMax on the way to one broker; exceeded by less than one send */
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
      way = { bytes: 0, waiting: [] };
      this.#ways.set(to, way);
    }
    way.bytes += bytes;
    while (way.waiting.length > 0 && this.#hasRoom(way)) way.waiting.shift()?.();
  }

  #hasRoom({ bytes }: Way): boolean {
    return bytes < this.#bytesMax;
  }
}

/**
 * What bringing followers up to date may cost this broker, and them, in memory: over all replica sets, however many they have in common. Those that are
 * behind have a budget of their own: the others' records, which producers wait for, do not stand behind theirs.
 */
export class ReplicationBudget {
  /** To followers that get what is in memory here. */
  readonly tail: Inflight;
  /** To those that get what is read from disk for them. */
  readonly behind: Inflight;
  #reads = 0;

  constructor(bytesMax: number) {
    this.tail = new Inflight(bytesMax);
    this.behind = new Inflight(bytesMax * BEHIND_SHARE);
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
