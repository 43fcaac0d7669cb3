import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import path from "node:path";
import type { Deed } from "./deliveries.js";

const PROGRAM = path.join(import.meta.dirname, "consumer-process.js");

/** The clock since the machine began: the same for all processes. */
export const nowMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

export interface ConsumerProcessOptions {
  /** In deeds. */
  readonly who: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  /** When it commits: after each record by itself, or by hand. */
  readonly how: "after" | "manual";
  readonly sessionMs: number;
  /** New: what it does is written there. */
  readonly file: string;
}

/** One consumer's process. It writes to a file, as a pipe may refuse what is written at once. */
export class ConsumerProcess {
  readonly who: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<number | null>;
  readonly #file: number;
  readonly #chunk = Buffer.alloc(64 * 1024);
  #rest = "";
  #read = 0;
  isEnding = false;

  constructor({ who, brokers, topic, group, how, sessionMs, file }: ConsumerProcessOptions) {
    this.who = who;
    this.#file = openSync(file, "a+");
    const args = [PROGRAM, brokers.join(","), topic, group, how, String(sessionMs)];
    this.#child = spawn(process.execPath, args, { stdio: ["ignore", this.#file, "inherit"] });
    this.#gone = new Promise((resolve) => this.#child.once("close", resolve));
  }

  /** What it has done since the last call. */
  *deeds(): Iterable<Deed> {
    for (;;) {
      const bytes = readSync(this.#file, this.#chunk, 0, this.#chunk.length, this.#read);
      if (bytes === 0) return;
      this.#read += bytes;
      const lines = (this.#rest + this.#chunk.toString("latin1", 0, bytes)).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) yield deedOf(this.who, line);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves to its exit code, null after a signal. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.isEnding = true;
    this.signal(signal);
    return await this.#gone;
  }

  close(): void {
    closeSync(this.#file);
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }
}

function deedOf(who: string, line: string): Deed {
  const [kind, atMs, partition, offset, value = ""] = line.split(" ");
  const common = { who, atMs: Number(atMs), partition: Number(partition), offset: Number(offset) };
  return kind === "committed" ? { ...common, kind } : { ...common, kind: "processed", value };
}
