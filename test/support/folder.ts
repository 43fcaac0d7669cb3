import type { Below } from "./inode.js";
import { Inode } from "./inode.js";

export type Entry = Inode | Folder;

/** The names in one folder as they are shown, and what the platter has for those that changed since the last sync. */
export class Folder {
  readonly #shown = new Map<string, Entry>();
  /** Names that a sync would write; as the platter has them, undefined for none. */
  readonly #former = new Map<string, Entry | undefined>();
  /** The same of names that memory takes for clean, after a failed sync. */
  readonly #strayed = new Map<string, Entry | undefined>();

  get(name: string): Entry | undefined {
    return this.#shown.get(name);
  }

  /** In the order in which they were made. */
  names(): string[] {
    return [...this.#shown.keys()];
  }

  entries(): readonly Entry[] {
    return [...this.#shown.values()];
  }

  put(name: string, entry: Entry): void {
    this.#remember(name);
    this.#shown.set(name, entry);
  }

  remove(name: string): void {
    if (!this.#shown.has(name)) return;
    this.#remember(name);
    this.#shown.delete(name);
  }

  /** Removes it from memory and the platter at once. */
  lose(name: string): void {
    this.#shown.delete(name);
    this.#former.delete(name);
    this.#strayed.delete(name);
  }

  sync(): void {
    for (const name of this.#former.keys()) this.#strayed.delete(name);
    this.#former.clear();
  }

  /** Memory takes for clean what is not on the platter. */
  failSync(): void {
    for (const [name, entry] of this.#former) if (!this.#strayed.has(name)) this.#strayed.set(name, entry);
    this.#former.clear();
  }

  /** Whether the name stands for what is shown after any power cut. */
  isDurable(name: string): boolean {
    return this.#shown.has(name) && !this.#former.has(name) && !this.#strayed.has(name);
  }

  /** Each name that changed, as it may be after a power cut; names that did not change are as they are. */
  survivors(below: Below): [string, Entry][] {
    const found = new Map(this.#shown);
    for (const name of new Set([...this.#former.keys(), ...this.#strayed.keys()])) {
      if (this.#former.has(name) && below(2) === 0) continue;
      const entry = this.#strayed.has(name) ? this.#strayed.get(name) : this.#former.get(name);
      if (entry === undefined) found.delete(name);
      else found.set(name, entry);
    }
    return [...found];
  }

  /** All entries that are shown or that the platter still has, by each of their names. */
  known(): [string, Entry][] {
    const found: readonly [string, Entry | undefined][] = [...this.#shown, ...this.#former, ...this.#strayed];
    return found.filter((named): named is [string, Entry] => named[1] !== undefined);
  }

  /** The same names and states around other entries: `copy` gives each. */
  clone(copy: (entry: Entry) => Entry): Folder {
    const clone = new Folder();
    for (const [name, entry] of this.#shown) clone.#shown.set(name, copy(entry));
    for (const [name, entry] of this.#former) clone.#former.set(name, entry && copy(entry));
    for (const [name, entry] of this.#strayed) clone.#strayed.set(name, entry && copy(entry));
    return clone;
  }

  #remember(name: string): void {
    if (!this.#former.has(name)) this.#former.set(name, this.#shown.get(name));
  }
}

/**
 * The tree below a folder after a power cut. Whatever was renamed has one of its names: never both, and never none, since file systems write a
 * rename as one.
 */
export function crashFolder(root: Folder, below: Below): Folder {
  return new FolderCrash(root, below).run();
}

class FolderCrash {
  readonly #root: Folder;
  readonly #below: Below;
  /** Where each entry is shown now. */
  readonly #shownAt = new Map<Entry, { readonly folder: Folder; readonly name: string }>();
  readonly #after = new Map<Entry, Entry>();
  readonly #placed = new Map<Entry, { readonly folder: Folder; readonly name: string }>();

  constructor(root: Folder, below: Below) {
    this.#root = root;
    this.#below = below;
  }

  run(): Folder {
    this.#find(this.#root);
    const after = this.#crashed(this.#root) as Folder;
    this.#placeRenamed(this.#root, new Set());
    return after;
  }

  #find(folder: Folder): void {
    for (const name of folder.names()) {
      const entry = folder.get(name);
      if (entry === undefined) continue;
      this.#shownAt.set(entry, { folder, name });
      if (entry instanceof Folder) this.#find(entry);
    }
  }

  #crashed(entry: Entry): Entry {
    const known = this.#after.get(entry);
    if (known !== undefined) return known;
    if (entry instanceof Inode) {
      const inode = entry.crash(this.#below);
      this.#after.set(entry, inode);
      return inode;
    }
    const after = new Folder();
    this.#after.set(entry, after);
    for (const [name, child] of entry.survivors(this.#below)) this.#place(child, entry, name);
    after.sync();
    return after;
  }

  /** Found by its former name and by its present one, it has the present one. */
  #place(entry: Entry, folder: Folder, name: string): void {
    const other = this.#placed.get(entry);
    const shown = this.#shownAt.get(entry);
    if (other !== undefined && !(shown?.folder === folder && shown.name === name)) return;
    if (other !== undefined) this.#afterOf(other.folder)?.lose(other.name);
    this.#placed.set(entry, { folder, name });
    const after = this.#crashed(entry);
    this.#afterOf(folder)?.put(name, after);
    this.#afterOf(folder)?.sync();
  }

  #afterOf(folder: Folder): Folder | undefined {
    const after = this.#after.get(folder);
    return after instanceof Folder ? after : undefined;
  }

  /** What the platter knew under a former name, and is shown under another, and was found under neither, has its former name. */
  #placeRenamed(folder: Folder, seen: Set<Folder>): void {
    if (seen.has(folder)) return;
    seen.add(folder);
    for (const [name, entry] of folder.known()) {
      const shown = this.#shownAt.get(entry);
      const isRenamed = shown !== undefined && (shown.folder !== folder || shown.name !== name);
      const after = this.#afterOf(folder);
      if (isRenamed && !this.#placed.has(entry) && after !== undefined && after.get(name) === undefined) this.#place(entry, folder, name);
      if (entry instanceof Folder) this.#placeRenamed(entry, seen);
    }
  }
}
