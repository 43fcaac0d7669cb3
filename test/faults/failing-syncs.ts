import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const CALLS = "fsync,fdatasync";

/**
 * Makes syncs of a running process fail with EIO, without carrying them out: all, or the next one of each of its threads. Resolves, once it
 * is so, to what ends it.
 */
export async function failSyncs(pid: number, which: "all" | "one of each thread"): Promise<() => Promise<void>> {
  const when = which === "all" ? "" : ":when=1";
  const strace = spawn("strace", ["-f", "-o", "/dev/null", "-e", `trace=${CALLS}`, "-e", `inject=${CALLS}:error=EIO${when}`, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(strace, "exit");
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: strace.stderr }).on("line", (line) => {
      said.push(line);
      if (line.includes("attached")) resolve();
    });
    strace.once("error", reject);
    strace.once("exit", () => reject(new Error(`strace could not attach to a broker: ${said.join("; ")}`)));
  });
  return async () => {
    // It lets the process go before it ends.
    strace.kill("SIGTERM");
    await ended;
  };
}
