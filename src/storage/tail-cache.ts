import { assert } from "../base/assert.js";
import type { Frame } from "../base/frame.js";
import { frameBytes } from "../base/frame-codec.js";
import { type LogIndex, logIndex } from "../base/ids.js";

/** What a frame costs beyond its bytes: objects, slots, the slice. */
const OVERHEAD_BYTES = 300;
/** Frames not yet written that are passed over at a time, so that a write is never held up by a long search. */
const KEPT_MAX = 32;
/** Tokens of frames that are gone are looked for when there are so many, and they are half of all. */
const ORPHANS_MIN = 1_024;

/**
 * The ends of all of a broker's logs in memory, within one budget; the oldest frames go first, whichever log's they are.
 * Frames that are not written yet stay whatever the budget: the log's own writer takes them from here. How many
 * bytes those are is bounded by what producers and leaders may have under way.
 */
export class TailCache {
  readonly bytesMax: number;
  #bytes = 0;
  /** One token per frame in order of age; the log whose oldest frame it stands for. Some stand for frames that are gone (`TailWindow.orphans`). */
  #tokens: (TailWindow | undefined)[] = [];
  #oldest = 0;
  #orphans = 0;

  /** `bytesMax` is counted with what the frames' objects cost. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  window(): TailWindow {
    return new TailWindow({
      added: (window, bytes) => this.#added(window, bytes),
      removed: (bytes) => {
        this.#bytes -= bytes;
      },
      written: () => this.#trim(),
      orphaned: () => {
        this.#orphans += 1;
        if (this.#orphans > ORPHANS_MIN && this.#orphans > (this.#tokens.length - this.#oldest) / 2) this.#sweep();
      },
    });
  }

  #added(window: TailWindow, bytes: number): void {
    this.#bytes += bytes;
    this.#tokens.push(window);
    this.#trim();
    if (this.#oldest > 1_024 && this.#oldest > this.#tokens.length / 2) {
      this.#tokens = this.#tokens.slice(this.#oldest);
      this.#oldest = 0;
    }
  }

  #wasOrphan(window: TailWindow): boolean {
    if (window.orphans === 0) return false;
    window.orphans -= 1;
    this.#orphans -= 1;
    return true;
  }

  #sweep(): void {
    this.#tokens = this.#tokens.slice(this.#oldest).filter((window) => window !== undefined && !this.#wasOrphan(window));
    this.#oldest = 0;
  }

  #trim(): void {
    for (let kept = 0; this.#bytes > this.bytesMax && kept < KEPT_MAX && this.#oldest < this.#tokens.length; ) {
      const oldest = this.#tokens[this.#oldest];
      this.#tokens[this.#oldest++] = undefined;
      if (oldest === undefined || this.#wasOrphan(oldest) || oldest.dropOldest()) continue;
      this.#tokens.push(oldest);
      kept += 1;
    }
  }
}

interface TailBudget {
  added(window: TailWindow, bytes: number): void;
  removed(bytes: number): void;
  written(): void;
  orphaned(): void;
}

/** The end of one log in memory: frames without a gap up to the last one appended. */
export class TailWindow {
  readonly #budget: TailBudget;
  #frames: (Frame | undefined)[] = [];
  /** Frames before this slot are gone. */
  #oldest = 0;
  #writtenIndex = 0;
  #releasedIndex = 0;
  /** Frames that went out of turn: so many of its tokens, the oldest, stand for none. */
  orphans = 0;

  constructor(budget: TailBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#frames.length - this.#oldest;
  }

  /** The oldest frame here. */
  get oldest(): Frame | undefined {
    return this.#frames[this.#oldest];
  }

  /** Frames through this index are in files and may be dropped. */
  set writtenIndex(index: LogIndex) {
    this.#writtenIndex = index;
    this.#dropReleased();
    this.#budget.written();
  }

  /** Nobody is expected to read frames through this index: they go as soon as they are written. */
  release(through: LogIndex): void {
    this.#releasedIndex = Math.max(this.#releasedIndex, through);
    this.#dropReleased();
  }

  push(frame: Frame): void {
    const last = this.#frames.at(-1);
    assert(last === undefined || frame.index === last.index + 1, "the frames in memory have no gap");
    this.#frames.push(frame);
    this.#budget.added(this, costOf(frame));
  }

  get(index: LogIndex): Frame | undefined {
    const { oldest } = this;
    return oldest === undefined || index < oldest.index ? undefined : this.#frames[this.#oldest + index - oldest.index];
  }

  /** Frames from `from` through `through` while they fit into `bytesMax`, at least one; undefined when the first is not here. */
  read(from: LogIndex, through: LogIndex, bytesMax: number): Frame[] | undefined {
    const first = this.get(from);
    if (first === undefined) return undefined;
    const found = [first];
    let bytes = frameBytes(first);
    for (let index = from + 1; index <= through; index++) {
      const frame = this.get(logIndex(index));
      if (frame === undefined || bytes + frameBytes(frame) > bytesMax) break;
      bytes += frameBytes(frame);
      found.push(frame);
    }
    return found;
  }

  /** Forgets frames from `from` on. */
  cut(from: LogIndex): void {
    this.#writtenIndex = Math.min(this.#writtenIndex, from - 1);
    this.#releasedIndex = Math.min(this.#releasedIndex, from - 1);
    for (let last = this.#frames.at(-1); last !== undefined && last.index >= from; last = this.#frames.at(-1)) {
      this.#frames.pop();
      this.#budget.removed(costOf(last));
      this.#orphan();
    }
    if (this.size === 0) this.#clear();
  }

  /** Forgets the oldest frame if it is written; says whether it did. */
  dropOldest(): boolean {
    const { oldest } = this;
    if (oldest === undefined || oldest.index > this.#writtenIndex) return false;
    this.#frames[this.#oldest++] = undefined;
    this.#budget.removed(costOf(oldest));
    if (this.size === 0) this.#clear();
    else if (this.#oldest > 64 && this.#oldest > this.#frames.length / 2) {
      this.#frames = this.#frames.slice(this.#oldest);
      this.#oldest = 0;
    }
    return true;
  }

  /** Forgets everything. */
  clear(): void {
    this.cut(logIndex(0));
  }

  #dropReleased(): void {
    for (let { oldest } = this; oldest !== undefined && oldest.index <= this.#releasedIndex && this.dropOldest(); oldest = this.oldest) this.#orphan();
  }

  #orphan(): void {
    this.orphans += 1;
    this.#budget.orphaned();
  }

  #clear(): void {
    this.#frames = [];
    this.#oldest = 0;
  }
}

const costOf = (frame: Frame): number => frameBytes(frame) + OVERHEAD_BYTES;
