import type { Clock, Timer } from "../../base/ports.js";

export interface DebounceOptions {
  readonly clock: Clock;
  /** It is due when it was not asked for again for so long, */
  readonly quietMs: number;
  /** or after so long in any case. */
  readonly waitMsMax: number;
  readonly due: () => void;
}

/** Something that is to be done once after several causes: now, or soon, when no further cause comes. */
export class Debounce {
  readonly #options: DebounceOptions;
  #timer: Timer | undefined;
  #sinceMs = 0;
  #isDue = false;

  constructor(options: DebounceOptions) {
    this.#options = options;
  }

  get isDue(): boolean {
    return this.#isDue;
  }

  /** Due, or going to be. */
  get isPending(): boolean {
    return this.#isDue || this.#timer !== undefined;
  }

  now(): void {
    this.#isDue = true;
    this.#stopWaiting();
  }

  soon(): void {
    if (this.#isDue) return;
    const { clock, quietMs, waitMsMax, due } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#timer === undefined) this.#sinceMs = nowMs;
    this.#stopWaiting();
    this.#timer = clock.after(Math.max(0, Math.min(quietMs, this.#sinceMs + waitMsMax - nowMs)), () => {
      this.#timer = undefined;
      this.#isDue = true;
      due();
    });
  }

  /** It is being done: what happens from here on is a new cause. */
  taken(): void {
    this.#isDue = false;
    this.#stopWaiting();
  }

  cancel(): void {
    this.taken();
  }

  #stopWaiting(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
