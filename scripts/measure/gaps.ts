import { setTimeout as sleep } from "node:timers/promises";
import type { Topic } from "../../src/client/index.js";

/** Sends one small record after the other to a partition and remembers when each was acknowledged. */
export class Pulse {
  readonly #topic: Topic<string>;
  readonly #partition: number;
  #lastMs = performance.now();
  #longestMs = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(topic: Topic<string>, partition: number) {
    this.#topic = topic;
    this.#partition = partition;
    this.#running = this.#run();
  }

  /** The longest pause between two acknowledgements since the last call. */
  takeLongestMs(): number {
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#topic.send("pulse", { partition: this.#partition });
      const nowMs = performance.now();
      this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
      this.#lastMs = nowMs;
      await sleep(1);
    }
  }
}
