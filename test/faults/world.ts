import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BrokerProcess } from "../../src/cli/local/broker-process.js";
import { cutPower, Disk } from "./disk.js";
import { type Host, Network } from "./network.js";

const PORT = 9701;
const PEER_PORT = 9801;
export const RESERVE_BYTES = 32 * 1024 * 1024;
const CLOCK_SHIFT = fileURLToPath(new URL("clock-shift.js", import.meta.url));

export interface WorldOptions {
  readonly folder: string;
  readonly brokers: number;
  /** What cuts the power of disks, if anything does. */
  readonly powerCutter: string | undefined;
}

/** A broker that ended although nobody ended it. */
export interface Death {
  readonly nodeId: Host;
  readonly how: string;
}

/** Brokers as machines: each a process with a network and a disk of its own. */
export class World {
  readonly network: Network;
  readonly nodeIds: readonly Host[];
  readonly deaths: Death[] = [];
  readonly #options: WorldOptions;
  readonly #disks = new Map<Host, Disk>();
  readonly #brokers = new Map<Host, BrokerProcess>();

  private constructor(options: WorldOptions, network: Network, nodeIds: readonly Host[]) {
    this.#options = options;
    this.network = network;
    this.nodeIds = nodeIds;
    for (const nodeId of nodeIds) {
      this.#disks.set(nodeId, new Disk(options.folder, `disk-${nodeId}`));
      this.#brokers.set(nodeId, this.#newBroker(nodeId));
    }
  }

  /** Networks and disks, and brokers on them that are started. @throws Error where this machine cannot give them */
  static async create(options: WorldOptions): Promise<World> {
    const nodeIds = Array.from({ length: options.brokers }, (_, at) => at + 1);
    const world = new World(options, await Network.create(nodeIds), nodeIds);
    for (const nodeId of nodeIds) {
      await writeFile(world.#clockFile(nodeId), "0");
      await world.disk(nodeId).format();
      await world.disk(nodeId).mount();
    }
    await world.start(nodeIds);
    return world;
  }

  get addresses(): string[] {
    return this.nodeIds.map((nodeId) => this.broker(nodeId).address);
  }

  get canCutPower(): boolean {
    return this.#options.powerCutter !== undefined;
  }

  broker(nodeId: Host): BrokerProcess {
    return present(this.#brokers.get(nodeId), nodeId);
  }

  disk(nodeId: Host): Disk {
    return present(this.#disks.get(nodeId), nodeId);
  }

  dataFolder(nodeId: Host): string {
    return join(this.disk(nodeId).folder, "data");
  }

  others(...nodeIds: readonly Host[]): Host[] {
    return this.nodeIds.filter((nodeId) => !nodeIds.includes(nodeId));
  }

  /** Those that do not run. */
  async start(nodeIds: readonly Host[]): Promise<void> {
    await Promise.all(nodeIds.map((nodeId) => (this.broker(nodeId).isRunning ? undefined : this.broker(nodeId).start())));
  }

  /** SIGKILL, all at once; resolves when they are gone. */
  async kill(nodeIds: readonly Host[]): Promise<void> {
    for (const nodeId of nodeIds) this.broker(nodeId).signal("SIGKILL");
    await Promise.all(nodeIds.map((nodeId) => this.broker(nodeId).gone()));
  }

  /** Power loss, of all of them at once: their cables fall silent, what their disks had not synced is gone, the processes end. */
  async powerOff(nodeIds: readonly Host[]): Promise<void> {
    const { powerCutter } = this.#options;
    if (powerCutter === undefined) throw new Error("nothing here cuts the power of disks");
    const disks = nodeIds.map((nodeId) => this.disk(nodeId));
    // Whether the disk or the cable goes first is left to chance.
    await Promise.all([cutPower(powerCutter, disks), ...nodeIds.map((nodeId) => this.network.unplug(nodeId))]);
    await this.kill(nodeIds);
    await Promise.all(disks.map((disk) => disk.unmount()));
  }

  /** The machines come back with what is on their disks, and their brokers start. */
  async powerOn(nodeIds: readonly Host[]): Promise<void> {
    await Promise.all(
      nodeIds.map(async (nodeId) => {
        await this.disk(nodeId).check();
        await this.disk(nodeId).mount();
        await this.network.plug(nodeId);
      }),
    );
    await this.start(nodeIds);
  }

  /** The broker's wall clock is that of the machine plus this; at once, while it runs. */
  async shiftClock(nodeId: Host, shiftMs: number): Promise<void> {
    await writeFile(this.#clockFile(nodeId), String(shiftMs));
    this.broker(nodeId).signal("SIGUSR2");
  }

  #clockFile(nodeId: Host): string {
    return join(this.#options.folder, `clock-${nodeId}`);
  }

  #newBroker(nodeId: Host): BrokerProcess {
    const at = (port: number): string => `${this.network.address(nodeId)}:${port}`;
    const peers = this.nodeIds.map((peer) => `${peer}@${this.network.address(peer)}:${PEER_PORT}`).join(",");
    return new BrokerProcess({
      nodeId,
      address: at(PORT),
      logFile: join(this.#options.folder, `broker-${nodeId}.log`),
      launcher: [...this.network.launcher(nodeId), "env", `FAULTS_CLOCK_FILE=${this.#clockFile(nodeId)}`],
      nodeArguments: ["--import", CLOCK_SHIFT],
      flags: [
        ...["--node-id", String(nodeId), "--data-folder", join(this.#options.folder, `disk-${nodeId}`, "data"), "--peers", peers],
        ...["--listen", at(PORT), "--peer-listen", at(PEER_PORT), "--log-format", "json", "--disk-reserve-bytes", String(RESERVE_BYTES)],
      ],
      onDeath: (how) => this.deaths.push({ nodeId, how }),
    });
  }
}

function present<T>(value: T | undefined, nodeId: Host): T {
  if (value === undefined) throw new Error(`there is no broker ${nodeId} in this world`);
  return value;
}
