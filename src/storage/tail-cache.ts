import type { Frame } from "../base/frame.js";
import { FRAME_HEADER_BYTES, type FrameHeader, frameBytes } from "../base/frame-codec.js";
import { indexPlus, type LogIndex, logIndex } from "../base/ids.js";
import { IndexRun } from "./index-run.js";
import { TailRing } from "./tail-ring.js";

/** Of the budget, what recently written frames may take before they settle. */
const RECENT_SHARE = 1 / 4;
/** Writes whose frames may be recent, so that small ones settle as soon as large ones. */
const RECENT_WRITES_MAX = 256;

/** A frame without its body. */
export type TailEntry = Pick<FrameHeader, "index" | "kind" | "baseOffset" | "batch" | "bodyBytes">;

/** Frames that were written together. */
interface RecentWrite {
  readonly window: TailWindow;
  readonly through: LogIndex;
  readonly bytes: number;
}

/**
 * The ends of all of a broker's logs in memory, within one budget; the oldest frames go first, whichever log's they are.
 *
 * A frame stays as it came, in the memory of the message that brought it, until it is written and for a moment more, in which followers and
 * readers nearly always take it. Then it settles: its bytes move to a block that is made once. V8 finds cheaply what dies young and
 * looks through its whole heap for the rest, so tens of megabytes a second that die after half a second cost more than their copies do.
 *
 * Frames that are not written yet stay whatever the budget: the log's own writer takes them from here. How many bytes those are is bounded by what
 * producers and leaders may have under way.
 */
export class TailCache {
  readonly bytesMax: number;
  readonly #ring: TailRing;
  readonly #recentBytesMax: number;
  #recent: RecentWrite[] = [];
  #recentBytes = 0;
  /** Logs with settled frames, or that had some in this lap. */
  readonly #settled = new Set<TailWindow>();
  #lap = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
    this.#recentBytesMax = Math.floor(bytesMax * RECENT_SHARE);
    this.#ring = new TailRing(bytesMax - this.#recentBytesMax);
  }

  window(): TailWindow {
    return new TailWindow(this.#ring, {
      written: (write) => this.#written(write),
      settled: (window) => this.#settled.add(window),
    });
  }

  #written(write: RecentWrite): void {
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
  written(write: RecentWrite): void;
  settled(window: TailWindow): void;
}

/** The end of one log in memory: frames without a gap up to the last one appended. The older ones are settled, the newer ones are not. */
export class TailWindow {
  readonly #ring: TailRing;
  readonly #budget: TailBudget;
  /** Positions in the ring. Old ones may be overwritten; then so are all before. */
  readonly #settled = new IndexRun<number>();
  readonly #fresh = new IndexRun<Frame>();
  #writtenIndex = logIndex(0);
  #releasedIndex = logIndex(0);

  constructor(ring: TailRing, budget: TailBudget) {
    this.#ring = ring;
    this.#budget = budget;
  }

  /** Frames that are here. */
  get size(): number {
    this.forgetOverwritten();
    return this.#settled.size + this.#fresh.size;
  }

  /** Places in the ring that it keeps, of overwritten frames too. */
  get places(): number {
    return this.#settled.size;
  }

  /** The oldest frame here. */
  get oldest(): TailEntry | undefined {
    this.forgetOverwritten();
    return this.#settled.size > 0 ? this.entry(this.#settled.first) : this.entry(this.#fresh.first);
  }

  /** Frames through this index are in files and may be dropped. */
  set writtenIndex(index: LogIndex) {
    const before = this.#writtenIndex;
    this.#writtenIndex = index;
    this.#dropReleased();
    if (this.#fresh.size === 0) return;
    let bytes = 0;
    for (let i = later(indexPlus(before, 1), this.#fresh.first); i <= index; i = indexPlus(i, 1)) bytes += this.#bytesOf(i) ?? 0;
    if (bytes > 0) this.#budget.written({ window: this, through: index, bytes });
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
    const position = this.#settled.get(index);
    return position === undefined || !this.#ring.holds(position) ? undefined : this.#ring.frame(position);
  }

  /** What `get` finds, without its body. */
  entry(index: LogIndex): TailEntry | undefined {
    const fresh = this.#fresh.get(index);
    if (fresh !== undefined) return { ...fresh, bodyBytes: fresh.body.length };
    const position = this.#settled.get(index);
    return position === undefined || !this.#ring.holds(position) ? undefined : this.#ring.header(position);
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
    if (this.#releasedIndex > before) this.#releasedIndex = before;
    this.#fresh.cut(from);
    this.#settled.cut(from);
  }

  /** Forgets everything. */
  clear(): void {
    this.cut(logIndex(1));
  }

  /** Moves written frames through `through` to the ring. */
  settle(through: LogIndex): void {
    while (this.#fresh.size > 0 && this.#fresh.first <= through && this.#fresh.first <= this.#writtenIndex) {
      const frame = this.#fresh.shift() as Frame;
      const position = this.#ring.put(frame);
      if (position === undefined) this.#settled.clear();
      else this.#settled.push(frame.index, position);
    }
    if (this.forgetOverwritten()) this.#budget.settled(this);
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

  #bytesOf(index: LogIndex): number | undefined {
    const fresh = this.#fresh.get(index);
    if (fresh !== undefined) return frameBytes(fresh);
    const entry = this.entry(index);
    return entry && FRAME_HEADER_BYTES + entry.bodyBytes;
  }

  #dropReleased(): void {
    while (this.#settled.size > 0 && this.#settled.first <= this.#releasedIndex) this.#settled.shift();
    if (this.#settled.size > 0) return;
    while (this.#fresh.size > 0 && this.#fresh.first <= this.#releasedIndex && this.#fresh.first <= this.#writtenIndex) this.#fresh.shift();
  }
}

const later = (a: LogIndex, b: LogIndex): LogIndex => (a > b ? a : b);
