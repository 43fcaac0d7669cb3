/** Machines on a simulated network, for the tests of what only a simulation can do. */
import { Machine } from "../kernel/machine.js";
import type { SimProcess } from "../kernel/sim-process.js";
import { World } from "../kernel/world.js";
import { Echo, type EchoHandlers } from "./echo.js";
import type { NetworkOptions } from "./link.js";
import { type NetworkPorts, SimNetwork } from "./sim-network.js";
import { type RunOn, settledIn, type Transport } from "./transports.js";

export interface Node {
  readonly machine: Machine;
  readonly process: SimProcess;
  readonly ports: NetworkPorts;
}

/** One server, one client, and whoever else is asked for. */
export class Lab {
  readonly world: World;
  readonly network: SimNetwork;
  readonly server: Node;
  readonly client: Node;

  constructor(seed = 1, options: Partial<NetworkOptions> = {}) {
    this.world = new World({ seed });
    this.network = new SimNetwork(this.world, this.world.random("network"), options);
    this.server = this.node("server");
    this.client = this.node("client");
  }

  node(name: string): Node {
    return this.boot(new Machine({ world: this.world, name }));
  }

  boot(machine: Machine): Node {
    const process = machine.start();
    return { machine, process, ports: this.network.portsOf(process) };
  }

  get transport(): Transport {
    const { faults } = this.network;
    return {
      dial: this.client.ports.dial,
      createServer: this.server.ports.createServer,
      wallMs: () => this.client.process.clock.wallMs(),
      wait: (ms) =>
        new Promise((resolve) => {
          this.world.after(ms, "test", resolve);
        }),
      listen: "server:0",
      reach: async (port) => `server:${port}`,
      nobody: async () => "server:1",
      breakConnections: () => faults.reset("client", "server"),
      freeze: () => faults.partition(["client"], ["server"]),
      thaw: () => faults.heal(),
    };
  }

  echo(handlers: EchoHandlers, options: object = {}): Promise<Echo> {
    return this.until(Echo.start(this.transport, handlers, options));
  }

  /** Time passes until `work` is done. */
  until<T>(work: Promise<T>): Promise<T> {
    return settledIn(this.world, work);
  }

  pass(ms: number): Promise<void> {
    return this.world.run(this.world.nowMs + ms);
  }
}

export const onSimulation: RunOn = (scenario) => {
  const lab = new Lab(7);
  return lab.until(scenario(lab.transport));
};
