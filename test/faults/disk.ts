import { mkdir, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "./run-tool.js";

const DISK_BYTES = 256 * 1024 * 1024;
const BALLAST = "ballast";

/** EXT4_IOC_SHUTDOWN is _IOR('X', 125, __u32); with the flag 2 (NOLOGFLUSH) not even the journal is flushed. */
const CUT_WITH: Readonly<Record<string, readonly string[]>> = {
  perl: ["-e", 'for (@ARGV) { open(my $d, "<", $_) or die $!; my $flag = pack("L", 2); ioctl($d, 0x8004587D, $flag) or die $! }'],
  python3: ["-c", 'import fcntl, os, struct, sys\nfor d in sys.argv[1:]: fcntl.ioctl(os.open(d, os.O_RDONLY), 0x8004587D, struct.pack("I", 2))'],
};

/** What cuts the power of disks here; undefined when nothing can. */
export async function powerCutter(disk: Disk): Promise<string | undefined> {
  for (const program of Object.keys(CUT_WITH)) {
    const cut = await cutPower(program, [disk]).then(
      () => true,
      () => false,
    );
    if (cut) return program;
  }
  return undefined;
}

/** All at once: whatever these disks were not told to sync is gone, and every later write fails until they are mounted anew. */
export async function cutPower(program: string, disks: readonly Disk[]): Promise<void> {
  await runTool(program, [...(CUT_WITH[program] ?? []), ...disks.map((disk) => disk.folder)]);
}

/** An ext4 of its own in a file, mounted by way of a loop device. */
export class Disk {
  /** Where it is mounted. */
  readonly folder: string;
  readonly #image: string;

  /** Nothing is made before `format`. */
  constructor(parent: string, name: string) {
    this.folder = join(parent, name);
    this.#image = `${this.folder}.ext4`;
  }

  /** Empty, whatever was on it. Not while it is mounted. */
  async format(): Promise<void> {
    await rm(this.#image, { force: true });
    await writeFile(this.#image, "");
    await truncate(this.#image, DISK_BYTES);
    // No share is kept for root, as whom brokers run here: full means full.
    await runTool("mkfs.ext4", ["-q", "-F", "-m", "0", this.#image]);
  }

  async mount(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await runTool("mount", ["-o", "loop", this.#image, this.folder]);
  }

  async unmount(): Promise<void> {
    await runTool("umount", [this.folder]);
  }

  /** As a machine does that comes back: replays the journal and mends what is trivial. @throws Error when there is more to mend */
  async check(): Promise<void> {
    await runTool("fsck.ext4", ["-p", this.#image]);
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder);
    return bavail * bsize;
  }

  /** Takes room until only so much is left. */
  async fillUpTo(freeBytes: number): Promise<void> {
    const length = (await this.freeBytes()) - freeBytes;
    if (length > 0) await runTool("fallocate", ["-l", String(length), join(this.folder, BALLAST)]).catch(() => undefined);
    if (freeBytes > 0) return;
    // What the estimate left over, for the file system needs blocks of its own.
    await runTool("dd", ["if=/dev/zero", `of=${join(this.folder, `${BALLAST}-rest`)}`, "bs=1024", "status=none"]).catch(() => undefined);
  }

  async freeUp(): Promise<void> {
    await rm(join(this.folder, BALLAST), { force: true });
    await rm(join(this.folder, `${BALLAST}-rest`), { force: true });
  }
}
