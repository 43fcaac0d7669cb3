// What every script needs: where the project is, how to run a command, and dependencies that are there.
// Plain JavaScript on Node alone: these files run before anything is installed or compiled.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * Runs a command in the project's folder and ends this process when it fails. With `quiet`, its output is shown only then.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, doing?: string }} [options]
 */
export function run(command, args, { quiet = false, doing = [command, ...args].join(" ") } = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit", maxBuffer: 64 * 1024 * 1024 });
  if (result.status === 0) return;
  if (quiet) process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
  console.error(`failed: ${doing}${result.error ? ` (${result.error.message})` : ""}`);
  process.exit(result.status ?? 1);
}

/**
 * Runs a program of an installed package.
 * @param {string} name
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, doing?: string }} [options]
 */
export const runTool = (name, args, options) => run(join(root, "node_modules", ".bin", name), args, { doing: [name, ...args].join(" "), ...options });

/** Installs exactly what the lockfile says, unless that was done since the lockfile last changed. */
export function ensureInstalled() {
  const lockfile = join(root, "package-lock.json");
  const installed = join(root, "node_modules", ".package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs) return;
  console.error("Installing dependencies (once) …");
  // Under npm, the same npm again; its path is a JavaScript file, so that no shell is needed.
  const npm = process.env.npm_execpath;
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  if (npm?.endsWith(".js")) run(process.execPath, [npm, ...args], { quiet: true, doing: "npm ci" });
  else run("npm", args, { quiet: true });
}
