import { PagedBytes } from "./paged-bytes.js";

/** What one more sync would write. */
export interface Layer {
  /** The file's length when the layer was begun. Sectors that begin beyond it are all new in this layer. */
  readonly base: number;
  /** The other sectors that were written since, as they were before. */
  readonly former: Map<number, Buffer>;
}

const PAST_MAX = 4;

/** Draws a whole number below a bound. */
export type Below = (bound: number) => number;

/**
 * A file as memory shows it, and what the platter has instead where that differs. Bytes are kept once; a write remembers the sectors
 * that it covers as they were, and an append needs not even that, so a write costs what it writes.
 */
export class Inode {
  readonly sectorBytes: number;
  /** The device cannot read it, whoever asks, until it is written anew from its beginning. */
  isUnreadable = false;
  #bytes = new PagedBytes();
  #length = 0;
  #platterLength = 0;
  /** Oldest first: those that a sync is writing now, and last the one that writes go to. */
  #layers: Layer[] = [{ base: 0, former: new Map() }];
  /** What the platter has for sectors that memory takes for clean: after a failed sync, or by a disk that lies. */
  #strayed = new Map<number, Buffer>();
  /** Sectors as they once were on the platter, a few. */
  #past: { readonly sector: number; readonly bytes: Buffer }[] = [];

