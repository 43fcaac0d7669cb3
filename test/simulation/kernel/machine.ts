import { SimProcess } from "./sim-process.js";
import type { World } from "./world.js";

/** When all worlds begin, by an exact clock: 14 November 2023. */
const EPOCH_MS = 1_700_000_000_000;

export interface MachineOptions {
  readonly world: World;
  readonly name: string;
}

/** A computer: its clock, and the processes that run on it. What has a disk in it registers for the loss of power. */
export class Machine {
  readonly world: World;
  readonly name: string;
  /** Another one after every start of the operating system. */
  bootId: string;
  readonly #processes = new Set<SimProcess>();
  readonly #powerLosses: (() => void)[] = [];
  #pids = 0;
  #rate = 1;
  #sinceMs = 0;
  #monotonicMs: number;
  #wallMs: number;

  constructor({ world, name }: MachineOptions) {
    this.world = world;
    this.name = name;
    const chance = world.random(`machine ${name}`);
    this.bootId = chance.uuid();
    this.#sinceMs = world.nowMs;
    this.#monotonicMs = chance.between(1, 1e6);
    this.#wallMs = EPOCH_MS + world.nowMs + chance.between(-50, 50);
  }

  /** Those that live. */
  get processes(): readonly SimProcess[] {
    return [...this.#processes];
  }

  start(): SimProcess {
    this.#pids += 1;
    const process = new SimProcess({ world: this.world, machine: this, pid: this.#pids });
    this.#processes.add(process);
    process.onDeath(() => this.#processes.delete(process));
    return process;
  }

  /** Milliseconds by this machine's oscillator; never goes back. */
  monotonicMs(): number {
    return this.#monotonicMs + (this.world.nowMs - this.#sinceMs) * this.#rate;
  }

  /** What this machine takes for the time of day. */
  wallMs(): number {
    return this.#wallMs + (this.world.nowMs - this.#sinceMs) * this.#rate;
  }

  /** How many of its milliseconds pass in a true one. */
  get rate(): number {
    return this.#rate;
  }

  /** From now on its clocks run at that rate; above 0. Pending timers end late or on time, never early by its own clock. */
  setRate(rate: number): void {
    [this.#monotonicMs, this.#wallMs, this.#sinceMs] = [this.monotonicMs(), this.wallMs(), this.world.nowMs];
    this.#rate = rate;
    this.world.note(this.name, `clock runs at ${rate}`);
  }

  /** The time of day jumps, also back. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
    this.world.note(this.name, `time of day jumps by ${byMs} ms`);
  }

  /** Told when the power goes, after all processes died of it. */
  onPowerLoss(told: () => void): void {
    this.#powerLosses.push(told);
  }

  losePower(): void {
    this.world.note(this.name, "loses power");
    for (const process of this.#processes) process.die("power");
    for (const told of this.#powerLosses) told();
    this.bootId = this.world.random(`machine ${this.name}`).uuid();
  }
}
