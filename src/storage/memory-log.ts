import { assert } from "../base/assert.js";
import { EntryKind } from "../base/entry-kind.js";
import { QuireError } from "../base/errors.js";
import { endOffsetOf, type Frame } from "../base/frame.js";
import { frameBytes } from "../base/frame-codec.js";
import { type LogIndex, logIndex, type Offset, offset, type Term, term } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { Doubt, LogPosition, TermRun } from "../consensus/types.js";
import type { Log, LogCallbacks, LogSettings, SegmentInfo } from "./log.js";
import { LogState } from "./log-state.js";
import { SEGMENT_HEADER_BYTES } from "./segment.js";

interface MemoryLogOptions {
  readonly clock: Clock;
  readonly settings: LogSettings;
  readonly callbacks: LogCallbacks;
}

/** The log port in memory, for tests and embedding: nothing lasts, everything else is as promised. */
export class MemoryLog implements Log {
  readonly #options: MemoryLogOptions;
  readonly #state = new LogState({ logStart: { index: logIndex(0), term: term(0) }, startOffset: offset(0), segments: [], termRuns: [] });
  #settings: LogSettings;
  #frames: Frame[] = [];
  #syncedIndex: LogIndex = logIndex(0);
  #isSyncing = false;
  #isClosed = false;
  readonly doubt: Doubt | undefined = undefined;
  syncs = 0;

  constructor(options: MemoryLogOptions) {
    this.#options = options;
    this.#settings = options.settings;
  }

  get logStart(): LogPosition {
    return this.#state.logStart;
  }

  get lastIndex(): LogIndex {
    return this.#state.lastIndex;
  }

  get syncedIndex(): LogIndex {
    return this.#syncedIndex;
  }

  get startOffset(): Offset {
    return this.#state.startOffset;
  }

  get endOffset(): Offset {
    return this.#state.endOffset;
  }

  get bytes(): number {
    return this.#state.bytes;
  }

  get termRuns(): readonly TermRun[] {
    return this.#state.termRuns;
  }

  append(frames: readonly Frame[]): void {
    this.#assertUsable();
    for (const frame of frames) {
      const { index, term: termOf, baseOffset, batch } = frame;
      this.#state.append({ index, term: termOf, baseOffset, batch, bodyBytes: frame.body.length }, this.#settings, this.#options.clock.wallMs());
      this.#frames.push(frame);
    }
    this.#syncSoon();
  }

  truncate(from: LogIndex): void {
    this.#assertUsable();
    assert(from > this.logStart.index, () => `cannot truncate from ${from}: the log begins after ${this.logStart.index}`);
    const frame = this.#frames[this.#slotOf(from)];
    if (frame === undefined) return;
    const segment = this.#state.segmentOf(from);
    assert(segment !== undefined, "every entry is in a segment");
    const before = this.#frames.slice(this.#slotOf(segment.first), this.#slotOf(from));
    const position = before.reduce((sum, kept) => sum + frameBytes(kept), SEGMENT_HEADER_BYTES);
    this.#state.cut(from, { position, offset: frame.baseOffset });
    this.#frames.length = this.#slotOf(from);
    this.#syncedIndex = logIndex(Math.min(this.#syncedIndex, from - 1));
  }

  readCached(from: LogIndex, through: LogIndex, bytesMax: number): Frame[] {
    if (from <= this.logStart.index) throw new QuireError("OFFSET_OUT_OF_RANGE", `log index ${from} was dropped; the log begins after ${this.logStart.index}`);
    const found: Frame[] = [];
    let bytesLeft = bytesMax;
    for (const frame of this.#frames.slice(this.#slotOf(from), Math.max(0, this.#slotOf(through) + 1))) {
      bytesLeft -= frameBytes(frame);
      if (bytesLeft < 0 && found.length > 0) break;
      found.push(frame);
    }
    return found;
  }

  async read(from: LogIndex, through: LogIndex, bytesMax: number): Promise<Frame[]> {
    return this.readCached(from, through, bytesMax);
  }

  /** All of it is in memory. */
  release(): void {}

  async indexOfOffset(at: Offset): Promise<LogIndex> {
    assert(at < this.endOffset, () => `offset ${at} is not there; the log ends at ${this.endOffset}`);
    if (at < this.startOffset) throw new QuireError("OFFSET_OUT_OF_RANGE", `offset ${at} was dropped; the log begins at ${this.startOffset}`);
    const frame = this.#frames.find((candidate) => candidate.batch.recordCount > 0 && endOffsetOf(candidate) > at);
    assert(frame !== undefined, "a frame holds every offset of the log");
    return frame.index;
  }

  async findTimestamp(timestampMs: number): Promise<{ index: LogIndex; baseOffset: Offset } | undefined> {
    const frame = this.#frames.find(({ kind, batch }) => kind === EntryKind.records && batch.maxTimestampMs >= timestampMs);
    return frame && { index: frame.index, baseOffset: frame.baseOffset };
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#state.termAt(index);
  }

  segments(): readonly SegmentInfo[] {
    return this.#state.infos();
  }

  async dropThrough(through: LogIndex): Promise<LogPosition> {
    this.#assertUsable();
    const before = this.logStart.index;
    this.#state.drop(logIndex(Math.min(through, this.#syncedIndex)));
    this.#frames = this.#frames.slice(this.logStart.index - before);
    return this.logStart;
  }

  async reset(start: LogPosition, startOffset: Offset): Promise<void> {
    this.#assertUsable();
    this.#state.reset(start, startOffset);
    this.#frames = [];
    this.#syncedIndex = start.index;
  }

  async clearDoubt(): Promise<void> {}

  configure(settings: LogSettings): void {
    this.#settings = settings;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #slotOf(index: LogIndex): number {
    return index - this.logStart.index - 1;
  }

  #syncSoon(): void {
    if (this.#isSyncing || this.#syncedIndex === this.lastIndex) return;
    this.#isSyncing = true;
    const group = this.lastIndex;
    this.#options.clock.soon(() => {
      this.#isSyncing = false;
      if (this.#isClosed) return;
      this.syncs += 1;
      const last = logIndex(Math.min(group, this.lastIndex));
      const termOf = this.termAt(last);
      if (last > this.#syncedIndex && termOf !== undefined) {
        this.#syncedIndex = last;
        this.#options.callbacks.onSynced({ index: last, term: termOf });
      }
      this.#syncSoon();
    });
  }

  #assertUsable(): void {
    if (this.#isClosed) throw new QuireError("SHUTTING_DOWN", "the log is being closed");
  }
}
