import { KIB } from "../../../src/base/limits.js";
import { resolve } from "../../../src/config/resolve.js";
import type { Config } from "../../../src/config/settings.js";
import { type RunningBroker, startBroker } from "../../../src/node/broker.js";
import type { LocalHost } from "../../../src/replica/host.js";
import { SimDisk } from "../disk/sim-disk.js";
import { Machine } from "../kernel/machine.js";
import type { SimProcess } from "../kernel/sim-process.js";
import type { World } from "../kernel/world.js";
import type { SimNetwork } from "../network/sim-network.js";
import type { Observer } from "./observer.js";
import { traceLogger } from "./trace-logger.js";

const CLIENT_PORT = 9701;
const PEER_PORT = 9801;
const DISK_BYTES = 64 * 1024 * 1024;
const FOLDER = "/data";
/** Below what the setting allows, and below what a run writes: much is read from disk. */
const CACHE_BYTES = 64 * KIB;

export interface SimBrokerOptions {
  readonly world: World;
  readonly network: SimNetwork;
  readonly nodeId: number;
  readonly founders: number;
  readonly racks: number;
  readonly pace: number;
  readonly journalBytesMax: number;
  readonly inflightBytesMax: number;
  readonly observer: Observer;
  /** Told when its process is gone, whatever the reason. */
  readonly onGone: (broker: SimBroker) => void;
  /** Told before when it ended by itself, with the reason. */
  readonly onEnd: (broker: SimBroker, why: unknown) => void;
}

/** A broker of the simulated cluster: a machine with a disk, and the process that runs on it now and then. */
export class SimBroker {
  readonly nodeId: number;
  readonly machine: Machine;
  readonly disk: SimDisk;
  readonly address: string;
  process: SimProcess | undefined;
  host: LocalHost | undefined;
  readonly #options: SimBrokerOptions;
  readonly #config: Config;
  #running: RunningBroker | undefined;
  #stopping: AbortController | undefined;

  constructor(options: SimBrokerOptions) {
    this.#options = options;
    const { world, nodeId } = options;
    this.nodeId = nodeId;
    this.machine = new Machine({ world, name: `b${nodeId}` });
    this.disk = new SimDisk({ world, machine: this.machine, capacityBytes: DISK_BYTES });
    this.address = `${this.machine.name}:${CLIENT_PORT}`;
    this.#config = configOf(options);
  }

  get isRunning(): boolean {
    return this.process !== undefined;
  }

  /** Whether it serves clients; false while it starts. */
  get isServing(): boolean {
    return this.#running !== undefined;
  }

  start(): void {
    if (this.process !== undefined) return;
    const { network, observer, onEnd } = this.#options;
    const process = this.machine.start();
    this.process = process;
    const stopping = new AbortController();
    this.#stopping = stopping;
    const { clock, random, pid } = process;
    process.onDeath(() => this.#gone(process));
    process.onUncaught = (error) => this.#options.world.fail(error);
    const ports = { clock, random, pid, ...this.disk.portsOf(process), ...network.portsOf(process) };
    const ended = (why: unknown): void => {
      if (this.process !== process) return;
      onEnd(this, why);
      process.die();
    };
    const launch = async (): Promise<void> => {
      const running = await startBroker(this.#config, {
        ports,
        logger: traceLogger(process.world.trace, () => process.world.nowMs, process.name),
        signal: stopping.signal,
        observer: observer.of(process, this.disk, (host) => {
          if (this.process === process) this.host = host;
        }),
      });
      if (this.process !== process) return;
      this.#running = running;
      ended(await running.failed);
    };
    process.world.after(0, "start", () => void launch().catch(ended), process);
  }

  /** Asks it to end, as SIGTERM does. */
  stop(): void {
    const { process } = this;
    if (process === undefined) return;
    const running = this.#running;
    process.enter(() => {
      if (running === undefined) this.#stopping?.abort();
      else
        void running.stop().then(
          () => process.die(),
          () => process.die(),
        );
    });
  }

  #gone(process: SimProcess): void {
    if (this.process !== process) return;
    this.process = undefined;
    this.host = undefined;
    this.#running = undefined;
    this.#options.onGone(this);
  }
}

function configOf({ nodeId, founders, racks, pace, journalBytesMax, inflightBytesMax }: SimBrokerOptions): Config {
  const peers = Array.from({ length: founders }, (_, at) => `${at + 1}@b${at + 1}:${PEER_PORT}`).join(",");
  const { config } = resolve({
    flags: {
      "node-id": String(nodeId),
      "data-folder": FOLDER,
      listen: `b${nodeId}:${CLIENT_PORT}`,
      "peer-listen": `b${nodeId}:${PEER_PORT}`,
      peers,
      rack: racks > 1 ? `rack-${nodeId % racks}` : "",
      "timing-heartbeat-ms": `${100 * pace}`,
      "timing-election-timeout-ms": `${1_000 * pace}`,
      "timing-suspicion-ms": `${150 * pace}`,
      "timing-quiesce-ms": `${3_000 * pace}`,
      "retention-check-ms": `${1_000 * pace}`,
      // Long beyond any retry, so that nobody is forgotten who may come back; time is told often.
      "producers-expire-ms": `${600_000 * pace}`,
      // Groups whose members were all away for a while begin anew.
      "groups-expire-ms": `${15_000 * pace}`,
      "disk-reserve-bytes": "1MiB",
      "journal-append-bytes-max": `${journalBytesMax}B`,
      "replication-inflight-bytes-max": `${inflightBytesMax}B`,
    },
  });
  return { ...config, cache: { ...config.cache, bytesMax: CACHE_BYTES } };
}
