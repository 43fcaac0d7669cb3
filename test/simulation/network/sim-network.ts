import type { ChannelOptions } from "@grpc/grpc-js";
import { QuireError } from "../../../src/base/errors.js";
import { limits } from "../../../src/base/limits.js";
import type { BrokerPorts } from "../../../src/node/ports.js";
import type { Channel } from "../../../src/wire/transport.js";
import { type ChannelNetwork, SimChannel } from "./channel.js";
import type { ClientCall } from "./client-call.js";
import { Endpoint, type EndpointOwner } from "./endpoint.js";
import { NetworkFaults } from "./faults.js";
import { Link, Medium, type NetworkOptions } from "./link.js";
import { PeerMessages } from "./peer-messages.js";
import { kernelOf, type NetworkChance, type NetworkProcess, type NetworkWorld } from "./seam.js";
import { type ServerNetwork, SimServer } from "./server.js";
import type { ServerCall } from "./server-call.js";

export const defaultNetwork: NetworkOptions = {
  latencyMs: { min: 0.1, max: 0.6 },
  bytesPerMs: 100_000,
  windowBytes: limits.flowControlWindowBytes,
  resetStalledAfterMs: { min: 5_000, max: 60_000 },
  endSeenAfterMs: { min: 0.1, max: 5 },
};

/** How a process of the simulation calls others and is called. */
export type NetworkPorts = Pick<BrokerPorts, "dial" | "createServer" | "freeAddress">;

/** A machine as the network sees it. */
interface Host {
  readonly name: string;
  /** Without power nothing is answered, not even that nobody listens. */
  isOn: boolean;
  nextPort: number;
  /** Connections that were open when it lost power. */
  gone: Endpoint[];
}

/** What a process is connected by. */
interface Connected {
  /** Sides of connections that are open. */
  readonly endpoints: Set<Endpoint>;
  /** Who waits for it to accept a connection, while it is paused. */
  readonly connecting: Set<(result: string) => void>;
}

const FIRST_FREE_PORT = 40_000;
/** A machine that is off answers nothing: it is asked again, each time after twice as long, and in the end given up, as TCP and grpc-js do. */
const SYN_RETRY_MS = 1_000;
const SYN_RETRY_MS_MAX = 16_000;

/** A network between simulated machines. `faults` is what can be done to it. */
export class SimNetwork implements ChannelNetwork, ServerNetwork {
  readonly faults: NetworkFaults;
  readonly chance: NetworkChance;
  readonly windowBytes: number;
  readonly #medium: Medium;
  readonly #messages: PeerMessages;
  readonly #hosts = new Map<string, Host>();
  readonly #links = new Map<string, Map<string, Link>>();
  readonly #listeners = new Map<string, SimServer>();
  /** Of those that live. */
  readonly #processes = new Map<NetworkProcess, Connected>();

