import { assert } from "../base/assert.js";
import type { Frame } from "../base/frame.js";
import { FRAME_HEADER_BYTES, type FrameHeader, frameBytes } from "../base/frame-codec.js";
import { indexPlus, type LogIndex, logIndex } from "../base/ids.js";
import { IndexRun } from "./index-run.js";
import { TailBlocks } from "./tail-blocks.js";
import { TailRing } from "./tail-ring.js";

/** Of the budget, what frames that came to disk recently may take before they settle. */
const RECENT_SHARE = 1 / 8;
/** Writes whose frames may be recent, so that small ones settle about as soon as large ones. */
const RECENT_WRITES_MAX = 128;

/** A frame without its body. */
export type TailEntry = Pick<FrameHeader, "index" | "kind" | "baseOffset" | "batch" | "bodyBytes">;

/** Frames that came to disk together. */
interface RecentWrite {
  readonly window: TailWindow;
  readonly through: LogIndex;
  readonly bytes: number;
}

/**
 * The ends of all of a broker's logs in memory, within one budget; the oldest frames go first, whichever log's they are.
 *
 * A frame stays as it came, in the memory of the message that brought it, until it is on disk and for a moment more, in which followers and
 * readers nearly always take it. Then it settles: its bytes move to memory that is made once. V8 finds cheaply what dies young and looks
 * through its whole heap for the rest, so tens of megabytes a second that die after half a second cost more than their copies do.
 *
 * Frames that are not written to the log's own files stay whatever the budget: its writer takes them from here. How many bytes those are is bounded by what
 * producers and leaders may have under way, and by how much may be in the journal alone.
 */
export class TailCache {
  readonly #ring: TailRing;
  /** What is in the journal and not in its log's own files. */
  readonly #behind = new TailBlocks();
  readonly #recentBytesMax: number;
  #recent: RecentWrite[] = [];
  #recentBytes = 0;
  /** Logs with settled frames, or that had some in this lap. */
  readonly #settled = new Set<TailWindow>();
  #lap = 0;

  constructor(bytesMax: number) {
    this.#recentBytesMax = Math.floor(bytesMax * RECENT_SHARE);
    this.#ring = new TailRing(bytesMax - this.#recentBytesMax);
  }

  /** Memory for what is in the journal alone. */
  get behindBytes(): number {
    return this.#behind.bytes;
  }

  window(): TailWindow {
    return new TailWindow(this.#ring, this.#behind, {
      onDisk: (write) => this.#onDisk(write),
      settled: (window) => this.#settled.add(window),
    });
  }

  #onDisk(write: RecentWrite): void {
    this.#recent.push(write);
    this.#recentBytes += write.bytes;
    while (this.#recentBytes > this.#recentBytesMax || this.#recent.length > RECENT_WRITES_MAX) {
      const oldest = this.#recent.shift();
      if (oldest === undefined) break;
      this.#recentBytes -= oldest.bytes;
      oldest.window.settle(oldest.through);
    }
    if (this.#ring.lap !== this.#lap) this.#sweep();
  }

  /** Logs that are quiet now forget where frames were that are overwritten. */
  #sweep(): void {
    this.#lap = this.#ring.lap;
    for (const window of this.#settled) if (!window.forgetOverwritten()) this.#settled.delete(window);
  }
}

interface TailBudget {
  onDisk(write: RecentWrite): void;
  settled(window: TailWindow): void;
}

/**
 * The end of one log in memory: frames without a gap up to the last one appended. First those that settled and are written, then those that
 * settled and are behind in the journal, then those that stand as they came.
 */
export class TailWindow {
  readonly #ring: TailRing;
  readonly #blocks: TailBlocks;
  readonly #budget: TailBudget;
  /** Positions in the ring. Old ones may be overwritten; then so are all before. */
  readonly #settled = new IndexRun<number>();
  /** Positions in the blocks. */
  readonly #behind = new IndexRun<number>();
  readonly #fresh = new IndexRun<Frame>();
  #writtenIndex = logIndex(0);
  #journaledIndex = logIndex(0);
  #releasedIndex = logIndex(0);

  constructor(ring: TailRing, blocks: TailBlocks, budget: TailBudget) {
    this.#ring = ring;
    this.#blocks = blocks;
    this.#budget = budget;
  }

  /** Frames that are here. */
  get size(): number {
    this.forgetOverwritten();
    return this.#settled.size + this.#behind.size + this.#fresh.size;
  }

  /** Places in the ring that it keeps, of overwritten frames too. */
  get places(): number {
    return this.#settled.size;
  }

