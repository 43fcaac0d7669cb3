import type { Clock, Timer } from "../base/ports.js";

export interface WorkQueueOptions<Key> {
  readonly clock: Clock;
  readonly concurrency: number;
  /** Wait before a key is tried again: from `retryMsMin`, twice as long each time, to `retryMsMax`. */
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** Does what is to be done about a key. `again`: not finished, come back later. Must not reject. */
  readonly run: (key: Key) => Promise<"done" | "again">;
}

/** Keys to be worked on: each once at a time, a few at once, again later when unfinished. One timer, and none when there is nothing to wait for. */
export class WorkQueue<Key> {
  readonly #options: WorkQueueOptions<Key>;
  readonly #waiting = new Set<Key>();
  readonly #running = new Set<Key>();
  /** When unfinished keys are due, and how long each waited last. */
  readonly #dueMs = new Map<Key, number>();
  readonly #delayMs = new Map<Key, number>();
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  readonly #whenIdle: (() => void)[] = [];
  #stopped = false;

  constructor(options: WorkQueueOptions<Key>) {
    this.#options = options;
  }

  /** Keys that are not finished. */
  get size(): number {
    return this.#waiting.size + this.#running.size + this.#dueMs.size;
  }

  /** Something about this key changed: work on it soon, even if it was to be tried later. */
  add(key: Key): void {
    if (this.#stopped) return;
    this.#dueMs.delete(key);
    this.#delayMs.delete(key);
    this.#waiting.add(key);
    this.#pump();
  }

  /** No more work begins; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#waiting.clear();
    this.#dueMs.clear();
    this.#delayMs.clear();
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #pump(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.concurrency) return;
      // What changed while it was worked on is looked at after that.
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#work(key);
    }
  }

  async #work(key: Key): Promise<void> {
    const outcome = await this.#options.run(key);
    this.#running.delete(key);
    if (this.#stopped) {
      if (this.#running.size === 0) for (const idle of this.#whenIdle.splice(0)) idle();
      return;
    }
    if (outcome === "done") this.#delayMs.delete(key);
    else if (!this.#waiting.has(key)) this.#tryLater(key);
    this.#pump();
  }

  #tryLater(key: Key): void {
    const { clock, retryMsMin, retryMsMax } = this.#options;
    const delayMs = Math.min((this.#delayMs.get(key) ?? retryMsMin / 2) * 2, retryMsMax);
    this.#delayMs.set(key, delayMs);
    this.#dueMs.set(key, clock.monotonicMs() + delayMs);
    this.#arm(clock.monotonicMs() + delayMs);
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#options.clock.after(Math.max(dueMs - this.#options.clock.monotonicMs(), 0), () => this.#due());
  }

  #due(): void {
    this.#timer = undefined;
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#options.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, dueMs] of this.#dueMs) {
      // Timers may fire a little early by the clock's own measure.
      if (dueMs > nowMs + 1) {
        nextMs = Math.min(nextMs, dueMs);
      } else {
        this.#dueMs.delete(key);
        this.#waiting.add(key);
      }
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
    this.#pump();
  }
}
