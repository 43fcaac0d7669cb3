import { assert } from "../../../src/base/assert.js";
import type { Timer } from "../../../src/base/ports.js";
import { Chance } from "./chance.js";
import { type Actor, EventQueue, type SimEvent } from "./event-queue.js";
import { forbidReality, real } from "./guard.js";
import { Trace, type TraceOptions } from "./trace.js";

export interface WorldOptions {
  /** A whole number from 0 on; determines everything. */
  readonly seed: number;
  readonly trace?: TraceOptions;
}

/** Events per turn of the real event loop, which then may look at signals. */
const TURN_EVENTS = 256;

interface Running {
  readonly untilMs: number;
  eventsLeft: number;
  readonly finish: (error: unknown) => void;
  /** The event whose consequences may still be under way. */
  event: SimEvent | undefined;
}

/**
 * Simulated time and all that happens in it. One event happens at a time, and everything that follows from it by promises and
 * `nextTick` is over before the next begins. Nothing else moves the time.
 */
export class World {
  readonly seed: number;
  readonly trace: Trace;
  /** Milliseconds since the world began; may be a fraction. */
  nowMs = 0;
  /** Events so far. */
  events = 0;
  /** Told after each event, when all that followed from it at that time is over. What it throws ends the run. */
  settled: (actor: Actor, kind: string) => void = () => undefined;
  readonly #queue = new EventQueue();
  readonly #chances = new Map<string, Chance>();
  readonly #itself: Actor = { name: "world", enter: (run) => run() };
  #running: Running | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor({ seed, trace }: WorldOptions) {
    assert(Number.isSafeInteger(seed) && seed >= 0, () => `a seed is a whole number from 0 on, and not ${seed}`);
    this.seed = seed;
    this.trace = new Trace(trace);
  }

  /** The source of chance for one purpose, always the same one: draws for one purpose do not disturb another's. */
  random(purpose: string): Chance {
    let chance = this.#chances.get(purpose);
    if (chance === undefined) {
      chance = new Chance(this.seed, purpose);
      this.#chances.set(purpose, chance);
    }
    return chance;
  }

  /** `run` happens `delayMs` from now, to the actor; 0 is at the same time, after all that is due by then. */
  after(delayMs: number, kind: string, run: () => void, actor: Actor = this.#itself): Timer {
    assert(delayMs >= 0 && delayMs < Number.POSITIVE_INFINITY, () => `nothing can happen ${delayMs} ms from now`);
    return this.#queue.add({ atMs: this.nowMs + delayMs, actor, kind, run });
  }

  /** Events to come. */
  get pending(): number {
    return this.#queue.size;
  }

  /** A line for people, and a part of the hash: for what was decided by the simulation itself, such as faults. */
  note(actor: string, text: string): void {
    this.trace.event(this.nowMs, actor, text);
    this.trace.tell(this.nowMs, actor, text);
  }

  /** Ends the run; `run` rejects with the first of these errors. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Everything until then happens. @throws what was given to `fail`, or an error that nobody caught */
  run(untilMs: number): Promise<void> {
    return this.#go(untilMs, Number.POSITIVE_INFINITY);
  }

  /** One event happens, if there is any. */
  async step(): Promise<boolean> {
    const before = this.events;
    await this.#go(Number.POSITIVE_INFINITY, 1);
    return this.events > before;
  }

  async #go(untilMs: number, eventsMax: number): Promise<void> {
    assert(this.#running === undefined, "one run at a time");
    const release = forbidReality((error) => this.#uncaught(error));
    try {
      await new Promise<void>((resolve, reject) => {
        const finish = (error: unknown): void => (error === undefined ? resolve() : reject(error));
        this.#running = { untilMs, eventsLeft: eventsMax, finish, event: undefined };
        this.#turn(this.#running);
      });
      if (untilMs !== Number.POSITIVE_INFINITY) this.nowMs = Math.max(this.nowMs, untilMs);
    } finally {
      this.#running = undefined;
      release();
    }
  }

  /**
   * Between two callbacks of `setImmediate`, also of one turn, Node runs all `nextTick`s and promise jobs until none is left
   * (since Node 11), so every event has a callback of its own, and many share a turn: a turn for each is ten times slower.
   */
  #turn(running: Running): void {
    if (this.#running !== running) return;
    const next = (): void => this.#next(running);
    for (let left = Math.min(TURN_EVENTS, running.eventsLeft + 1); left > 0; left--) real.setImmediate(next);
    real.setImmediate(() => this.#turn(running));
  }

  #next(running: Running): void {
    if (this.#running !== running) return;
    const before = running.event;
    running.event = undefined;
    try {
      if (before !== undefined) this.settled(before.actor, before.kind);
    } catch (error) {
      this.fail(error);
    }
    const event = this.#failure === undefined && running.eventsLeft > 0 ? this.#queue.take(running.untilMs) : undefined;
    if (event === undefined) {
      this.#running = undefined;
      running.finish(this.#failure === undefined ? undefined : (this.#failure.error ?? new Error("the run failed")));
      return;
    }
    running.event = event;
    running.eventsLeft -= 1;
    this.#happen(event);
  }

  #happen(event: SimEvent): void {
    assert(event.atMs >= this.nowMs, "time does not go back");
    this.nowMs = event.atMs;
    this.events += 1;
    this.trace.event(event.atMs, event.actor.name, event.kind);
    try {
      event.actor.enter(event.run);
    } catch (error) {
      this.#uncaught(error);
    }
  }

  /** An error that nobody caught belongs to whom the event happened to that led to it. */
  #uncaught(error: unknown): void {
    const actor = this.#running?.event?.actor;
    if (actor?.uncaught !== undefined) actor.uncaught(error);
    else this.fail(error);
  }
}
