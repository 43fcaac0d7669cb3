/** One broker as a real process of its own on this machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assert } from "../../base/assert.js";
import { QuireError } from "../../base/errors.js";
import { systemClock } from "../../base/system-ports.js";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
/**
 * Room for new objects: Node's 16 MiB cost a broker 24 MiB of memory more, and no less time. Room for old ones before all are looked at: buffers
 * count as such, and a heap of 18 MiB beside a hundred megabytes of messages a second was looked through twenty times a second, which took half
 * of a broker's time; 96 MiB would save another tenth at full speed, and take 25 MB more where a hundred partitions are busy. Above that, a third more
 * than what lives: left to itself, V8 lets a heap that changes slowly grow to several times that, and a broker of 10,000 partitions with 130 MiB in
 * use to 430. V8 makes objects old at birth where most of a kind once lived long; then all messages that those hold are freed by nothing but a look
 * through everything, so that it is told not to (`deploy/quire.service` says the same).
 */
const MEMORY_ARGUMENTS = ["--no-allocation-site-pretenuring", "--max-semi-space-size=4", "--initial-old-space-size=72", "--heap-growing-percent=30"];
/** Of what a broker said, kept for when it fails to start. */
const LAST_LINES_MAX = 10;
const STOP_TIMEOUT_MS = 15_000;

export interface BrokerProcessOptions {
  readonly nodeId: number;
  /** `host:port` for clients. */
  readonly address: string;
  /** Flags of `quire server`, all that this broker needs. */
  readonly flags: readonly string[];
  /** Arguments of Node itself, before the program. */
  readonly nodeArguments?: readonly string[];
  /** A command that runs the broker in its place, with the same process id; the broker's own command follows. */
  readonly launcher?: readonly string[];
  /** Where its output goes; that of the run before stays beside it. */
  readonly logFile: string;
  readonly onLine?: (line: string) => void;
  /** It ended without being asked to. */
  readonly onDeath?: (how: string) => void;
}

export class BrokerProcess {
  readonly nodeId: number;
  readonly address: string;
  readonly #options: BrokerProcessOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #expectedToEnd = false;
  #lastLines: string[] = [];

  constructor(options: BrokerProcessOptions) {
    this.#options = options;
    this.nodeId = options.nodeId;
    this.address = options.address;
  }

  get logFile(): string {
    return this.#options.logFile;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** 0 while it does not run. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The shell's words for what `start` does. */
  get commandLine(): string {
    return ["quire", "server", ...this.#options.flags].join(" ");
  }

  /** Resolves when it listens. @throws QuireError NOT_READY with its last words when it ends before. */
  async start(): Promise<void> {
    assert(this.#child === undefined, `broker ${this.nodeId} runs already`);
    this.#expectedToEnd = false;
    this.#lastLines = [];
    const { launcher = [], nodeArguments = [], flags } = this.#options;
    const [program = process.execPath, ...args] = [...launcher, process.execPath, ...MEMORY_ARGUMENTS, ...nodeArguments, MAIN, "server", ...flags];
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { UV_THREADPOOL_SIZE: "16", ...process.env },
    });
    this.#child = child;
    this.#collectOutput(child);
    const ready = new Promise<boolean>((resolve) => {
      child.once("message", () => resolve(true));
      child.once("exit", () => resolve(false));
      child.once("error", () => resolve(false));
    });
    this.#ended = this.#untilGone(child);
    if (await ready) return;
    this.#expectedToEnd = true;
    await this.#ended;
    throw new QuireError("NOT_READY", `broker ${this.nodeId} did not start:\n${this.#lastLines.join("\n")}`);
  }

  /** Sends a signal, SIGKILL and SIGSTOP included; resolves at once. */
  signal(signal: NodeJS.Signals): void {
    if (signal === "SIGKILL") this.#expectedToEnd = true;
    this.#child?.kill(signal);
  }

  /** Resolves when the process is gone. */
  gone(): Promise<void> {
    return this.#ended;
  }

  /** Asks it to end, and kills it when it does not. Resolves to whether it ended by itself. */
  async stop(): Promise<boolean> {
    const child = this.#child;
    if (child === undefined) return true;
    this.#expectedToEnd = true;
    let politely = true;
    const timer = systemClock.after(STOP_TIMEOUT_MS, () => {
      politely = false;
      child.kill("SIGKILL");
    });
    // A closed channel is the request, and not a signal: a terminal's Ctrl-C has reached the child already, and a
    // second signal would tell it to hurry.
    if (child.connected) child.disconnect();
    child.kill("SIGCONT");
    await this.#ended;
    timer.cancel();
    return politely;
  }

  /** Resolves when the process has ended and its last words are read. */
  async #untilGone(child: ChildProcess): Promise<void> {
    // Not "close": Node does not emit it after this side has closed the channel.
    const silences = [child.stdout, child.stderr].map((stream) => (stream === null ? undefined : once(stream, "close")));
    const how = await new Promise<string>((resolve) => {
      child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
      child.once("error", (error) => resolve(error.message));
    });
    await Promise.all(silences);
    this.#child = undefined;
    if (!this.#expectedToEnd) this.#options.onDeath?.(how);
  }

  #collectOutput(child: ChildProcess): void {
    const { logFile, onLine } = this.#options;
    mkdirSync(dirname(logFile), { recursive: true });
    if (existsSync(logFile)) renameSync(logFile, `${logFile}.previous`);
    const file = createWriteStream(logFile);
    let open = 0;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      open += 1;
      stream.once("close", () => {
        open -= 1;
        if (open === 0) file.end();
      });
      createInterface({ input: stream }).on("line", (line) => {
        file.write(`${line}\n`);
        this.#lastLines = [...this.#lastLines, line].slice(-LAST_LINES_MAX);
        onLine?.(line);
      });
    }
  }
}
