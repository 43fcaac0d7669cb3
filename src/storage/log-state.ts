import { assert } from "../base/assert.js";
import { FRAME_HEADER_BYTES } from "../base/frame-codec.js";
import { indexPlus, type LogIndex, logIndex, type Offset, offset, offsetPlus, type Term } from "../base/ids.js";
import { KIB } from "../base/limits.js";
import type { RecordBatchHeader } from "../base/record-batch.js";
import type { LogPosition, TermRun } from "../consensus/types.js";
import type { LogSettings, SegmentInfo } from "./log.js";
import { beginSegment, SEGMENT_HEADER_BYTES, type Segment, type SegmentExtent, type SegmentStart, segmentOfExtent } from "./segment.js";

/** What bookkeeping needs of a frame: a frame with its body's length instead of the body. */
export interface EntryExtent {
  readonly index: LogIndex;
  readonly term: Term;
  readonly baseOffset: Offset;
  readonly batch: Pick<RecordBatchHeader, "recordCount" | "maxTimestampMs">;
  readonly bodyBytes: number;
}

/** Where an entry begins: the position in its segment, and its base offset. */
export interface EntryPlace {
  readonly position: number;
  readonly offset: Offset;
}

export interface LogStateImage {
  readonly logStart: LogPosition;
  readonly startOffset: Offset;
  readonly segments: readonly SegmentExtent[];
  readonly termRuns: readonly TermRun[];
}

/** An index entry at most every so many bytes, and at most this many of them in a segment of the usual size. */
const INDEX_EVERY_BYTES_MIN = 16 * KIB;
const INDEX_ENTRIES = 1_024;

/**
 * What a log holds, as numbers: segments, term runs, first and last entry. No bytes and no IO: the layout of the files
 * follows from the appends alone, so it is known before anything is written, and a boundary between segments is
 * known as soon as the entry after it was appended.
 */
export class LogState {
  #logStart: LogPosition;
  #startOffset: Offset;
  #segments: Segment[];
  #termRuns: TermRun[];
  /** Made anew when segments change: it is asked for with every entry applied. */
  #infos: readonly SegmentInfo[] | undefined;

  constructor(image: LogStateImage) {
    this.#logStart = image.logStart;
    this.#startOffset = image.startOffset;
    this.#segments = image.segments.map((extent) => segmentOfExtent(extent, undefined));
    this.#termRuns = [...image.termRuns];
  }

  get logStart(): LogPosition {
    return this.#logStart;
  }

  get startOffset(): Offset {
    return this.#startOffset;
  }

  get lastIndex(): LogIndex {
    return this.head?.last ?? this.#logStart.index;
  }

  get lastTerm(): Term {
    return this.head?.lastTerm ?? this.#logStart.term;
  }

  get endOffset(): Offset {
    return this.head?.endOffset ?? this.#startOffset;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get termRuns(): readonly TermRun[] {
    return this.#termRuns;
  }

  /** The segment that is appended to. */
  get head(): Segment | undefined {
    return this.#segments.at(-1);
  }

