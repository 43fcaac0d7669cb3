import type { Operation } from "../../support/image-files.js";
import type { Chance } from "../kernel/chance.js";

/** Calls that wait for the platter, one after the other; the others are memory's, and overlap. */
const WAITS: ReadonlySet<Operation> = new Set<Operation>(["sync", "sync-folder", "truncate", "write-database", "open-database"]);

/** How long a disk takes, in simulated milliseconds: drawn once for the disk, and again for every call. */
export class DiskSpeed {
  /** All takes so many times as long; above 0. */
  slowness = 1;
  readonly #chance: Chance;
  readonly #callMs: number;
  readonly #syncMs: number;
  readonly #bytesPerMs: number;
  readonly #hiccupOneIn: number;
  readonly #hiccupMs: number;
  /** When the platter has written all that was asked for. */
  #idleMs = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
    this.#callMs = chance.between(0.01, 0.2);
    this.#syncMs = chance.pick([0.1, 0.5, 1, 2, 4, 8]) ?? 1;
    this.#bytesPerMs = chance.between(100_000, 1_000_000);
    this.#hiccupOneIn = 200 + chance.below(2_000);
    this.#hiccupMs = chance.between(5, 100);
  }

  /** How long a call takes that begins now. */
  delayMs(operation: Operation, bytes: number, nowMs: number): number {
    const jitter = this.#chance.between(0.5, 2);
    const hiccupMs = this.#chance.oneIn(this.#hiccupOneIn) ? this.#hiccupMs : 0;
    if (!WAITS.has(operation)) return (this.#callMs * jitter + hiccupMs) * this.slowness;
    const busyMs = (bytes / this.#bytesPerMs) * this.slowness;
    this.#idleMs = Math.max(this.#idleMs, nowMs) + busyMs;
    return this.#idleMs - nowMs + (this.#syncMs * jitter + hiccupMs) * this.slowness;
  }
}
