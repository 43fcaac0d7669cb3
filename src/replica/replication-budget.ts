import type { NodeId } from "../base/ids.js";

/** Reads from disk for followers that are behind, a megabyte each. */
const READS_MAX = 16;

interface Way {
  bytes: number;
  readonly waiting: (() => void)[];
}

/** What bringing followers up to date may cost this broker, and them, in memory: over all replica sets, however many they have in common. */
export class ReplicationBudget {
  /** On the way to one broker and not known to be on its disk: it keeps them in memory until then, and so much of each broker that leads. */
  readonly #bytesMax: number;
  #reads = 0;
  readonly #ways = new Map<NodeId, Way>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
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
