import { readFileSync } from "node:fs";

const MIB = 1024 * 1024;

/** The most memory that a process ever had resident, in MiB (Linux). */
export function peakMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round((Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024) / MIB);
}
