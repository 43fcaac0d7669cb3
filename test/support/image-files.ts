import { crc32 } from "node:zlib";
import type { Files, OpenFile, OpenMode } from "../../src/storage/files.js";
import { type DiskImage, type Fault, failure } from "./disk-image.js";
import type { Below, Inode } from "./inode.js";

export type Operation =
  | "open"
  | "write"
  | "sync"
  | "read"
  | "look"
  | "close"
  | "truncate"
  | "make-folder"
  | "rename"
  | "remove"
  | "sync-folder"
  | "open-database"
  | "read-database"
  | "write-database";

/** One call of a process to its disk. */
export interface Call<T> {
  readonly operation: Operation;
  readonly path: string;
  /** Read or written. */
  readonly bytes: number;
  /** Of what it writes. */
  readonly checksum?: () => number;
  /** Does it. @throws what the operating system would answer */
  readonly effect: () => T;
  /** What is done, and answered, when the call meets a fault; without it nothing is done, and the answer is the fault's code. */
  readonly underFault?: (fault: Fault) => T;
  /** What else may have been done of it when its process dies meanwhile; without it all or nothing. */
  readonly partly?: (below: Below) => void;
}

export type Done<T> = (error: Error | null, value?: T) => void;

/** Does a call that meets a fault or none. */
export function perform<T>(call: Call<T>, fault: Fault | undefined): T {
  if (fault === undefined) return call.effect();
  if (call.underFault !== undefined) return call.underFault(fault);
  throw failure(fault.code, call.path);
}

/** The file port over a disk image. Subclasses decide when a call is done, whether it meets a fault, and whether it is answered. */
export abstract class ImageFiles implements Files {
  protected abstract get image(): DiskImage;
  protected abstract carryOut<T>(call: Call<T>, done: Done<T>): void;

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    const inode = await this.#promise("open", path, () => {
      const existing = this.image.file(path);
      if (mode === "create" && existing !== undefined) throw failure("EEXIST", path);
      if ((mode === "read" || mode === "write") && existing === undefined) throw failure("ENOENT", path);
      const found = existing ?? this.image.createFile(path);
      if (mode === "replace") this.image.truncate(found, 0);
      return found;
    });
    return new ImageFile(this.image, inode, path, (call, done) => this.carryOut(call, done));
  }

  list(folder: string): Promise<readonly string[] | undefined> {
    return this.#promise("look", folder, () => this.image.list(folder));
  }

  size(path: string): Promise<number | undefined> {
    return this.#promise("look", path, () => this.image.file(path)?.length);
  }

  readAll(path: string): Promise<Buffer | undefined> {
    return this.#promise("read", path, () => {
      const inode = this.image.file(path);
      return inode && readable(inode, path).content();
    });
  }

  readSync(path: string, position: number, bytes: number): Buffer {
    const into = Buffer.alloc(bytes);
    return into.subarray(0, readable(this.image.existingFile(path), path).read(into, position));
  }

  makeFolder(path: string): Promise<void> {
    return this.#promise("make-folder", path, () => this.image.makeFolder(path));
  }

  removeFolder(path: string): Promise<void> {
    return this.#promise("remove", path, () => this.image.removeFolder(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#promise("rename", from, () => this.image.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#promise("remove", path, () => this.image.remove(path));
  }

  syncFolder(path: string): Promise<void> {
    const call: Call<void> = {
      operation: "sync-folder",
      path,
      bytes: 0,
      effect: () => this.image.folder(path).sync(),
      underFault: ({ code }) => {
        this.image.folder(path).failSync();
        throw failure(code, path);
      },
    };
    return this.#settled(call);
  }

  freeBytes(path: string): Promise<number> {
    return this.#promise("look", path, () => this.image.freeBytes);
  }

  #promise<T>(operation: Operation, path: string, effect: () => T): Promise<T> {
    return this.#settled({ operation, path, bytes: 0, effect });
  }

  #settled<T>(call: Call<T>): Promise<T> {
    return new Promise((resolve, reject) => this.carryOut(call, (error, value) => (error === null ? resolve(value as T) : reject(error))));
  }
}

class ImageFile implements OpenFile {
  readonly #image: DiskImage;
  readonly #inode: Inode;
  readonly #path: string;
  readonly #carryOut: <T>(call: Call<T>, done: Done<T>) => void;

  constructor(image: DiskImage, inode: Inode, path: string, carryOut: <T>(call: Call<T>, done: Done<T>) => void) {
    this.#image = image;
    this.#inode = inode;
    this.#path = path;
    this.#carryOut = carryOut;
  }

  write(chunks: readonly Buffer[], position: number, done: (error: Error | null, bytesWritten: number) => void): void {
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    const writeSome = (upTo: number): number => this.#image.write(this.#inode, beginning(chunks, upTo), position, this.#path);
    const call: Call<number> = {
      operation: "write",
      path: this.#path,
      bytes,
      checksum: () => chunks.reduce((sum, chunk) => crc32(chunk, sum), 0),
      effect: () => this.#image.write(this.#inode, chunks, position, this.#path),
      underFault: ({ code, writtenBytes = 0 }) => {
        if (writtenBytes === 0) throw failure(code, this.#path);
        return writeSome(writtenBytes);
      },
      partly: (below) => writeSome(below(bytes + 1)),
    };
    this.#carryOut(call, (error, written = 0) => done(error, written));
  }

  sync(done: (error: Error | null) => void): void {
    const layer = this.#inode.beginSync();
    const call: Call<void> = {
      operation: "sync",
      path: this.#path,
      bytes: this.#inode.dirtyBytes,
      effect: () => this.#image.sync(this.#inode, layer),
      // The kernel reports the error once and forgets that the pages were never written.
      underFault: ({ code }) => {
        this.#image.failSync(this.#inode, layer);
        throw failure(code, this.#path);
      },
    };
    this.#carryOut(call, (error) => done(error));
  }

  read(into: Buffer, position: number, done: (error: Error | null, bytesRead: number) => void): void {
    const call: Call<number> = {
      operation: "read",
      path: this.#path,
      bytes: into.length,
      effect: () => readable(this.#inode, this.#path).read(into, position),
    };
    this.#carryOut(call, (error, read = 0) => done(error, read));
  }

  truncate(length: number): Promise<void> {
    return this.#settled("truncate", () => {
      this.#image.truncate(this.#inode, length);
      this.#inode.sync();
    });
  }

  close(): Promise<void> {
    return this.#settled("close", () => undefined);
  }

  #settled(operation: Operation, effect: () => void): Promise<void> {
    const call: Call<void> = { operation, path: this.#path, bytes: 0, effect };
    return new Promise((resolve, reject) => this.#carryOut(call, (error) => (error === null ? resolve() : reject(error))));
  }
}

function readable(inode: Inode, path: string): Inode {
  if (inode.isUnreadable) throw failure("EIO", path);
  return inode;
}

/** The first `bytes` of the chunks. */
function beginning(chunks: readonly Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  return chunks.map((chunk) => {
    const part = chunk.subarray(0, Math.max(0, left));
    left -= part.length;
    return part;
  });
}
