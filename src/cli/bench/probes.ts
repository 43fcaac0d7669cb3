/** The probes of all processes that a benchmark started, seen from its conductor. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { systemClock } from "../../base/system-ports.js";
import type { ProbeFigures, ProbeHello, ProbeRequest } from "./probe-messages.js";

/** A process that is stopped, or too busy, is done without. */
const ANSWER_MS_MAX = 3_000;

interface Connected {
  readonly socket: Socket;
  readonly waiting: ((line: string | undefined) => void)[];
}

export class Probes {
  readonly #server: Server;
  readonly #byPid = new Map<number, Connected>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => this.#accept(socket));
  }

  static async listen(): Promise<Probes> {
    const server = createServer();
    const probes = new Probes(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    server.unref();
    return probes;
  }

  /** Arguments of Node with which a process carries a probe. */
  get nodeArguments(): string[] {
    const address = this.#server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return ["--import", `${new URL("./probe.js", import.meta.url)}?port=${port}`];
  }

  async mark(): Promise<void> {
    await this.#askAll(() => ({ ask: "mark" }));
  }

  /** By process id; one that did not answer is left out. */
  async figures(): Promise<ReadonlyMap<number, ProbeFigures>> {
    const answers = await this.#askAll(() => ({ ask: "figures" }));
    return new Map(answers.map(([pid, line]) => [pid, JSON.parse(line) as ProbeFigures]));
  }

  async startProfiles(): Promise<void> {
    await this.#askAll(() => ({ ask: "startProfile" }));
  }

  async saveProfiles(fileOf: (pid: number) => string): Promise<void> {
    await this.#askAll((pid) => ({ ask: "saveProfile", file: fileOf(pid) }));
  }

  close(): void {
    for (const { socket } of this.#byPid.values()) socket.destroy();
    this.#server.close();
  }

  #accept(socket: Socket): void {
    socket.unref();
    socket.setNoDelay(true);
    socket.on("error", () => {});
    const connected: Connected = { socket, waiting: [] };
    let pid = 0;
    const lines = createInterface({ input: socket });
    // It tells of the socket's errors once more.
    lines.on("error", () => {});
    lines.on("line", (line) => {
      if (pid !== 0) return connected.waiting.shift()?.(line);
      pid = (JSON.parse(line) as ProbeHello).pid;
      this.#byPid.set(pid, connected);
    });
    socket.on("close", () => {
      this.#byPid.delete(pid);
      for (const resolve of connected.waiting.splice(0)) resolve(undefined);
    });
  }

  async #askAll(request: (pid: number) => ProbeRequest): Promise<[pid: number, line: string][]> {
    const asked = [...this.#byPid].map(async ([pid, connected]): Promise<[number, string][]> => {
      const line = await ask(connected, request(pid));
      return line === undefined ? [] : [[pid, line]];
    });
    return (await Promise.all(asked)).flat();
  }
}

function ask({ socket, waiting }: Connected, request: ProbeRequest): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = systemClock.after(ANSWER_MS_MAX, () => resolve(undefined));
    // A late answer still takes its place in the order.
    waiting.push((line) => {
      timer.cancel();
      resolve(line);
    });
    socket.write(`${JSON.stringify(request)}\n`);
  });
}