  /** `chance` is for the network alone. */
  constructor(world: NetworkWorld, chance: NetworkChance, options: Partial<NetworkOptions> = {}) {
    this.chance = chance;
    this.#medium = new Medium(world, chance, { ...defaultNetwork, ...options });
    this.windowBytes = this.#medium.options.windowBytes;
    this.#messages = new PeerMessages(this.#medium);
    this.faults = new NetworkFaults(this, this.#medium, this.#messages);
  }

  /** Once for each process: its machine is on from then on, and its connections end with it. */
  portsOf(process: NetworkProcess): NetworkPorts {
    const host = this.#host(process.name);
    host.isOn = true;
    for (const endpoint of host.gone.splice(0)) endpoint.machineIsBack();
    this.#processes.set(process, { endpoints: new Set(), connecting: new Set() });
    process.onDeath((death) => this.#died(process, host, death));
    return {
      dial: (address, options) => new SimChannel(process, this, address, options) as unknown as Channel,
      createServer: (options: ChannelOptions) => new SimServer(process, this, options),
      freeAddress: async (setting, address) => this.#freeAddress(process, setting, address),
    };
  }

  link(from: string, to: string): Link {
    let ofHost = this.#links.get(from);
    if (ofHost === undefined) {
      ofHost = new Map();
      this.#links.set(from, ofHost);
    }
    let link = ofHost.get(to);
    if (link === undefined) {
      link = new Link(from, to, this.#medium);
      ofHost.set(to, link);
    }
    return link;
  }

  *links(): Iterable<Link> {
    for (const ofHost of this.#links.values()) yield* ofHost.values();
  }

  /** Both sides of those that stand, each after a time of its own. What is under way is lost. */
  resetConnections(a: string, b: string): number {
    let count = 0;
    for (const [process, { endpoints }] of this.#processes) {
      if (process.name !== a && process.name !== b) continue;
      for (const endpoint of endpoints) {
        const other = endpoint.other?.process.name;
        if (other !== (process.name === a ? b : a)) continue;
        count += 1;
        endpoint.breakAfter(this.#medium.draw(this.#medium.options.endSeenAfterMs));
      }
    }
    return count / 2;
  }

  connect(process: NetworkProcess, address: string, owner: EndpointOwner, done: (result: Endpoint | string) => void): void {
    const to = hostOf(address);
    const there = this.link(process.name, to);
    const back = this.link(to, process.name);
    const answer = (result: Endpoint | string): void => back.carry(true, "connected", () => process.enter(() => done(result)), kernelOf(process));
    const ask = (retryAfterMs: number): void =>
      there.carry(false, "connect", () => {
        const server = this.#listeners.get(address);
        if (server === undefined) {
          if (this.#hosts.get(to)?.isOn === true) answer(`connect ECONNREFUSED ${address}`);
          else if (retryAfterMs <= SYN_RETRY_MS_MAX) this.#medium.world.after(retryAfterMs, "connect again", () => ask(2 * retryAfterMs), kernelOf(process));
          else answer(`connect ETIMEDOUT ${address}`);
          return;
        }
        const waiting = this.#ofProcess(server.process).connecting;
        waiting.add(answer);
        server.process.enter(() => {
          waiting.delete(answer);
          if (this.#listeners.get(address) === server) answer(this.#accept(process, owner, server, there, back));
          else answer(`connect ECONNREFUSED ${address}`);
        });
      });
    process.act(() => ask(SYN_RETRY_MS));
  }

  listen(process: NetworkProcess, address: string, server: SimServer): number {
    const bound = this.#bindable(process, address);
    this.#listeners.set(bound, server);
    return Number(bound.slice(bound.lastIndexOf(":") + 1));
  }

  unlisten(server: SimServer): void {
    for (const [address, listening] of this.#listeners) if (listening === server) this.#listeners.delete(address);
  }

  callBegan(call: ServerCall): void {
    this.#messages.began(call);
  }

  callEnded(call: ServerCall): void {
    this.#messages.ended(call);
  }

  divert(call: ClientCall, bytes: Buffer): boolean {
    return this.#messages.divert(call, bytes);
  }

  #accept(client: NetworkProcess, owner: EndpointOwner, server: SimServer, there: Link, back: Link): Endpoint {
    const clientSide = new Endpoint(client, this.#medium, owner, this.#ofProcess(client).endpoints);
    const serverSide = new Endpoint(server.process, this.#medium, server, this.#ofProcess(server.process).endpoints);
    Endpoint.connect(this.#medium, clientSide, serverSide, there, back);
    server.accept(serverSide);
    // It asked, and died before the answer: its machine knows nothing of it.
    if (!client.isAlive) clientSide.died("kill");
    return clientSide;
  }

  #died(process: NetworkProcess, host: Host, death: "kill" | "power"): void {
    for (const [address, server] of this.#listeners) if (server.process === process) this.#listeners.delete(address);
    const { connecting, endpoints: open } = this.#ofProcess(process);
    const endpoints = [...open];
    this.#processes.delete(process);
    this.#messages.forget(process);
    if (death === "power") {
      host.isOn = false;
      host.gone.push(...endpoints);
      // Nobody answers for it any more: who asked gives up.
      for (const answer of connecting) this.#medium.world.after(SYN_RETRY_MS_MAX, "connect given up", () => answer("connect ETIMEDOUT"));
    } else for (const answer of connecting) answer("read ECONNRESET");
    for (const endpoint of endpoints) endpoint.died(death);
  }

  async #freeAddress(process: NetworkProcess, setting: string, address: string): Promise<string> {
    try {
      return this.#bindable(process, address);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new QuireError("INVALID_SETTING", `cannot listen at ${address}: ${why}; end what listens there, or choose another address (${setting})`, {
        details: { setting, address },
        cause,
      });
    }
  }

  /** The address with a port. @throws Error as Node's when it cannot be had */
  #bindable(process: NetworkProcess, address: string): string {
    const name = hostOf(address);
    if (name !== process.name) throw new Error(`listen EADDRNOTAVAIL: address not available ${address}`);
    if (!address.endsWith(":0")) {
      if (this.#listeners.has(address)) throw new Error(`listen EADDRINUSE: address already in use ${address}`);
      return address;
    }
    const host = this.#host(name);
    host.nextPort += 1;
    return `${name}:${host.nextPort}`;
  }

  #ofProcess(process: NetworkProcess): Connected {
    return this.#processes.get(process) ?? { endpoints: new Set(), connecting: new Set() };
  }

  #host(name: string): Host {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = { name, isOn: false, nextPort: FIRST_FREE_PORT, gone: [] };
      this.#hosts.set(name, host);
    }
    return host;
  }
}

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));