  /** The oldest frame here. */
  get oldest(): TailEntry | undefined {
    this.forgetOverwritten();
    const oldest = [this.#settled, this.#behind, this.#fresh].find((run) => run.size > 0);
    return oldest && this.entry(oldest.first);
  }

  /** Frames through this index are in the log's own files and may be dropped. */
  set writtenIndex(index: LogIndex) {
    const before = later(this.#writtenIndex, this.#journaledIndex);
    this.#writtenIndex = index;
    this.#dropReleased();
    while (this.#behind.size > 0 && this.#behind.first <= index) {
      const position = this.#behind.shift() as number;
      this.#keep(this.#blocks.frame(position));
      this.#blocks.giveUp(position);
    }
    this.#onDisk(before, index);
  }

  /** Frames through this index are in the journal: they stay, and may settle. */
  set journaledIndex(index: LogIndex) {
    const before = later(this.#writtenIndex, this.#journaledIndex);
    this.#journaledIndex = index;
    this.#onDisk(before, index);
  }

  /** Nobody is expected to read frames through this index: they go as soon as they are written. */
  release(through: LogIndex): void {
    if (through <= this.#releasedIndex) return;
    this.#releasedIndex = through;
    this.#dropReleased();
  }

  push(frame: Frame): void {
    this.#fresh.push(frame.index, frame);
  }

  get(index: LogIndex): Frame | undefined {
    const fresh = this.#fresh.get(index);
    if (fresh !== undefined) return fresh;
    const behind = this.#behind.get(index);
    if (behind !== undefined) return this.#blocks.frame(behind);
    const settled = this.#settled.get(index);
    if (settled === undefined || !this.#ring.holds(settled)) return undefined;
    const frame = this.#ring.frame(settled);
    assert(frame.index === index, "a place in memory is one frame's");
    return frame;
  }

  /** What `get` finds, without its body. */
  entry(index: LogIndex): TailEntry | undefined {
    const fresh = this.#fresh.get(index);
    if (fresh !== undefined) return { ...fresh, bodyBytes: fresh.body.length };
    const behind = this.#behind.get(index);
    if (behind !== undefined) return this.#blocks.header(behind);
    const settled = this.#settled.get(index);
    return settled === undefined || !this.#ring.holds(settled) ? undefined : this.#ring.header(settled);
  }

  /** Frames from `from` through `through` while they fit into `bytesMax`, at least one; undefined when the first is not here. */
  read(from: LogIndex, through: LogIndex, bytesMax: number): Frame[] | undefined {
    const first = this.get(from);
    if (first === undefined) return undefined;
    const found = [first];
    let bytes = frameBytes(first);
    for (let index = indexPlus(from, 1); index <= through; index = indexPlus(index, 1)) {
      bytes += this.#bytesOf(index) ?? Number.POSITIVE_INFINITY;
      const frame = bytes > bytesMax ? undefined : this.get(index);
      if (frame === undefined) break;
      found.push(frame);
    }
    return found;
  }

  /** Forgets frames from `from` on. */
  cut(from: LogIndex): void {
    const before = indexPlus(from, -1);
    if (this.#writtenIndex > before) this.#writtenIndex = before;
    if (this.#journaledIndex > before) this.#journaledIndex = before;
    if (this.#releasedIndex > before) this.#releasedIndex = before;
    this.#fresh.cut(from);
    for (const position of this.#behind.cut(from)) this.#blocks.giveUp(position);
    this.#settled.cut(from);
  }

  /** Forgets everything. */
  clear(): void {
    this.cut(logIndex(1));
  }

  /** Moves frames through `through` that are on disk to memory made for that. */
  settle(through: LogIndex): void {
    while (this.#fresh.size > 0 && this.#fresh.first <= through) {
      const frame = this.#fresh.get(this.#fresh.first) as Frame;
      if (frame.index <= this.#writtenIndex) this.#keep(frame);
      else if (frame.index > this.#journaledIndex) return;
      else {
        const position = this.#blocks.put(frame);
        if (position === undefined) return;
        this.#behind.push(frame.index, position);
      }
      this.#fresh.shift();
    }
  }

  /** Whether settled frames are left. */
  forgetOverwritten(): boolean {
    for (;;) {
      const position = this.#settled.get(this.#settled.first);
      if (position === undefined) return false;
      if (this.#ring.holds(position)) return true;
      this.#settled.shift();
    }
  }

  #keep(frame: Frame): void {
    const position = this.#ring.put(frame);
    if (position === undefined) this.#settled.clear();
    else this.#settled.push(frame.index, position);
    if (this.forgetOverwritten()) this.#budget.settled(this);
  }

  /** All after `before` through `index` came to disk. */
  #onDisk(before: LogIndex, index: LogIndex): void {
    if (this.#fresh.size === 0) return;
    let bytes = 0;
    for (let i = later(indexPlus(before, 1), this.#fresh.first); i <= index; i = indexPlus(i, 1)) bytes += this.#bytesOf(i) ?? 0;
    if (bytes > 0) this.#budget.onDisk({ window: this, through: index, bytes });
  }

  #bytesOf(index: LogIndex): number | undefined {
    const fresh = this.#fresh.get(index);
    if (fresh !== undefined) return frameBytes(fresh);
    const entry = this.entry(index);
    return entry && FRAME_HEADER_BYTES + entry.bodyBytes;
  }

  #dropReleased(): void {
    while (this.#settled.size > 0 && this.#settled.first <= this.#releasedIndex) this.#settled.shift();
    const droppable = this.#releasedIndex < this.#writtenIndex ? this.#releasedIndex : this.#writtenIndex;
    if (this.#settled.size > 0) return;
    while (this.#behind.size > 0 && this.#behind.first <= droppable) this.#blocks.giveUp(this.#behind.shift() as number);
    if (this.#behind.size > 0) return;
    while (this.#fresh.size > 0 && this.#fresh.first <= droppable) this.#fresh.shift();
  }
}

const later = (a: LogIndex, b: LogIndex): LogIndex => (a > b ? a : b);
