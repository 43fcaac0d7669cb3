import { crashFolder, type Entry, Folder } from "./folder.js";
import { type Below, Inode, type Layer } from "./inode.js";

/** What a simulated disk may do to a call: fail with this code, after `writtenBytes` of a write. */
export interface Fault {
  readonly code: "EIO" | "ENOSPC";
  readonly writtenBytes?: number;
}

export const failure = (code: string, path: string): Error => Object.assign(new Error(`${code}: simulated, ${path}`), { code });

export interface DiskOptions {
  /** What a power cut leaves whole; 512 or 4096. */
  readonly sectorBytes: number;
  /** Bytes of files that fit. */
  readonly capacityBytes: number;
}

/**
 * A file system in memory: what it shows, and what is on the platter. It keeps what was synced and, when the power goes, any subset of
 * the rest: sectors, lengths, and names in folders, each on its own. Everything is done at once; who uses it decides when.
 */
export class DiskImage {
  readonly sectorBytes: number;
  capacityBytes: number;
  /** Told before a sync succeeds; a disk that lies may stray sectors once it has, by what this returns. */
  lie: ((inode: Inode, layer: Layer) => (() => void) | undefined) | undefined;
  /** Whether a sector reached the platter in a sync that failed. */
  isWrittenAnyway: (sector: number) => boolean = () => false;
  #root = new Folder();
  #usedBytes = 0;

  constructor({ sectorBytes, capacityBytes }: DiskOptions) {
    this.sectorBytes = sectorBytes;
    this.capacityBytes = capacityBytes;
  }

