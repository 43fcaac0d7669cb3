/** What the network needs of the simulation's kernel: a `World`, its `Chance`, its `SimProcess`es. */
import type { Clock, Timer } from "../../../src/base/ports.js";
import type { Actor } from "../kernel/event-queue.js";

export interface NetworkWorld {
  /** Simulated time. */
  readonly nowMs: number;
  after(delayMs: number, kind: string, run: () => void, actor?: Actor): Timer;
  /** A line for people: what was decided by the simulation. */
  note(actor: string, text: string): void;
  /** What was sent is part of what two runs of one seed must share. */
  readonly trace: { detail(value: number, more?: number): void };
}

export interface NetworkChance {
  below(bound: number): number;
  between(min: number, max: number): number;
}

export interface NetworkProcess extends Actor {
  /** Its machine's, and the host in the addresses at which it listens. */
  readonly name: string;
  readonly isAlive: boolean;
  /** Its own clock: deadlines are counted on it, and its timers end with it. */
  readonly clock: Clock;
  /** Something leaves it, or it dies of that. */
  act(run: () => void): void;
  onDeath(told: (death: "kill" | "power") => void): void;
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Runs later in this turn, unless the process has died: where grpc-js uses `process.nextTick`. */
export function defer(owner: NetworkProcess, run: () => void): void {
  process.nextTick(() => {
    if (owner.isAlive) run();
  });
}

/**
 * For events that the operating system sees first, and then perhaps the process: they happen also to a paused or dead one, and what
 * its code throws is its own error.
 */
export const kernelOf = (owner: NetworkProcess): Actor => ({ name: owner.name, enter: (run) => run(), uncaught: (error) => owner.uncaught?.(error) });
