import { basename, dirname } from "node:path";
import type { Files, OpenFile, OpenMode } from "../../src/storage/files.js";

const SECTOR_BYTES = 512;

/** What a simulated disk may do to a call: fail with this code, after `writtenBytes` of a write. */
export interface Fault {
  readonly code: "EIO" | "ENOSPC";
  readonly writtenBytes?: number;
}
export type Operation = "open" | "write" | "sync" | "read" | "truncate" | "rename" | "remove" | "sync-folder";

/** A file as memory shows it and as the platter has it. */
class Inode {
  shown = Buffer.alloc(0);
  platter = Buffer.alloc(0);
  /** Sectors that a sync would write. A failed sync empties this without writing them. */
  readonly dirty = new Set<number>();
  platterLength = 0;

  write(bytes: Buffer, position: number): void {
    const end = position + bytes.length;
    if (end > this.shown.length) this.shown = Buffer.concat([this.shown, Buffer.alloc(end - this.shown.length)]);
    bytes.copy(this.shown, position);
    for (let sector = Math.floor(position / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) this.dirty.add(sector);
  }

  /** The length and all dirty sectors reach the platter. */
  sync(): void {
    this.resize(this.shown.length);
    for (const sector of this.dirty) this.#persist(sector);
    this.dirty.clear();
  }

  truncate(length: number): void {
    this.shown = Buffer.concat([this.shown.subarray(0, length), Buffer.alloc(Math.max(0, length - this.shown.length))]);
    for (const sector of this.dirty) if (sector * SECTOR_BYTES >= length) this.dirty.delete(sector);
  }

  /** What is on the platter after the power went: any of the dirty sectors, any length that could be. */
  crash(below: (bound: number) => number): Inode {
    const lengths = [
      this.platterLength,
      this.shown.length,
      Math.min(this.platterLength, this.shown.length) + below(Math.abs(this.shown.length - this.platterLength) + 1),
    ];
    const luck = below(4);
    this.resize(lengths[below(3)] ?? 0);
    for (const sector of this.dirty) if (luck === 0 || (luck > 1 && below(2) === 0)) this.#persist(sector);
    const after = new Inode();
    after.shown = Buffer.from(this.platter.subarray(0, this.platterLength));
    after.platter = Buffer.from(after.shown);
    after.platterLength = after.shown.length;
    return after;
  }

  resize(length: number): void {
    const kept = this.platter.subarray(0, Math.min(length, this.platterLength));
    this.platter = Buffer.concat([kept, Buffer.alloc(length - kept.length)]);
    this.platterLength = length;
  }

  #persist(sector: number): void {
    const start = sector * SECTOR_BYTES;
    const end = Math.min(start + SECTOR_BYTES, this.platterLength, this.shown.length);
    if (start < end) this.shown.copy(this.platter, start, start, end);
  }
}

const failure = (code: string, path: string): Error => Object.assign(new Error(`${code}: simulated, ${path}`), { code });

/**
 * A disk in memory that keeps what was synced and, when the power goes, any subset of the rest: sectors of 512 bytes, lengths,
 * and names in folders, each on its own. `crash` gives the disk as the next process finds it.
 */
export class FaultyFiles implements Files {
  /** Names as shown, and as they would be found after a crash. */
  readonly #names = new Map<string, Inode>();
  readonly #lasting = new Map<string, Inode>();
  readonly #folders = new Set<string>();
  /** Calls so far. */
  calls = 0;
  /** By reads of open files. */
  bytesRead = 0;
  /** After this many calls the process is dead: nothing is done and nothing answers. */
  diesAfter = Number.POSITIVE_INFINITY;
  /** Decides the fate of each call. */
  fault: (operation: Operation, path: string) => Fault | undefined = () => undefined;
  free = 1e12;