  get freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#usedBytes);
  }

  file(path: string): Inode | undefined {
    const entry = this.#find(path);
    return entry instanceof Inode ? entry : undefined;
  }

  /** Whether a file is found under its path after any power cut. */
  isNamed(path: string): boolean {
    let folder: Entry | undefined = this.#root;
    for (const name of partsOf(path)) {
      if (!(folder instanceof Folder && folder.isDurable(name))) return false;
      folder = folder.get(name);
    }
    return folder instanceof Inode;
  }

  existingFile(path: string): Inode {
    const inode = this.file(path);
    if (inode === undefined) throw failure("ENOENT", path);
    return inode;
  }

  createFile(path: string): Inode {
    const [folder, name] = this.#parent(path);
    if (folder.get(name) !== undefined) throw failure("EEXIST", path);
    if (this.freeBytes === 0) throw failure("ENOSPC", path);
    const inode = new Inode(this.sectorBytes);
    folder.put(name, inode);
    return inode;
  }

  /** Paths of all files shown, sorted. */
  paths(): string[] {
    const found: string[] = [];
    const visit = (folder: Folder, path: string): void => {
      for (const name of folder.names()) {
        const entry = folder.get(name);
        if (entry instanceof Folder) visit(entry, `${path}/${name}`);
        else found.push(`${path}/${name}`);
      }
    };
    visit(this.#root, "");
    return found.sort();
  }

  /** Names in a folder; undefined when there is none. */
  list(path: string): string[] | undefined {
    const folder = this.#find(path);
    return folder instanceof Folder ? folder.names() : undefined;
  }

  /** Writes as much as there is room for, and returns how much that is. @throws ENOSPC when there is room for nothing */
  write(inode: Inode, chunks: readonly Buffer[], position: number, path: string): number {
    const before = inode.length;
    const limit = before + this.freeBytes;
    let at = position;
    for (const chunk of chunks) {
      const part = at + chunk.length <= limit ? chunk : chunk.subarray(0, Math.max(0, limit - at));
      if (part.length > 0) inode.write(part, at);
      at += part.length;
      if (part.length < chunk.length) break;
    }
    this.#usedBytes += inode.length - before;
    if (at === position && chunks.some(({ length }) => length > 0)) throw failure("ENOSPC", path);
    return at - position;
  }

  truncate(inode: Inode, length: number): void {
    this.#usedBytes += length - inode.length;
    inode.truncate(length);
  }

  sync(inode: Inode, layer: Layer): void {
    const stray = this.lie?.(inode, layer);
    inode.endSync(layer);
    stray?.();
  }

  failSync(inode: Inode, layer: Layer): void {
    inode.failSync(layer, this.isWrittenAnyway);
  }

  makeFolder(path: string): void {
    let folder = this.#root;
    for (const name of partsOf(path)) {
      const entry = folder.get(name) ?? new Folder();
      if (entry instanceof Inode) throw failure("ENOTDIR", path);
      if (folder.get(name) === undefined) folder.put(name, entry);
      folder = entry;
    }
  }

  /** As `makeFolder`, and it is there to stay. */
  makeLastingFolder(path: string): void {
    this.makeFolder(path);
    let folder = this.#root;
    for (const name of partsOf(path)) {
      folder.sync();
      const next = folder.get(name);
      if (next instanceof Folder) folder = next;
    }
  }

  removeFolder(path: string): void {
    const entry = this.#find(path);
    if (!(entry instanceof Folder)) return;
    this.#empty(entry);
    const [folder, name] = this.#parent(path);
    folder.remove(name);
  }

  rename(from: string, to: string): void {
    const [former, formerName] = this.#parent(from);
    const [folder, name] = this.#parent(to);
    const entry = former.get(formerName);
    if (entry === undefined) throw failure("ENOENT", from);
    const replaced = folder.get(name);
    if (replaced instanceof Folder && replaced.names().length > 0) throw failure("ENOTEMPTY", to);
    if (replaced instanceof Inode) this.#usedBytes -= replaced.length;
    former.remove(formerName);
    folder.put(name, entry);
  }

  remove(path: string): void {
    const inode = this.file(path);
    if (inode === undefined) return;
    const [folder, name] = this.#parent(path);
    this.#usedBytes -= inode.length;
    folder.remove(name);
  }

  /** @throws ENOENT */
  folder(path: string): Folder {
    const entry = this.#find(path);
    if (!(entry instanceof Folder)) throw failure("ENOENT", path);
    return entry;
  }

  /** The disk after a power cut; this one stays as it is. */
  crash(below: Below): DiskImage {
    return this.#with(crashFolder(this.#root, below));
  }

  /** The same files under names that change on their own from here on. */
  fork(): DiskImage {
    return this.#with(this.#root.clone(memoized((entry, copy) => (entry instanceof Inode ? entry : entry.clone(copy)))));
  }

  /** Another disk with the same contents and the same fate to come. */
  clone(): DiskImage {
    return this.#with(this.#root.clone(memoized((entry, copy) => entry.clone(copy))));
  }

  /** Changes bytes behind everybody's back, on the platter too. */
  damage(path: string, change: (bytes: Buffer) => Buffer): void {
    const inode = this.existingFile(path);
    const before = inode.length;
    inode.replace(change(inode.content()));
    this.#usedBytes += inode.length - before;
  }

  /** Removes a file behind everybody's back. */
  lose(path: string): void {
    const inode = this.file(path);
    if (inode === undefined) return;
    const [folder, name] = this.#parent(path);
    this.#usedBytes -= inode.length;
    folder.lose(name);
  }

  #with(root: Folder): DiskImage {
    const image = new DiskImage(this);
    image.#root = root;
    image.#usedBytes = bytesIn(root);
    return image;
  }

  #empty(folder: Folder): void {
    for (const name of folder.names()) {
      const entry = folder.get(name);
      if (entry instanceof Folder) this.#empty(entry);
      else this.#usedBytes -= entry?.length ?? 0;
      folder.remove(name);
    }
  }

  #find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.#root;
    for (const name of partsOf(path)) {
      if (!(entry instanceof Folder)) return undefined;
      entry = entry.get(name);
    }
    return entry;
  }

  #parent(path: string): [Folder, string] {
    const end = path.lastIndexOf("/");
    return [this.folder(path.slice(0, end)), path.slice(end + 1)];
  }
}

const partsOf = (path: string): string[] => path.split("/").filter((part) => part !== "");

const bytesIn = (folder: Folder): number => folder.entries().reduce((sum, entry) => sum + (entry instanceof Folder ? bytesIn(entry) : entry.length), 0);

/** An entry that has two names, on the platter and in memory, is copied once. */
function memoized(make: (entry: Entry, copy: (entry: Entry) => Entry) => Entry): (entry: Entry) => Entry {
  const made = new Map<Entry, Entry>();
  const copy = (entry: Entry): Entry => {
    const known = made.get(entry) ?? make(entry, copy);
    made.set(entry, known);
    return known;
  };
  return copy;
}
