import type { Clock, Timer } from "../../../src/base/ports.js";
import type { Chance } from "./chance.js";
import type { SimProcess } from "./sim-process.js";

/** Beyond this, Node's timers end after 1 ms. */
const DELAY_MS_MAX = 2 ** 31 - 1;
/** How late an event loop may be with a timer. */
const LATE_MS_MAX = 1;

/** Time as one process sees it: by its machine's clocks, with timers as Node's are, which are late and never early. */
export class ProcessClock implements Clock {
  readonly #process: SimProcess;
  readonly #chance: Chance;
  readonly #startMs: number;

  constructor(process: SimProcess, chance: Chance) {
    this.#process = process;
    this.#chance = chance;
    this.#startMs = process.machine.monotonicMs();
  }

  wallMs(): number {
    return Math.floor(this.#process.machine.wallMs());
  }

  monotonicMs(): number {
    return this.#process.machine.monotonicMs() - this.#startMs;
  }

  after(delayMs: number, run: () => void): Timer {
    return new ProcessTimer(this.#process, this.#chance, { delayMs, isPeriodic: false, run });
  }

  every(periodMs: number, run: () => void): Timer {
    return new ProcessTimer(this.#process, this.#chance, { delayMs: periodMs, isPeriodic: true, run });
  }

  soon(run: () => void): void {
    if (this.#process.isAlive) this.#process.world.after(0, "soon", run, this.#process);
  }
}

interface TimerOptions {
  readonly delayMs: number;
  readonly isPeriodic: boolean;
  readonly run: () => void;
}

class ProcessTimer implements Timer {
  readonly #process: SimProcess;
  readonly #chance: Chance;
  readonly #run: () => void;
  readonly #delayMs: number;
  readonly #isPeriodic: boolean;
  /** By the machine's clock. */
  #dueMs = 0;
  #event: Timer | undefined;
  #isCancelled = false;

  constructor(process: SimProcess, chance: Chance, { delayMs, isPeriodic, run }: TimerOptions) {
    this.#process = process;
    this.#chance = chance;
    this.#run = run;
    this.#delayMs = delayMs >= 1 && delayMs <= DELAY_MS_MAX ? Math.trunc(delayMs) : 1;
    this.#isPeriodic = isPeriodic;
    this.#begin();
  }

  /** Also of one whose time came while its process was paused. */
  cancel(): void {
    this.#isCancelled = true;
    this.#event?.cancel();
  }

  #begin(): void {
    if (!this.#process.isAlive) return;
    this.#dueMs = this.#process.machine.monotonicMs() + this.#delayMs;
    this.#wait(this.#delayMs + this.#chance.fraction() * LATE_MS_MAX);
  }

  #wait(localMs: number): void {
    this.#event = this.#process.world.after(localMs / this.#process.machine.rate, "timer", this.#fire, this.#process);
  }

  readonly #fire = (): void => {
    if (this.#isCancelled) return;
    const earlyMs = this.#dueMs - this.#process.machine.monotonicMs();
    // The clock became slower meanwhile. What is not above zero by more than rounding is due.
    if (earlyMs > 1e-6) return this.#wait(earlyMs);
    if (!this.#isPeriodic) return this.#run();
    // As Node does: the next one counts from the end of this one, also when this one throws.
    try {
      this.#run();
    } finally {
      if (!this.#isCancelled) this.#begin();
    }
  };
}
