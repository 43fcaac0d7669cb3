/** Runs the command line as a user would: as a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export interface Ran {
  /** Exit code, or the signal's name. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunQuireOptions {
  readonly input?: string | Buffer;
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it runs; default: here. */
  readonly folder?: string;
  /** It is killed then, with `code` SIGKILL; default: never. */
  readonly timeoutMs?: number;
  readonly onStart?: (child: ChildProcess) => void;
  /** Called with the process and everything it has written to standard output so far. */
  readonly onOutput?: (child: ChildProcess, stdout: string) => void;
}

export function runQuire(args: readonly string[], { input, environment = {}, folder, timeoutMs, onStart, onOutput }: RunQuireOptions = {}): Promise<Ran> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("QUIRE_")));
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env: { ...inherited, ...environment }, timeout: timeoutMs, killSignal: "SIGKILL" });
  onStart?.(child);
  const written = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    written.stdout += chunk.toString();
    onOutput?.(child, written.stdout);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    written.stderr += chunk.toString();
  });
  // A command that ends early closes its input; what was not read does not matter.
  child.stdin.on("error", () => {});
  if (input !== undefined) child.stdin.end(input);
  return new Promise((resolve) => {
    child.once("close", (code, signal) => resolve({ code: code ?? signal ?? "", ...written }));
  });
}
