import { connectWith, type Quire } from "../../../src/client/connect.js";
import type { HostPorts } from "../../../src/client/consume/membership-host.js";
import type { StartMembershipHost } from "../../../src/client/consume/membership-messages.js";
import type { ConnectOptions } from "../../../src/client/options.js";
import { Machine } from "../kernel/machine.js";
import type { SimProcess } from "../kernel/sim-process.js";
import type { World } from "../kernel/world.js";
import type { SimNetwork } from "../network/sim-network.js";

export interface SimClientOptions {
  readonly world: World;
  readonly network: SimNetwork;
  readonly name: string;
  readonly brokers: readonly string[];
  readonly connect?: Omit<ConnectOptions, "brokers">;
  /** Where its memberships of consumer groups are kept up; default: inline. */
  readonly startMembershipHost?: (ports: HostPorts, process: SimProcess) => StartMembershipHost;
  /** What it does while it is connected; started anew after each of its deaths. */
  readonly work: (life: ClientLife) => Promise<void>;
}

/** One life of a client, from its start to its death or the end. */
export interface ClientLife {
  readonly quire: Quire;
  readonly process: SimProcess;
  /** Counts from 1. */
  readonly number: number;
  /** False when it should come to an end, or is dead. */
  readonly isOn: () => boolean;
  pause(delayMs: number): Promise<void>;
}

const RECONNECT_MS = 500;

/** A client process of the simulated cluster, with the real client in it. */
export class SimClient {
  readonly name: string;
  readonly machine: Machine;
  process: SimProcess | undefined;
  readonly #options: SimClientOptions;
  #lives = 0;
  #isEnding = false;
  /** Whether its work has come to its end. */
  isDone = false;

  constructor(options: SimClientOptions) {
    this.#options = options;
    this.name = options.name;
    this.machine = new Machine({ world: options.world, name: options.name });
  }

  start(): void {
    if (this.process !== undefined || this.#isEnding) return;
    const process = this.machine.start();
    this.process = process;
    this.#lives += 1;
    process.onDeath(() => {
      if (this.process === process) this.process = undefined;
    });
    const number = this.#lives;
    this.#options.world.after(0, "start", () => void this.#live(process, number), process);
  }

  /** It brings to an end what is under way, and begins nothing new. */
  end(): void {
    this.#isEnding = true;
    if (this.process === undefined) this.isDone = true;
  }

  crash(): void {
    this.process?.die();
    if (this.#isEnding) this.isDone = true;
  }

  async #live(process: SimProcess, number: number): Promise<void> {
    const { network, brokers, connect = {}, work, startMembershipHost } = this.#options;
    const { clock, random, hold } = process;
    const { dial } = network.portsOf(process);
    const membership = startMembershipHost === undefined ? {} : { startMembershipHost: startMembershipHost({ clock, random, dial }, process) };
    const pause = (delayMs: number): Promise<void> => new Promise((resolve) => void clock.after(delayMs, resolve));
    const isOn = (): boolean => process.isAlive && !this.#isEnding;
    while (isOn()) {
      const quire = await connectWith({ brokers, ...connect }, { clock, random, hold, dial, ...membership }).catch(() => undefined);
      if (quire === undefined) await pause(RECONNECT_MS);
      else {
        await work({ quire, process, number, isOn, pause });
        await quire.close();
      }
    }
    this.isDone = true;
  }
}
