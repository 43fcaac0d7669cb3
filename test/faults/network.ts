import { mkdir } from "node:fs/promises";
import { runTool } from "./run-tool.js";

/** A broker by its node id, or the clients, which are in the namespace of this very process. */
export type Host = number;
export const CLIENTS: Host = 0;

const BRIDGE = "quire-faults";
/** A locally administered address that no host has: what is sent to it is lost without a word. */
const NOWHERE = "02:00:00:00:00:01";
const CLIENTS_ADDRESS = 254;

/**
 * A network namespace for each broker, with a veth pair from it to a bridge. The bridge stands in the namespace of this process, which is
 * not the machine's: all of it goes when this process does.
 */
export class Network {
  readonly #nodeIds: readonly Host[];
  readonly #blocked = new Map<string, readonly [from: Host, to: Host]>();
  readonly #unplugged = new Set<Host>();

  private constructor(nodeIds: readonly Host[]) {
    this.#nodeIds = nodeIds;
  }

  /** @throws Error where the kernel has no bridges, veth pairs or namespaces to give */
  static async create(nodeIds: readonly Host[]): Promise<Network> {
    const network = new Network(nodeIds);
    // Names of namespaces live here; this mount is seen by nobody else.
    await runTool("mount", ["-t", "tmpfs", "quire-faults", "/run"]);
    await mkdir("/run/netns");
    await runTool("ip", ["link", "set", "lo", "up"]);
    await runTool("ip", ["link", "add", BRIDGE, "type", "bridge"]);
    await runTool("ip", ["address", "add", `${network.address(CLIENTS)}/24`, "dev", BRIDGE]);
    await runTool("ip", ["link", "set", BRIDGE, "up"]);
    for (const nodeId of nodeIds) await network.#addBroker(nodeId);
    return network;
  }

  address(host: Host): string {
    return `10.77.0.${host === CLIENTS ? CLIENTS_ADDRESS : host}`;
  }

  /** What to put before a command so that it runs where the broker does. */
  launcher(nodeId: Host): string[] {
    return ["nsenter", `--net=/run/netns/${namespaceOf(nodeId)}`];
  }

  /** Pulls the plug: nothing reaches the broker, and nothing leaves it. No connection is closed. */
  async unplug(nodeId: Host): Promise<void> {
    this.#unplugged.add(nodeId);
    await runTool("ip", ["link", "set", portOf(nodeId), "nomaster"]);
  }

  async plug(nodeId: Host): Promise<void> {
    if (!this.#unplugged.delete(nodeId)) return;
    await runTool("ip", ["link", "set", portOf(nodeId), "master", BRIDGE]);
  }

  /** What `from` sends to `to` is lost; the other direction stays as it is. */
  async block(from: Host, to: Host): Promise<void> {
    this.#blocked.set(`${from}>${to}`, [from, to]);
    await this.#at(from, ["ip", "neighbour", "replace", this.address(to), "lladdr", NOWHERE, "dev", deviceOf(from), "nud", "permanent"]);
  }

  /** Nothing passes between the one side and the other. */
  async separate(one: readonly Host[], other: readonly Host[]): Promise<void> {
    await Promise.all(one.flatMap((a) => other.flatMap((b) => [this.block(a, b), this.block(b, a)])));
  }

  /** Everybody reaches everybody again. */
  async heal(): Promise<void> {
    const blocked = [...this.#blocked.values()];
    this.#blocked.clear();
    await Promise.all(blocked.map(([from, to]) => this.#at(from, ["ip", "neighbour", "del", this.address(to), "dev", deviceOf(from)])));
    await Promise.all(this.#nodeIds.map((nodeId) => this.plug(nodeId)));
  }

  async #addBroker(nodeId: Host): Promise<void> {
    await runTool("ip", ["netns", "add", namespaceOf(nodeId)]);
    await runTool("ip", ["link", "add", portOf(nodeId), "type", "veth", "peer", "name", "eth0", "netns", namespaceOf(nodeId)]);
    await runTool("ip", ["link", "set", portOf(nodeId), "master", BRIDGE, "up"]);
    await this.#at(nodeId, ["ip", "address", "add", `${this.address(nodeId)}/24`, "dev", "eth0"]);
    await this.#at(nodeId, ["ip", "link", "set", "eth0", "up"]);
    await this.#at(nodeId, ["ip", "link", "set", "lo", "up"]);
  }

  async #at(host: Host, command: readonly string[]): Promise<void> {
    const [program = "", ...args] = host === CLIENTS ? command : [...this.launcher(host), ...command];
    await runTool(program, args);
  }
}

const namespaceOf = (nodeId: Host): string => `quire-faults-${nodeId}`;
const portOf = (nodeId: Host): string => `qf-broker-${nodeId}`;
const deviceOf = (host: Host): string => (host === CLIENTS ? BRIDGE : "eth0");
