import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { BrokerProcess } from "../../src/cli/local/broker-process.js";
import { LocalCluster } from "../../src/cli/local/local-cluster.js";
import { type ConnectOptions, connect, type Quire } from "../../src/client/index.js";

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
}

/** Real broker processes on loopback, with free ports and a folder that goes when the test ends. */
export class TestCluster implements AsyncDisposable {
  readonly folder: string;
  readonly #local: LocalCluster;
  readonly #clients: Quire[] = [];

  private constructor(folder: string, local: LocalCluster) {
    this.folder = folder;
    this.#local = local;
  }

  static async start({ brokers = 3, flags = [] }: TestClusterOptions = {}): Promise<TestCluster> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quire-test-"));
    return new TestCluster(folder, await LocalCluster.start({ folder, brokers, flags }));
  }

  get addresses(): string[] {
    return this.#local.addresses;
  }

  get brokers(): readonly BrokerProcess[] {
    return this.#local.brokers;
  }

  broker(nodeId: number): BrokerProcess {
    return this.#local.broker(nodeId);
  }

  dataFolder(nodeId: number): string {
    return path.join(this.folder, `broker-${nodeId}`);
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
    await Promise.allSettled(this.#clients.map((quire) => quire.close()));
    for (const broker of this.brokers) broker.signal("SIGKILL");
    await Promise.all(this.brokers.map((broker) => broker.gone()));
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Memory of a process in bytes: resident now, and the most there ever was. */
export function memoryOf(pid: number): { residentBytes: number; peakBytes: number } {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
  return { residentBytes: bytes("VmRSS"), peakBytes: bytes("VmHWM") };
}
