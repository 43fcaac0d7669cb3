import { execFile } from "node:child_process";

/** Runs a program to its end; resolves to its output. @throws Error with what it said */
export function runTool(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${[command, ...args].join(" ")}: ${stderr.trim() || error.message}`));
    });
  });
}
