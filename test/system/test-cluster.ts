import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { BrokerProcess } from "../../src/cli/local/broker-process.js";
import { LocalCluster } from "../../src/cli/local/local-cluster.js";
import { freePorts } from "../../src/cli/local/ports.js";
import { type ConnectOptions, connect, type Quire } from "../../src/client/index.js";
import { SmallDisk } from "./small-disk.js";

/** Waits until `condition` holds; fails with what it waited for. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await condition()) return;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface TestClusterOptions {
  readonly brokers?: number;
  /** More flags of `quire server`, for every broker. */
  readonly flags?: readonly string[];
  /** Each broker's data on a disk of its own of this size, which only root can make; default: a plain folder. */
  readonly diskBytes?: number;
}

/** One line of a broker's log, and what it carries. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const flagOf =
  (flag: string) =>
  (broker: BrokerProcess): string => {
    const words = broker.commandLine.split(" ");
    return words[words.indexOf(flag) + 1] ?? "";
  };

/** Real broker processes on loopback, with free ports and a folder that goes when the test ends. */
export class TestCluster implements AsyncDisposable {
  readonly folder: string;
  readonly #local: LocalCluster;
  readonly #late: BrokerProcess[] = [];
  readonly #clients: Quire[] = [];
  /** By node id, from 1; empty unless they were asked for. */
  readonly #disks: readonly SmallDisk[];

  private constructor(folder: string, local: LocalCluster, disks: readonly SmallDisk[]) {
    this.folder = folder;
    this.#local = local;
    this.#disks = disks;
  }

  static async start({ brokers = 3, flags = [], diskBytes }: TestClusterOptions = {}): Promise<TestCluster> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quire-test-"));
    const disks = diskBytes === undefined ? [] : Array.from({ length: brokers }, (_, at) => new SmallDisk(path.join(folder, `broker-${at + 1}`), diskBytes));
    try {
      return new TestCluster(folder, await LocalCluster.start({ folder, brokers, flags }), disks);
    } catch (error) {
      for (const disk of disks) disk.remove();
      throw error;
    }
  }

  get addresses(): string[] {
    return this.brokers.map((broker) => broker.address);
  }

  /** Founders, then those that joined. */
  get brokers(): readonly BrokerProcess[] {
    return [...this.#local.brokers, ...this.#late];
  }

  broker(nodeId: number): BrokerProcess {
    return this.#late.find((broker) => broker.nodeId === nodeId) ?? this.#local.broker(nodeId);
  }

  /** Starts one more broker, which joins through the others; its node id is the next. */
  async join(): Promise<BrokerProcess> {
    const nodeId = this.brokers.length + 1;
    const [client, peer] = await freePorts(2);
    const broker = new BrokerProcess({
      nodeId,
      address: `127.0.0.1:${client}`,
      logFile: path.join(this.folder, `broker-${nodeId}.log`),
      flags: [
        ...["--node-id", String(nodeId), "--data-folder", this.dataFolder(nodeId), "--join", this.#local.brokers.map(flagOf("--peer-listen")).join(",")],
        ...["--listen", `127.0.0.1:${client}`, "--peer-listen", `127.0.0.1:${peer}`, "--log-format", "json"],
      ],
    });
    this.#late.push(broker);
    await broker.start();
    return broker;
  }

  /** What a broker has logged since it was last started. */
  logOf(nodeId: number): LogLine[] {
    const lines = fs.readFileSync(this.broker(nodeId).logFile, "utf8").split("\n");
    return lines.filter((line) => line.startsWith("{") && line.endsWith("}")).map((line) => JSON.parse(line) as LogLine);
  }

  dataFolder(nodeId: number): string {
    return path.join(this.folder, `broker-${nodeId}`);
  }

  /** The broker's own disk, if `diskBytes` was given. */
  disk(nodeId: number): SmallDisk {
    const disk = this.#disks[nodeId - 1];
    if (disk === undefined) throw new Error(`broker ${nodeId} has no disk of its own`);
    return disk;
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(nodeId: number): Promise<void> {
    this.broker(nodeId).signal("SIGKILL");
    await this.broker(nodeId).gone();
  }

  /** A client of this cluster, closed with it. */
  async connect(options: Omit<ConnectOptions, "brokers"> = {}): Promise<Quire> {
    const quire = await connect({ brokers: this.addresses, ...options });
    this.#clients.push(quire);
    return quire;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#clients.map((quire) => quire.close({ timeoutMs: 1_000 })));
    for (const broker of this.brokers) broker.signal("SIGKILL");
    await Promise.all(this.brokers.map((broker) => broker.gone()));
    for (const disk of this.#disks) disk.remove();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Memory of a process in bytes: resident now, and the most there ever was. */
export function memoryOf(pid: number): { residentBytes: number; peakBytes: number } {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
  return { residentBytes: bytes("VmRSS"), peakBytes: bytes("VmHWM") };
}
