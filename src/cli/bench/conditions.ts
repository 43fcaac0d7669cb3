/** What a figure depends on and a reader of it must know. */
import { statfsSync } from "node:fs";
import os from "node:os";
import { systemClock } from "../../base/system-ports.js";

export interface Conditions {
  readonly date: string;
  readonly node: string;
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Over the minute before: what else the machine was doing. */
  readonly loadAverage: number | undefined;
  /** The file system that the brokers write to; undefined where they are not ours. */
  readonly fileSystem: string | undefined;
}

/** By the kernel's magic numbers (statfs(2) of Linux). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: "ext4",
  16914836: "tmpfs",
  1481003842: "xfs",
  2435016766: "btrfs",
  2035054128: "overlayfs",
  801189825: "zfs",
  4076150800: "f2fs",
  26985: "nfs",
};
/** Nothing there reaches a disk, and a sync costs nothing. */
export const MEMORY_FILE_SYSTEM = "tmpfs";

export function conditions(dataFolder: string | undefined): Conditions {
  const [cpu] = os.cpus();
  const [loadAverage] = os.loadavg();
  return {
    date: new Date(systemClock.wallMs()).toISOString(),
    node: process.version,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    processor: cpu?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    loadAverage: process.platform === "win32" ? undefined : loadAverage,
    fileSystem: dataFolder === undefined ? undefined : fileSystemOf(dataFolder),
  };
}

function fileSystemOf(folder: string): string {
  const { type } = statfsSync(folder);
  if (process.platform !== "linux") return "unknown";
  return FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`;
}
