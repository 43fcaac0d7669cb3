import { execFileSync } from "node:child_process";
import fs from "node:fs";

/** Why a small disk cannot be made here; undefined when it can. */
export const noSmallDisks: string | undefined =
  process.platform !== "linux" || process.getuid?.() !== 0 ? "needs root on Linux, to mount small disks" : undefined;

/** A disk of a few megabytes, in memory, mounted on a folder. */
export class SmallDisk {
  readonly #folder: string;
  #isMounted = false;

  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    fs.mkdirSync(folder, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "quire-test", folder]);
    this.#isMounted = true;
  }

  get freeBytes(): number {
    const { bavail, bsize } = fs.statfsSync(this.#folder);
    return bavail * bsize;
  }

  resize(bytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${bytes}`, this.#folder]);
  }

  /** Lazily: a process that is just ending may still hold a file. Idempotent. */
  remove(): void {
    if (!this.#isMounted) return;
    this.#isMounted = false;
    execFileSync("umount", ["-l", this.#folder]);
  }
}
