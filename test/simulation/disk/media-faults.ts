import type { DiskImage } from "../../support/disk-image.js";
import type { Inode, Layer } from "../../support/inode.js";
import type { Chance } from "../kernel/chance.js";

/** Which files a fault may meet. */
export type Where = (path: string) => boolean;

export interface MediaFaultsOptions {
  readonly chance: Chance;
  readonly image: () => DiskImage;
  readonly counted: (kind: string, what: string) => void;
}

/**
 * What a disk does without a word: bits turn, files vanish or cannot be read, sectors go back to what they were, writes go nowhere or elsewhere. A write that
 * strayed is read as it should be while the page is in memory, and as it is after a power cut or `forgetCache`.
 */
export class MediaFaults {
  readonly #chance: Chance;
  readonly #image: () => DiskImage;
  readonly #counted: (kind: string, what: string) => void;
  #lies: ("lost" | "misdirected")[] = [];

  constructor({ chance, image, counted }: MediaFaultsOptions) {
    this.#chance = chance;
    this.#image = image;
    this.#counted = counted;
  }

  /** One bit turns on the platter; that of a sector that is written anew meanwhile is mended by it. Returns the file, if there is one. */
  rot(where: Where = () => true): string | undefined {
    const path = this.#pick(where, ({ length }) => length > 0);
    const inode = path === undefined ? undefined : this.#image().file(path);
    if (path === undefined || inode === undefined) return undefined;
    const at = this.#chance.below(inode.length);
    const sector = Math.floor(at / inode.sectorBytes);
    const rotten = inode.sector(sector);
    rotten[at % inode.sectorBytes] = rotten.readUInt8(at % inode.sectorBytes) ^ (1 << this.#chance.below(8));
    inode.stray(sector, rotten);
    inode.forgetClean();
    this.#counted("bit-rot", `${path} at ${at}`);
    return path;
  }

  /** A file is gone. Returns which. */
  loseFile(where: Where = () => true): string | undefined {
    const path = this.#pick(where, () => true);
    if (path === undefined) return undefined;
    this.#image().lose(path);
    this.#counted("lost-file", path);
    return path;
  }

  /** A file cannot be read any more, until it is written anew. Returns which. */
  makeUnreadable(where: Where = () => true): string | undefined {
    const path = this.#pick(where, ({ isUnreadable }) => !isUnreadable);
    const inode = path === undefined ? undefined : this.#image().file(path);
    if (path === undefined || inode === undefined) return undefined;
    inode.isUnreadable = true;
    this.#counted("unreadable-file", path);
    return path;
  }

  /** A file ends at an earlier place. Returns which. */
  cutFile(where: Where = () => true): string | undefined {
    const path = this.#pick(where, ({ length }) => length > 0);
    if (path === undefined) return undefined;
    this.#image().damage(path, (bytes) => bytes.subarray(0, this.#chance.below(bytes.length)));
    this.#counted("cut-file", path);
    return path;
  }

  /** A sector is again what it was before the last write to it. Returns the file. */
  makeStale(where: Where = () => true): string | undefined {
    const path = this.#pick(where, ({ past }) => past.length > 0);
    const inode = path === undefined ? undefined : this.#image().file(path);
    const former = inode && this.#chance.pick(inode.past);
    if (path === undefined || inode === undefined || former === undefined) return undefined;
    inode.stray(former.sector, former.bytes);
    inode.forgetClean();
    this.#counted("stale-sector", `${path} at ${former.sector * inode.sectorBytes}`);
    return path;
  }

  /** Of the next sync that writes anything, one sector is not written: the disk says that it was. */
  loseNextWrite(): void {
    this.#lies.push("lost");
  }

  /** Of the next sync that writes anything, one sector goes to another's place. */
  misdirectNextWrite(): void {
    this.#lies.push("misdirected");
  }

  /** Memory is short: what is clean is read again from the platter. */
  forgetCache(): void {
    for (const path of this.#image().paths()) this.#image().file(path)?.forgetClean();
  }

  /** Lies that were not told yet are not told any more. */
  heal(): void {
    this.#lies = [];
  }

  /** What the platter does once a sync has succeeded, if it lies. */
  lie(inode: Inode, layer: Layer): (() => void) | undefined {
    if (this.#lies.length === 0) return undefined;
    const sector = this.#chance.pick(inode.sectorsOf(layer));
    if (sector === undefined) return undefined;
    const lie = this.#lies.shift();
    const before = inode.before(layer, sector);
    const other = this.#chance.below(Math.ceil(inode.length / inode.sectorBytes));
    return () => {
      const written = inode.sector(sector);
      if (lie === "misdirected" && other !== sector) inode.stray(other, written);
      inode.stray(sector, before);
      this.#counted(lie === "lost" ? "lost-write" : "misdirected-write", `sector ${sector}${lie === "lost" ? "" : ` to ${other}`}`);
    };
  }

  #pick(where: Where, isFit: (inode: Inode) => boolean): string | undefined {
    const image = this.#image();
    const isChosen = (path: string): boolean => {
      const inode = image.file(path);
      return inode !== undefined && where(path) && isFit(inode);
    };
    return this.#chance.pick(image.paths().filter(isChosen));
  }
}
