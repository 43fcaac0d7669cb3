import type { Call, Done } from "../../support/image-files.js";
import type { Actor } from "../kernel/event-queue.js";
import type { SimProcess } from "../kernel/sim-process.js";
import type { SimDisk } from "./sim-disk.js";

/** One process's calls to a disk: each takes its time, is done at once at the end of it, and is answered if somebody is there to hear. */
export class ProcessIo {
  readonly #process: SimProcess;
  readonly #disk: SimDisk;
  /** The operating system does what it was asked for, also for a process that is paused. */
  readonly #kernel: Actor;
  readonly #underWay = new Set<Pick<Call<unknown>, "effect" | "partly">>();

  constructor(process: SimProcess, disk: SimDisk) {
    this.#process = process;
    this.#disk = disk;
    this.#kernel = { name: process.name, enter: (run) => run(), uncaught: (error) => process.uncaught(error) };
    process.onDeath(() => this.#abandon());
  }

  carryOut<T>(call: Call<T>, done: Done<T>): void {
    const { world } = this.#process;
    this.#process.act(() => {
      this.#underWay.add(call);
      world.trace.detail(world.trace.hashOf(call.path), call.bytes, call.checksum?.() ?? 0);
      const delayMs = this.#disk.speed.delayMs(call.operation, call.bytes, world.nowMs);
      world.after(delayMs, call.operation, () => this.#complete(call, done), this.#kernel);
    });
  }

  #complete<T>(call: Call<T>, done: Done<T>): void {
    if (!this.#underWay.delete(call)) return;
    this.#process.enter(this.#disk.answerTo(call, done));
  }

  /** Nobody waits any more for what is under way: of each call all is done, nothing, or a part. */
  #abandon(): void {
    const { chance } = this.#disk;
    for (const { effect, partly } of this.#underWay) {
      const fate = chance.below(3);
      try {
        if (fate === 1) effect();
        else if (fate === 2) partly?.((bound) => chance.below(bound));
      } catch {
        // What the operating system would have answered; nobody hears it.
      }
    }
    this.#underWay.clear();
  }
}
