import type { Actor } from "../kernel/event-queue.js";
import type { NetworkChance, NetworkWorld, Range } from "./seam.js";

export interface NetworkOptions {
  /** One way, per packet. */
  readonly latencyMs: Range;
  readonly bytesPerMs: number;
  /** What a receiver lets a sender have under way on one stream, before it has read. */
  readonly windowBytes: number;
  /** How long a sender waits on a blocked link before its connection is reset; undefined: for ever. */
  readonly resetStalledAfterMs: Range | undefined;
  /** From a connection's end on one side, by death or fault, to the other side's seeing it. */
  readonly endSeenAfterMs: Range;
}

/** A blocked sender repeats itself ever more seldom: so long at most until it finds out that the link works again. */
const RETRANSMIT_MS_MAX = 3_000;

/** What links share. */
export class Medium {
  readonly world: NetworkWorld;
  readonly chance: NetworkChance;
  readonly options: NetworkOptions;
  /** What was done, by kind: faults, and what they hit. */
  readonly counts: Record<string, number> = {};

  constructor(world: NetworkWorld, chance: NetworkChance, options: NetworkOptions) {
    this.world = world;
    this.chance = chance;
    this.options = options;
  }

  count(kind: string, by = 1): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + by;
  }

  draw({ min, max }: Range): number {
    return this.chance.between(min, max);
  }
}

/** Something that waits for a link to work again. */
export interface Stalled {
  readonly isResponse: boolean;
  /** Whom its arrival happens to. */
  readonly actor: Actor | undefined;
  resume(): void;
}

/** One direction between two hosts. What is sent while it is blocked waits, as TCP repeats it until it gets through. */
export class Link {
  readonly from: string;
  readonly to: string;
  readonly #medium: Medium;
  #blocked: "not" | "responses" | "all" = "not";
  #blockedSinceMs = 0;
  readonly #stalled = new Set<Stalled>();
  /** Added to each packet's latency. */
  extraDelayMs = 0;
  bytesPerMs: number;

  constructor(from: string, to: string, medium: Medium) {
    this.from = from;
    this.to = to;
    this.#medium = medium;
    this.bytesPerMs = medium.options.bytesPerMs;
  }

  /** `isResponse`: sent by the side that was connected to. */
  blocks(isResponse: boolean): boolean {
    return this.#blocked === "all" || (isResponse && this.#blocked === "responses");
  }

  block(what: "all" | "responses"): void {
    if (this.#blocked === "not") this.#blockedSinceMs = this.#medium.world.nowMs;
    if (this.#blocked !== "all") this.#blocked = what;
  }

  /** What waits goes on after a while: nobody tells the senders. */
  unblock(): void {
    if (this.#blocked === "not") return;
    const { world } = this.#medium;
    const noticedMsMax = Math.min(world.nowMs - this.#blockedSinceMs, RETRANSMIT_MS_MAX);
    this.#blocked = "not";
    const waiting = [...this.#stalled];
    this.#stalled.clear();
    for (const stalled of waiting) {
      world.after(this.#medium.draw({ min: 0, max: noticedMsMax }), "retransmission", () => stalled.resume(), stalled.actor);
    }
  }

  stall(stalled: Stalled): void {
    this.#stalled.add(stalled);
  }

  unstall(stalled: Stalled): void {
    this.#stalled.delete(stalled);
  }

  latencyMs(): number {
    return this.extraDelayMs + this.#medium.draw(this.#medium.options.latencyMs);
  }

  /** One packet outside of any connection: to open one, and the answer to that. Never to a process directly: to its machine. */
  carry(isResponse: boolean, kind: string, arrive: () => void, actor?: Actor): void {
    const attempt = (): void => {
      if (this.blocks(isResponse)) this.#stalled.add({ isResponse, actor, resume: attempt });
      else arrive();
    };
    this.#medium.world.after(this.latencyMs(), kind, attempt, actor);
  }
}
