import fs from "node:fs";
import fsp from "node:fs/promises";
import { BLOCK_BYTES } from "./direct-file.js";
import { DirectReader } from "./direct-read.js";
import { DirectWriter } from "./direct-write.js";
import { type Files, firstBytesOf, type OpenFile, type OpenMode, totalBytes } from "./files.js";

const FLAGS: Record<OpenMode, string> = { read: "r", write: "r+", create: "wx+", replace: "w+" };

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";

/** A promise of a callback-style call. */
const settled = (run: (done: (error: Error | null) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => run((error) => (error === null ? resolve() : reject(error))));

/** A file descriptor with `fs` callbacks: `fs/promises` costs a handle object and a promise per call. */
class NodeFile implements OpenFile {
  readonly #descriptor: number;
  readonly #writer: DirectWriter;
  readonly #reader: DirectReader;
  #isClosed = false;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.#writer = new DirectWriter(descriptor);
    this.#reader = new DirectReader(descriptor);
  }

  write(chunks: readonly Buffer[], position: number, done: (error: Error | null, bytesWritten: number) => void): void {
    if (!this.#writer.isFor(totalBytes(chunks))) return this.#throughCache(chunks, position, done);
    const toBlock = position % BLOCK_BYTES === 0 ? 0 : BLOCK_BYTES - (position % BLOCK_BYTES);
    if (toBlock > 0) return this.#throughCache(firstBytesOf(chunks, toBlock), position, done);
    return this.#writer.write(chunks, position, done, () => this.#throughCache(chunks, position, done));
  }

  sync(done: (error: Error | null) => void): void {
    fs.fdatasync(this.#descriptor, done);
  }

  read(into: Buffer, position: number, done: (error: Error | null, bytesRead: number) => void, isOld?: boolean): void {
    const throughCache = (): void => fs.read(this.#descriptor, into, 0, into.length, position, (error, read) => done(error, read));
    if (isOld === true && this.#reader.isFor(into.length)) this.#reader.read(into, position, done, throughCache);
    else throughCache();
  }

  async truncate(bytes: number): Promise<void> {
    await settled((done) => fs.ftruncate(this.#descriptor, bytes, done));
    // Not fdatasync: a shorter length is not what later reads of the data need, so it may leave it out.
    await settled((done) => fs.fsync(this.#descriptor, done));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#writer.close();
    this.#reader.close();
    await settled((done) => fs.close(this.#descriptor, done));
  }

  #throughCache(chunks: readonly Buffer[], position: number, done: (error: Error | null, bytesWritten: number) => void): void {
    const [only] = chunks;
    if (chunks.length === 1 && only !== undefined) fs.write(this.#descriptor, only, 0, only.length, position, (error, written) => done(error, written));
    else fs.writev(this.#descriptor, chunks as Buffer[], position, (error, written) => done(error, written));
  }
}

/** The file system of this machine. */
export const nodeFiles: Files = {
  open: (path, mode) =>
    new Promise((resolve, reject) =>
      fs.open(path, FLAGS[mode], 0o644, (error, descriptor) => (error === null ? resolve(new NodeFile(descriptor)) : reject(error))),
    ),

  list: (folder) => orUndefined(fsp.readdir(folder)),

  size: (path) => orUndefined(fsp.stat(path).then((stat) => stat.size)),

  readAll: (path) => orUndefined(fsp.readFile(path)),

  readSync(path, position, bytes) {
    const descriptor = fs.openSync(path, "r");
    try {
      const into = Buffer.allocUnsafe(bytes);
      let at = 0;
      while (at < bytes) {
        const read = fs.readSync(descriptor, into, at, bytes - at, position + at);
        if (read === 0) break;
        at += read;
      }
      return into.subarray(0, at);
    } finally {
      fs.closeSync(descriptor);
    }
  },

  async makeFolder(path) {
    await fsp.mkdir(path, { recursive: true });
  },

  removeFolder: (path) => fsp.rm(path, { recursive: true, force: true }),

  rename: (from, to) => fsp.rename(from, to),

  async remove(path) {
    await orUndefined(fsp.unlink(path));
  },

  async syncFolder(path) {
    const handle = await fsp.open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  async freeBytes(path) {
    const { bavail, bsize } = await fsp.statfs(path);
    return bavail * bsize;
  },
};

async function orUndefined<T>(attempt: Promise<T>): Promise<T | undefined> {
  try {
    return await attempt;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
