import { DiskImage, type Fault } from "./disk-image.js";
import { type Call, type Done, ImageFiles, type Operation, perform } from "./image-files.js";
import type { Below } from "./inode.js";

export type { Fault } from "./disk-image.js";
export type { Operation } from "./image-files.js";

/**
 * A disk in memory, used by one process in real turns of the event loop: every call is done at once and answered in the next turn. `crash`
 * and `restart` give the disk as the next process finds it.
 */
export class FaultyFiles extends ImageFiles {
  protected readonly image: DiskImage;
  /** Calls so far. */
  calls = 0;
  /** By reads of open files. */
  bytesRead = 0;
  /** After this many calls the process is dead: nothing is done and nothing answers. */
  diesAfter = Number.POSITIVE_INFINITY;
  /** Decides the fate of each call. */
  fault: (operation: Operation, path: string) => Fault | undefined = () => undefined;

  /** @param image a new disk, with folders that a broker makes when it begins, unless another is given */
  constructor(image?: DiskImage) {
    super();
    this.image = image ?? new DiskImage({ sectorBytes: 512, capacityBytes: 1e12 });
    if (image === undefined) this.image.makeLastingFolder("/data/logs");
  }

  set free(bytes: number) {
    this.image.capacityBytes += bytes - this.image.freeBytes;
  }

  /** The disk after a power cut. */
  crash(below: Below): FaultyFiles {
    return new FaultyFiles(this.image.crash(below));
  }

  /** The disk as the next process finds it when only the process died. */
  restart(): FaultyFiles {
    return new FaultyFiles(this.image.fork());
  }

  /** Paths of all files shown. */
  paths(): string[] {
    return this.image.paths();
  }

  /** Changes bytes behind everybody's back, on the platter too. */
  damage(path: string, change: (bytes: Buffer) => Buffer): void {
    this.image.damage(path, change);
  }

  /** Removes a file behind everybody's back. */
  lose(path: string): void {
    this.image.lose(path);
  }

  protected carryOut<T>(call: Call<T>, done: Done<T>): void {
    this.calls += 1;
    if (this.calls > this.diesAfter) return;
    if (call.operation === "read") this.bytesRead += call.bytes;
    const answer = this.#answerTo(call, done);
    setImmediate(() => {
      if (this.calls <= this.diesAfter) answer();
    });
  }

  #answerTo<T>(call: Call<T>, done: Done<T>): () => void {
    try {
      const value = perform(call, this.fault(call.operation, call.path));
      return () => done(null, value);
    } catch (error) {
      return () => done(error as Error);
    }
  }
}
