import type { Clock, Timer } from "../../src/base/ports.js";

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #nowMs = 1_000_000;
  #timers: { readonly dueMs: number; readonly run: () => void }[] = [];
  #soon: (() => void)[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  every(): Timer {
    throw new Error("nothing of the control plane beats for ever");
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Timers that were set and have not fired. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Runs all that waits for no timer: promises, and what was put off to the end of the turn. */
  async settle(): Promise<void> {
    for (let calm = 0; calm < 3; calm++) {
      await new Promise((resolve) => setImmediate(resolve));
      const soon = this.#soon;
      this.#soon = [];
      for (const run of soon) run();
      if (soon.length > 0) calm = 0;
    }
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await this.settle();
      const [next] = this.#timers.filter((timer) => timer.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.run();
    }
    this.#nowMs = endMs;
    await this.settle();
  }

  /** Time passes in which nothing runs, as for a process that was held up. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves on until `condition` holds; fails after `limitMs` of this clock. */
  async until(condition: () => boolean, limitMs = 60_000): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    await this.settle();
    while (!condition()) {
      if (this.#nowMs >= endMs) throw new Error(`not reached within ${limitMs} ms: ${condition.toString()}`);
      await this.advance(10);
    }
  }
}