  /** The disk after a power cut. */
  crash(below: (bound: number) => number): FaultyFiles {
    const after = new FaultyFiles();
    for (const folder of this.#folders) after.#folders.add(folder);
    const crashed = new Map<Inode, Inode>();
    for (const path of new Set([...this.#names.keys(), ...this.#lasting.keys()])) {
      const inode = below(2) === 0 ? this.#names.get(path) : this.#lasting.get(path);
      // A rename leaves one of both names, never both.
      if (inode === undefined || (crashed.has(inode) && this.#names.get(path) !== inode)) continue;
      for (const [other, found] of after.#names) if (found === crashed.get(inode)) after.lose(other);
      const found = crashed.get(inode) ?? inode.crash(below);
      crashed.set(inode, found);
      after.#names.set(path, found);
      after.#lasting.set(path, found);
    }
    return after;
  }

  /** The disk as the next process finds it when only the process died. */
  restart(): FaultyFiles {
    const after = new FaultyFiles();
    for (const folder of this.#folders) after.#folders.add(folder);
    for (const [path, inode] of this.#names) after.#names.set(path, inode);
    for (const [path, inode] of this.#lasting) after.#lasting.set(path, inode);
    return after;
  }

  /** Paths of all files shown. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** Changes bytes behind everybody's back, on the platter too. */
  damage(path: string, change: (bytes: Buffer) => Buffer): void {
    const inode = this.#names.get(path);
    if (inode === undefined) throw failure("ENOENT", path);
    inode.shown = Buffer.from(change(Buffer.from(inode.shown)));
    inode.sync();
    inode.platter = Buffer.from(inode.shown);
  }

  /** Removes a file behind everybody's back. */
  lose(path: string): void {
    this.#names.delete(path);
    this.#lasting.delete(path);
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    await this.#step("open", path);
    const existing = this.#names.get(path);
    if (mode === "create" && existing !== undefined) throw failure("EEXIST", path);
    if ((mode === "read" || mode === "write") && existing === undefined) throw failure("ENOENT", path);
    const inode = existing ?? new Inode();
    this.#names.set(path, inode);
    if (mode === "replace") inode.truncate(0);
    return this.#file(path, inode);
  }

  #file(path: string, inode: Inode): OpenFile {
    return {
      write: (chunks, position, done) => {
        const bytes = Buffer.concat(chunks);
        const fault = this.fault("write", path);
        const part = fault === undefined ? bytes : bytes.subarray(0, fault.writtenBytes ?? 0);
        if (!this.#isDead()) inode.write(part, position);
        if (fault === undefined || part.length > 0) this.#answer(() => done(null, part.length));
        else this.#answer(() => done(failure(fault.code, path), 0));
      },
      sync: (done) => {
        const fault = this.fault("sync", path);
        const isDead = this.#isDead();
        if (!isDead && fault === undefined) inode.sync();
        // The kernel reports the error once and forgets that the pages were never written.
        if (!isDead && fault !== undefined) inode.dirty.clear();
        this.#answer(() => done(fault === undefined ? null : failure(fault.code, path)));
      },
      read: (into, position, done) => {
        const fault = this.fault("read", path);
        const read = inode.shown.subarray(position, position + into.length).copy(into);
        this.calls += 1;
        this.bytesRead += read;
        this.#answer(() => (fault === undefined ? done(null, read) : done(failure(fault.code, path), 0)));
      },
      truncate: async (length) => {
        await this.#step("truncate", path);
        inode.truncate(length);
        inode.sync();
      },
      close: () => this.#step("read", path),
    };
  }

  async list(folder: string): Promise<readonly string[] | undefined> {
    await this.#step("read", folder);
    if (!this.#folders.has(folder)) return undefined;
    return this.paths()
      .filter((path) => dirname(path) === folder)
      .map((path) => basename(path));
  }

  async size(path: string): Promise<number | undefined> {
    await this.#step("read", path);
    return this.#names.get(path)?.shown.length;
  }

  async readAll(path: string): Promise<Buffer | undefined> {
    await this.#step("read", path);
    const inode = this.#names.get(path);
    return inode && Buffer.from(inode.shown);
  }

  readSync(path: string, position: number, bytes: number): Buffer {
    return Buffer.from(this.#names.get(path)?.shown.subarray(position, position + bytes) ?? []);
  }

  async makeFolder(path: string): Promise<void> {
    await this.#step("rename", path);
    this.#folders.add(path);
  }

  async removeFolder(path: string): Promise<void> {
    await this.#step("remove", path);
    for (const name of this.paths()) if (name.startsWith(`${path}/`)) this.lose(name);
    this.#folders.delete(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step("rename", from);
    if (this.#folders.has(from)) return this.#renameFolder(from, to);
    const inode = this.#names.get(from);
    if (inode === undefined) throw failure("ENOENT", from);
    this.#names.delete(from);
    this.#names.set(to, inode);
  }

  /** All of it goes or stays, and lasts at once: before a sync of the folder above, a crash may as well have come before it. */
  #renameFolder(from: string, to: string): void {
    this.#folders.delete(from);
    this.#folders.add(to);
    for (const names of [this.#names, this.#lasting]) {
      for (const [path, inode] of [...names]) {
        if (!path.startsWith(`${from}/`)) continue;
        names.delete(path);
        names.set(`${to}${path.slice(from.length)}`, inode);
      }
    }
  }

  async remove(path: string): Promise<void> {
    await this.#step("remove", path);
    this.#names.delete(path);
  }

  async syncFolder(path: string): Promise<void> {
    await this.#step("sync-folder", path);
    for (const name of [...this.#lasting.keys()]) if (dirname(name) === path && !this.#names.has(name)) this.#lasting.delete(name);
    for (const [name, inode] of this.#names) if (dirname(name) === path) this.#lasting.set(name, inode);
  }

  async freeBytes(path: string): Promise<number> {
    await this.#step("read", path);
    return this.free;
  }

  /** Counts the call; one of a dead process never goes on. */
  async #step(operation: Operation, path: string): Promise<void> {
    if (this.#isDead()) await new Promise(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.calls > this.diesAfter) await new Promise(() => undefined);
    const fault = this.fault(operation, path);
    if (fault !== undefined) throw failure(fault.code, path);
  }

  #isDead(): boolean {
    this.calls += 1;
    return this.calls > this.diesAfter;
  }

  #answer(done: () => void): void {
    setImmediate(() => {
      if (this.calls <= this.diesAfter) done();
    });
  }
}
