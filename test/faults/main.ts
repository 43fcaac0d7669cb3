/** `npm run test:faults`: real brokers, each with a network and a disk of its own, through real faults. README.md tells more. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import type { RunOptions } from "./options.js";

const PREFIX = "quire-faults-";
const INSIDE = fileURLToPath(new URL("inside.js", import.meta.url));
const NAMESPACES = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
const TOOLS = ["unshare", "nsenter", "ip", "mount", "umount", "mkfs.ext4", "fsck.ext4", "fallocate", "dd", "env"];

const args = await yargs(hideBin(process.argv))
  .usage("npm run test:faults -- [options]\n\nWithout --minutes: every fault once, in about four minutes.")
  .options({
    minutes: { type: "number", requiresArg: true, describe: "Faults at random for so long" },
    seed: { type: "number", requiresArg: true, default: 1, describe: "Chooses faults, brokers and damage" },
    brokers: { type: "number", requiresArg: true, default: 5, choices: [3, 4, 5], describe: "How many" },
    only: { type: "string", requiresArg: true, default: "", describe: "Faults with this in their names" },
    patience: { type: "number", requiresArg: true, default: 1, describe: "Stated times are multiplied by this, for a machine that is slow or busy" },
    "stop-at-failure": { type: "boolean", default: false, describe: "End with the first fault after which something is wrong" },
    keep: { type: "boolean", default: false, describe: "Keep the brokers' logs and the images of their disks" },
  })
  .strict()
  .parseAsync();

const obstacle = whatIsMissing();
if (obstacle === undefined) process.exitCode = await run();
else console.log(`skipped: all faults (${obstacle})`);

/** Why nothing can be done on this machine; undefined when it can. */
function whatIsMissing(): string | undefined {
  if (process.platform !== "linux") return "needs Linux, for namespaces and loop devices";
  if (process.getuid?.() !== 0) return "needs root, for namespaces and loop devices";
  const tool = TOOLS.find((name) => !(process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, name))));
  if (tool !== undefined) return `needs ${tool}`;
  const probe = spawnSync(
    "unshare",
    [...NAMESPACES, "sh", "-c", "ip link add quire-probe type bridge && ip link add quire-one type veth peer name quire-other"],
    { encoding: "utf8" },
  );
  if (probe.status !== 0) return `this machine gives no namespaces, bridges or veth pairs: ${probe.stderr.trim()}`;
  return undefined;
}

/** Resolves to the exit code. */
async function run(): Promise<number> {
  removeLeftovers();
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const { brokers, seed, minutes, only, stopAtFailure, patience } = args;
  const options: RunOptions = { folder, brokers, seed, minutes, only, stopAtFailure, patience };
  // Away from the terminal's Ctrl-C, which would end brokers one by one: it is told by a message. Should this process be killed, the closed
  // channel tells it.
  const child = spawn("unshare", [...NAMESPACES, process.execPath, INSIDE, JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    detached: true,
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.connected && child.send("stop"));
  const code = await new Promise<number>((resolve) => {
    child.once("exit", (status) => resolve(status ?? 1));
    child.once("error", () => resolve(1));
  });
  if (args.keep) console.error(`logs and disks: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  return code;
}

/** Folders of runs that were killed. Their mounts and networks went with their processes. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? /^(\d+)-/.exec(name.slice(PREFIX.length))?.[1] : undefined;
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}