  constructor(sectorBytes: number) {
    this.sectorBytes = sectorBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** About as many bytes as a sync would write. */
  get dirtyBytes(): number {
    let sectors = 0;
    for (const { former } of this.#layers) sectors += former.size;
    return Math.max(0, this.#length - this.#platterLength) + sectors * this.sectorBytes;
  }

  read(into: Buffer, position: number): number {
    const bytes = Math.max(0, Math.min(into.length, this.#length - position));
    this.#bytes.read(into.subarray(0, bytes), position);
    return bytes;
  }

  /** All of it, a copy. */
  content(): Buffer {
    return this.#bytes.slice(0, this.#length);
  }

  write(bytes: Buffer, position: number): void {
    const end = position + bytes.length;
    this.#remember(position, end);
    this.#bytes.write(bytes, position);
    this.#length = Math.max(this.#length, end);
  }

  /** Cuts or extends it in memory. */
  truncate(length: number): void {
    this.#remember(length, this.#length);
    if (length === 0) this.isUnreadable = false;
    if (length < this.#length) this.#bytes.cut(length);
    this.#length = length;
  }

  /** A sync begins: what was written until now is what it writes. */
  beginSync(): Layer {
    const layer = this.#open;
    this.#layers.push({ base: this.#length, former: new Map() });
    return layer;
  }

  /** What that sync was to write is on the platter. */
  endSync(layer: Layer): void {
    this.#leave(layer, this.#strayed.size === 0 ? undefined : (sector) => this.#strayed.delete(sector));
  }

  /** That sync failed: memory takes what it was to write for clean, and the platter has what `isWritten` says. */
  failSync(layer: Layer, isWritten: (sector: number) => boolean = () => false): void {
    const platterLength = this.#platterLength;
    this.#leave(layer, (sector, before) => {
      if (isWritten(sector)) this.#strayed.delete(sector);
      else if (!this.#strayed.has(sector)) this.#strayed.set(sector, before);
    });
    this.#platterLength = platterLength;
  }

  /** What is there is on the platter. */
  sync(): void {
    this.endSync(this.beginSync());
  }

  /** Sectors that this sync is to write, in no order that means anything but always the same one. */
  sectorsOf(layer: Layer): number[] {
    const next = this.#layers[this.#layers.indexOf(layer) + 1];
    if (next === undefined) return [];
    const sectors = [...layer.former.keys()];
    for (let sector = this.#sectorsIn(layer.base); sector * this.sectorBytes < next.base; sector++) sectors.push(sector);
    return sectors;
  }

  /** What the platter held for the sector before this sync. */
  before(layer: Layer, sector: number): Buffer {
    return layer.former.get(sector) ?? Buffer.alloc(this.sectorBytes);
  }

  /** A sector as memory shows it, a copy; zeros beyond the end. */
  sector(sector: number): Buffer {
    return this.#bytes.slice(sector * this.sectorBytes, (sector + 1) * this.sectorBytes);
  }

  /** The platter holds this in the sector's place, whatever memory shows until it is forgotten. */
  stray(sector: number, holds: Buffer): void {
    this.#strayed.set(sector, holds);
  }

  /** Former contents of sectors, the newest last. */
  get past(): readonly { readonly sector: number; readonly bytes: Buffer }[] {
    return this.#past;
  }

  /** Whether these bytes are there after any power cut. */
  isDurable(from: number, to: number): boolean {
    if (to > Math.min(this.#length, this.#platterLength)) return false;
    const isSame = ([sector, holds]: [number, Buffer]): boolean => {
      const start = sector * this.sectorBytes;
      const [first, end] = [Math.max(from, start), Math.min(to, start + this.sectorBytes)];
      return first >= end || holds.subarray(first - start, end - start).equals(this.#bytes.slice(first, end));
    };
    let end = this.#length;
    for (const layer of this.#layers.toReversed()) {
      for (const written of this.#written(layer, Math.min(end, to))) if (!isSame(written)) return false;
      end = layer.base;
    }
    return [...this.#strayed].every(isSame);
  }

  /** Memory forgets what is clean, and is read again from the platter. */
  forgetClean(): void {
    const clean = this.#sectorsIn(this.#layers[0]?.base ?? 0);
    for (const [sector, holds] of this.#strayed) {
      if (sector >= clean || this.#layers.some(({ former }) => former.has(sector))) continue;
      this.#put(this.#bytes, sector, holds);
      this.#strayed.delete(sector);
    }
    this.#bytes.cut(this.#length);
  }

  /** The file after a power cut: of what was not synced any sectors, and any length that could be. */
  crash(below: Below): Inode {
    const [from, to] = [Math.min(this.#platterLength, this.#length), Math.max(this.#platterLength, this.#length)];
    const length = [this.#platterLength, this.#length, from + below(to - from + 1)][below(3)] ?? 0;
    const luck = below(4);
    const isKept = (): boolean => luck === 0 || (luck > 1 && below(2) === 0);
    const after = new Inode(this.sectorBytes);
    after.isUnreadable = this.isUnreadable;
    after.#bytes = this.#bytes.clone();
    const decided = new Set<number>();
    let end = this.#length;
    for (const layer of this.#layers.toReversed()) {
      for (const [sector, before] of this.#written(layer, end)) {
        if (decided.has(sector)) continue;
        if (sector * this.sectorBytes < end && isKept()) decided.add(sector);
        else this.#put(after.#bytes, sector, before);
      }
      end = layer.base;
    }
    for (const [sector, holds] of this.#strayed) if (!decided.has(sector)) this.#put(after.#bytes, sector, holds);
    after.#bytes.cut(length);
    after.#length = length;
    after.#settle();
    return after;
  }

  /** Other bytes, in memory and on the platter. */
  replace(bytes: Buffer): void {
    this.#bytes.cut(0);
    this.#bytes.write(bytes, 0);
    this.#length = bytes.length;
    this.#settle();
  }

  /** Memory and platter apart from this one's. */
  clone(): Inode {
    const copy = new Inode(this.sectorBytes);
    copy.isUnreadable = this.isUnreadable;
    copy.#bytes = this.#bytes.clone();
    [copy.#length, copy.#platterLength] = [this.#length, this.#platterLength];
    copy.#layers = this.#layers.map(({ base, former }) => ({ base, former: new Map(former) }));
    copy.#strayed = new Map(this.#strayed);
    copy.#past = [...this.#past];
    return copy;
  }

  get #open(): Layer {
    const open = this.#layers.at(-1);
    if (open === undefined) throw new Error("there is always a layer that writes go to");
    return open;
  }

  #sectorsIn(length: number): number {
    return Math.ceil(length / this.sectorBytes);
  }

  /** Whatever is there, memory and platter agree on it. */
  #settle(): void {
    this.#layers = [{ base: this.#length, former: new Map() }];
    this.#platterLength = this.#length;
    this.#strayed.clear();
  }

  /** Keeps the sectors that are about to change as they are, but for those that are new anyway. */
  #remember(from: number, to: number): void {
    const { base, former } = this.#open;
    const known = Math.min(this.#sectorsIn(to), this.#sectorsIn(base));
    for (let sector = Math.floor(from / this.sectorBytes); sector < known; sector++) {
      if (!former.has(sector)) former.set(sector, this.sector(sector));
    }
  }

  /** Sectors that were written in a layer during which the file ended at `end`, with what they were before. */
  *#written(layer: Layer, end: number): Iterable<[number, Buffer]> {
    yield* layer.former;
    const first = this.#sectorsIn(layer.base);
    if (first * this.sectorBytes >= end) return;
    const nothing = Buffer.alloc(this.sectorBytes);
    for (let sector = first; sector * this.sectorBytes < end; sector++) yield [sector, nothing];
  }

  /** The layer, and those before it, are no longer to be written; told of every sector. */
  #leave(layer: Layer, told: ((sector: number, before: Buffer) => void) | undefined): void {
    const last = this.#layers.indexOf(layer);
    // A later sync was faster and wrote this one's as well.
    if (last < 0) return;
    const gone = this.#layers.splice(0, last + 1);
    for (const [at, each] of gone.entries()) {
      const end = (gone[at + 1] ?? this.#layers[0])?.base ?? this.#length;
      if (told !== undefined) for (const [sector, before] of this.#written(each, end)) told(sector, before);
      for (const [sector, bytes] of each.former) this.#past.push({ sector, bytes });
    }
    if (this.#past.length > PAST_MAX) this.#past = this.#past.slice(-PAST_MAX);
    this.#platterLength = this.#layers[0]?.base ?? this.#length;
  }

  #put(bytes: PagedBytes, sector: number, holds: Buffer): void {
    bytes.write(holds, sector * this.sectorBytes);
  }
}
