import type { Clock, Random } from "../../../src/base/ports.js";
import type { Chance } from "./chance.js";
import type { Actor } from "./event-queue.js";
import type { Machine } from "./machine.js";
import { ProcessClock } from "./process-clock.js";
import type { World } from "./world.js";

/** A process dies alone, or with its machine. */
export type Death = "kill" | "power";

/**
 * One simulated process and the ports that end with it. After its death no event enters it and nothing that it does has an effect; its
 * code is not interrupted, it only shouts into the void.
 */
export class SimProcess implements Actor {
  readonly world: World;
  readonly machine: Machine;
  readonly pid: number;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Nothing keeps a simulated process alive but the simulation. */
  readonly hold = (): (() => void) => () => undefined;
  /** Told of errors that nobody caught; a real process would end. By default the run fails. */
  onUncaught: (error: unknown) => void;
  readonly #chance: Chance;
  readonly #deaths: ((death: Death) => void)[] = [];
  #held: (() => void)[] = [];
  #isAlive = true;
  #isPaused = false;
  #isCatchingUp = false;
  #actsLeft = Number.POSITIVE_INFINITY;

  constructor({ world, machine, pid }: { world: World; machine: Machine; pid: number }) {
    this.world = world;
    this.machine = machine;
    this.pid = pid;
    this.name = machine.name;
    this.#chance = world.random(`process ${machine.name} ${pid}`);
    this.random = world.random(`process ${machine.name} ${pid} code`);
    this.clock = new ProcessClock(this, this.#chance);
    this.onUncaught = (error) => world.fail(error);
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Something happens to it: at once, when its pause ends, or never. In the order of these calls. */
  enter(run: () => void): void {
    if (!this.#isAlive) return;
    if (this.#isPaused || this.#held.length > 0) this.#held.push(run);
    else run();
  }

  uncaught(error: unknown): void {
    if (this.#isAlive) this.onUncaught(error);
  }

  /** It does something that leaves it, such as a write or a message. Counts for `dieAfter`; of a dead process nothing leaves. */
  act(run: () => void): void {
    if (!this.#isAlive) return;
    this.#actsLeft -= 1;
    if (this.#actsLeft > 0) return run();
    // Around the call: what was begun and is not answered may be done, in part, or not at all.
    if (this.#chance.oneIn(2)) run();
    return this.die("kill");
  }

  /** It dies at its `acts`-th act from now, just before or just after beginning it; 1 is the next one. */
  dieAfter(acts: number): void {
    this.#actsLeft = acts;
  }

  /** As SIGSTOP: nothing enters it until it is resumed. What it began outside goes on. */
  pause(): void {
    if (!this.#isAlive || this.#isPaused) return;
    this.#isPaused = true;
    this.world.note(this.name, "pauses");
  }

  resume(): void {
    if (!this.#isAlive || !this.#isPaused) return;
    this.#isPaused = false;
    this.world.note(this.name, "resumes");
    this.#catchUp();
  }

  /** Told once, in the order of registration. */
  onDeath(told: (death: Death) => void): void {
    this.#deaths.push(told);
  }

  die(death: Death = "kill"): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#held = [];
    this.world.note(this.name, `dies: ${death}`);
    for (const told of this.#deaths) told(death);
  }

  /** What was held back happens one after the other, each with all that follows from it, before anything newer. */
  #catchUp(): void {
    if (this.#isCatchingUp || this.#held.length === 0) return;
    this.#isCatchingUp = true;
    this.world.after(0, "resumed", () => this.#enterHeld(), { name: this.name, enter: (run) => run(), uncaught: (error) => this.uncaught(error) });
  }

  #enterHeld(): void {
    this.#isCatchingUp = false;
    if (!this.#isAlive || this.#isPaused) return;
    const run = this.#held[0];
    try {
      run?.();
    } finally {
      this.#held.shift();
      this.#catchUp();
    }
  }
}