  infos(): readonly SegmentInfo[] {
    this.#infos ??= this.#segments.slice(0, -1).map((segment) => ({
      last: { index: segment.last, term: segment.lastTerm },
      endOffset: segment.endOffset,
      bytes: segment.bytes,
      maxTimestampMs: segment.maxTimestampMs,
    }));
    return this.#infos;
  }

  /** Accounts for the next entry; begins a new segment when this one is full or old. */
  append(entry: EntryExtent, settings: LogSettings, nowMs: number): void {
    const { head } = this;
    const bytes = FRAME_HEADER_BYTES + entry.bodyBytes;
    const isFull = head !== undefined && head.last >= head.first && head.bytes + bytes > settings.segmentBytes;
    const isOld = head !== undefined && settings.segmentAgeMs > 0 && nowMs - head.createdMs >= settings.segmentAgeMs;
    if (head === undefined || isFull || isOld) this.begin(nowMs);
    this.extend(entry, Math.max(INDEX_EVERY_BYTES_MIN, Math.floor(settings.segmentBytes / INDEX_ENTRIES)));
  }

  /** Begins a segment after the last entry. */
  begin(createdMs: number): Segment {
    return this.beginFrom({ first: indexPlus(this.lastIndex, 1), previousTerm: this.lastTerm, baseOffset: this.endOffset, createdMs });
  }

  /** Begins the segment of this header. */
  beginFrom(start: SegmentStart): Segment {
    assert(start.first === this.lastIndex + 1 && start.baseOffset === this.endOffset, "a segment begins where the one before it ends");
    const segment = beginSegment(start);
    this.#segments.push(segment);
    this.#infos = undefined;
    return segment;
  }

  /** Takes back a segment that holds nothing. */
  dropEmptyHead(): void {
    const { head } = this;
    if (head === undefined || head.last >= head.first) return;
    this.#segments = this.#segments.slice(0, -1);
    this.#infos = undefined;
  }

  /** Accounts for the next entry in the segment that there is. */
  extend(entry: EntryExtent, indexEveryBytes: number): void {
    const { head } = this;
    assert(head !== undefined, "an entry belongs to a segment");
    assert(entry.index === this.lastIndex + 1, () => `entry ${entry.index} does not follow entry ${this.lastIndex}`);
    assert(entry.term >= this.lastTerm, () => `entry ${entry.index} has term ${entry.term}, before term ${this.lastTerm} of the one before it`);
    assert(entry.baseOffset === this.endOffset, () => `entry ${entry.index} begins at offset ${entry.baseOffset}, the log ends at ${this.endOffset}`);
    if (entry.term !== this.lastTerm || this.#termRuns.length === 0) this.#termRuns.push({ term: entry.term, first: entry.index });
    const place = { index: entry.index, offset: entry.baseOffset, position: head.bytes };
    head.index?.offer(place, head.maxTimestampMs, indexEveryBytes);
    head.bytes += FRAME_HEADER_BYTES + entry.bodyBytes;
    head.last = entry.index;
    head.lastTerm = entry.term;
    head.endOffset = offsetPlus(entry.baseOffset, entry.batch.recordCount);
    if (entry.batch.recordCount > 0) head.maxTimestampMs = Math.max(head.maxTimestampMs, entry.batch.maxTimestampMs);
  }

  /** The segment of an entry kept. */
  segmentOf(index: LogIndex): Segment | undefined {
    if (index <= this.#logStart.index || index > this.lastIndex) return undefined;
    return this.#segments[lastWhere(this.#segments, (segment) => segment.first <= index)];
  }

  /** The segment of a record kept. */
  segmentOfOffset(at: Offset): Segment | undefined {
    return this.#segments[lastWhere(this.#segments, (segment) => segment.baseOffset <= at)];
  }

  termAt(index: LogIndex): Term | undefined {
    if (index === this.#logStart.index) return this.#logStart.term;
    if (index < this.#logStart.index || index > this.lastIndex) return undefined;
    return this.#termRuns[lastWhere(this.#termRuns, (run) => run.first <= index)]?.term;
  }

  /** Removes entries from `from` on, which begins at `place`; returns the segments that are gone. */
  cut(from: LogIndex, place: EntryPlace): Segment[] {
    assert(
      from > this.#logStart.index && from <= this.lastIndex,
      () => `cannot cut at ${from}: the log holds ${this.#logStart.index + 1} to ${this.lastIndex}`,
    );
    const kept = this.#segments.filter((segment) => segment.first < from);
    const removed = this.#segments.slice(kept.length);
    const lastTerm = this.termAt(logIndex(from - 1)) ?? this.#logStart.term;
    this.#segments = kept;
    const head = kept.at(-1);
    if (head !== undefined && head.last >= from) {
      head.bytes = place.position;
      head.last = logIndex(from - 1);
      head.lastTerm = lastTerm;
      head.endOffset = place.offset;
      head.index?.cut(place.position);
    }
    this.#termRuns = this.#termRuns.filter((run) => run.first < from);
    this.#infos = undefined;
    return removed;
  }

  /** Drops whole segments that end at or below `through`, never the last one; returns them. */
  drop(through: LogIndex): Segment[] {
    const count = this.#segments.slice(0, -1).filter((segment) => segment.last <= through).length;
    const dropped = this.#segments.slice(0, count);
    const last = dropped.at(-1);
    if (last === undefined) return [];
    this.#segments = this.#segments.slice(count);
    this.#logStart = { index: last.last, term: last.lastTerm };
    this.#startOffset = last.endOffset;
    this.#termRuns = clipRuns(this.#termRuns, last.last, this.lastIndex);
    this.#infos = undefined;
    return dropped;
  }

  /** Forgets everything and begins after `start`; returns the segments that are gone. */
  reset(start: LogPosition, startOffset: Offset): Segment[] {
    const removed = this.#segments;
    this.#segments = [];
    this.#termRuns = [];
    this.#logStart = start;
    this.#startOffset = startOffset;
    this.#infos = undefined;
    return removed;
  }

  /** All of it through an entry that ends at `place`: what a checkpoint vouches for. */
  imageThrough(index: LogIndex, place: EntryPlace): LogStateImage {
    const segments = this.#segments
      .filter((segment) => segment.first <= index)
      .map(({ index: _, ...extent }): SegmentExtent => {
        if (extent.last <= index) return extent;
        return { ...extent, last: index, lastTerm: this.termAt(index) ?? extent.previousTerm, endOffset: offset(place.offset), bytes: place.position };
      });
    return { logStart: this.#logStart, startOffset: this.#startOffset, segments, termRuns: clipRuns(this.#termRuns, this.#logStart.index, index) };
  }

  /** Where the log ends now. */
  get end(): EntryPlace {
    return { position: this.head?.bytes ?? SEGMENT_HEADER_BYTES, offset: this.endOffset };
  }
}

/** The runs of the entries after `start` through `last`. */
function clipRuns(runs: readonly TermRun[], start: LogIndex, last: LogIndex): TermRun[] {
  const clipped: TermRun[] = [];
  for (const [i, run] of runs.entries()) {
    const end = runs[i + 1]?.first ?? Number.POSITIVE_INFINITY;
    if (run.first <= last && end > start + 1) clipped.push({ term: run.term, first: logIndex(Math.max(run.first, start + 1)) });
  }
  return last <= start ? [] : clipped;
}

/** Position of the last item for which `holds`, which holds for a prefix of them; -1 for none. */
function lastWhere<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && holds(item)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
