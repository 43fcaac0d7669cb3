/**
 * How far a consumer is, in memory that the membership's thread sees while this one is busy: that is how it tells a handler that works for long from
 * one that hangs. Two numbers: steps done so far (they wrap around), and attempts under way.
 */
const STEPS = 0;
const UNDER_WAY = 1;

export class ProgressCell {
  readonly memory = new Int32Array(new SharedArrayBuffer(8));

  began(): void {
    Atomics.add(this.memory, UNDER_WAY, 1);
    Atomics.add(this.memory, STEPS, 1);
  }

  ended(): void {
    Atomics.sub(this.memory, UNDER_WAY, 1);
    Atomics.add(this.memory, STEPS, 1);
  }
}

/** Looks at a cell from time to time. Pure: the caller brings the clock. */
export class ProgressWatch {
  readonly #memory: Int32Array;
  readonly #lookMs: number;
  #steps: number;
  #stuckMs = 0;
  #lookedMs: number;

  /** @param lookMs between two looks. A look that comes late counts no more than two: a process that was stopped as a whole did not hang meanwhile */
  constructor(memory: Int32Array, lookMs: number, nowMs: number) {
    this.#memory = memory;
    this.#lookMs = lookMs;
    this.#steps = Atomics.load(memory, STEPS);
    this.#lookedMs = nowMs;
  }

  /** For how long there has been work under way without a step, as far as was looked. */
  stuckMs(nowMs: number): number {
    const steps = Atomics.load(this.#memory, STEPS);
    const isStuck = steps === this.#steps && Atomics.load(this.#memory, UNDER_WAY) > 0;
    this.#stuckMs = isStuck ? this.#stuckMs + Math.min(nowMs - this.#lookedMs, 2 * this.#lookMs) : 0;
    this.#steps = steps;
    this.#lookedMs = nowMs;
    return this.#stuckMs;
  }
}
