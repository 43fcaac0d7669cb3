/**
 * The log port: one replica's entries, in order, on something that lasts. `segmented-log.ts` keeps them in
 * files, `memory-log.ts` in memory; both pass the contract suite in `test/storage/log-contract.ts`.
 */

import type { QuireError } from "../base/errors.js";
import type { Frame } from "../base/frame.js";
import type { LogIndex, Offset, Term } from "../base/ids.js";
import type { Doubt, LogPosition, TermRun } from "../consensus/types.js";

export type { Frame } from "../base/frame.js";

export interface Log {
  /** Position just before the first entry kept; (0, 0) when nothing was dropped. */
  readonly logStart: LogPosition;
  /** Last entry appended, synced or not; equals `logStart.index` when empty. */
  readonly lastIndex: LogIndex;
  /** Last entry on disk. */
  readonly syncedIndex: LogIndex;
  /** Offset of the first record kept (the next offset at `logStart`). */
  readonly startOffset: Offset;
  /** Offset just past the last appended record. */
  readonly endOffset: Offset;
  /** Bytes of all segments. */
  readonly bytes: number;
  readonly termRuns: readonly TermRun[];
  /** Group commits (write + fdatasync) since opening. */
  readonly syncs: number;
  /** What recovery could not vouch for; undefined for a whole log. */
  readonly doubt: Doubt | undefined;

  /**
   * Appends frames that follow `lastIndex` without a gap, terms and offsets never going back. Returns at once; the
   * frames are readable at once; `onSynced` is called after the group commit that holds them, with what it holds.
   * One write and one sync are under way at a time; whatever arrives meanwhile is the next group. Frames are in memory until
   * they are written, so what may be under way must be bounded by the caller.
   *
   * @throws QuireError REPLICA_FAILED after `onFailed`, SHUTTING_DOWN after `close`
   */
  append(frames: readonly Frame[]): void;

  /**
   * Removes entries from `from` on, durably before any later append is. At once, so it may read from disk while everybody waits: when
   * what it cuts is no longer in memory, which takes a conflict that was written before the last restart.
   *
   * @throws InvariantError below logStart; QuireError LOG_CORRUPT when the place to cut at cannot be read
   */
  truncate(from: LogIndex): void;

  /**
   * Frames from `from` while they fit into `bytesMax` (always at least one), not beyond `through`, if all of the first
   * are in memory; undefined when a disk read is needed. Empty beyond the last entry.
   *
   * @throws QuireError OFFSET_OUT_OF_RANGE when `from` was dropped
   */
  readCached(from: LogIndex, through: LogIndex, bytesMax: number): Frame[] | undefined;

  /**
   * The same from disk if need be. Checks both checksums. Bodies may be slices of one buffer: copy what outlives the rest.
   *
   * @throws QuireError LOG_CORRUPT, OFFSET_OUT_OF_RANGE, SHUTTING_DOWN
   */
  read(from: LogIndex, through: LogIndex, bytesMax: number, detail?: ReadDetail): Promise<Frame[]>;

  /** Nobody is expected to read frames through this index soon: once they are written, memory need not hold them. Those after it stay. */
  release(through: LogIndex): void;

  /** Index of the frame that holds `offset`, which is below `endOffset`. @throws QuireError OFFSET_OUT_OF_RANGE when it was dropped, perhaps meanwhile; LOG_CORRUPT */
  indexOfOffset(offset: Offset): Promise<LogIndex>;

  /** First record batch whose max timestamp is at or after `timestampMs`, or undefined: its index and base offset. */
  findTimestamp(timestampMs: number): Promise<{ index: LogIndex; baseOffset: Offset } | undefined>;

  /** The term of an entry kept, or of `logStart`; undefined outside. */
  termAt(index: LogIndex): Term | undefined;

  /**
   * Ends of whole segments, oldest first, the one being written left out: where the log could be cut, and why. A segment ends
   * when the entry after it is appended, before that one can be committed. The same array until something changes.
   */
  segments(): readonly SegmentInfo[];

  /** Drops whole segments whose last index is at or below `through`; returns the new start. The newest segment stays. */
  dropThrough(through: LogIndex): Promise<LogPosition>;

  /** Forgets everything and begins after `start`, synced before it resolves; for an installed snapshot. */
  reset(start: LogPosition, startOffset: Offset): Promise<void>;

  /** Ends the doubt: what is here now is the log. Synced before it resolves. */
  clearDoubt(): Promise<void>;

  /** New settings, from the next append on. */
  configure(settings: LogSettings): void;

  /** Syncs what is under way, writes down where that ends, closes files. Twice does no harm. */
  close(): Promise<void>;
}

/** `outline`: bodies of record batches may be left out (`omittedBytes`); they are neither read nor checked, nor do they count towards what is asked for. */
export type ReadDetail = "whole" | "outline";

export interface SegmentInfo {
  readonly last: LogPosition;
  /** Offset just past the segment's last record. */
  readonly endOffset: Offset;
  readonly bytes: number;
  readonly maxTimestampMs: number;
}

export interface LogCallbacks {
  /** A group commit is on disk. Not called for entries truncated meanwhile. */
  onSynced(last: LogPosition): void;
  /** A write or sync failed; the log accepts nothing more and is never synced again (rule 11). */
  onFailed(error: Error): void;
  /** A read found bytes that are not what was written (LOG_CORRUPT); it fails with the same error. */
  onDamaged?(error: QuireError): void;
}

export interface LogSettings {
  readonly segmentBytes: number;
  /**
   * A new segment begins with the next append when the first entry of the current one was appended longer ago; 0 for never. What producers
   * say of the time does not count: old records would make a segment each.
   */
  readonly segmentAgeMs: number;
  /**
   * `batch`: fsync before acknowledgement. `interval`: `onSynced` is told after the write, the sync follows within `flushIntervalMs`. A
   * process that dies loses nothing; a machine that loses power loses at most what was written since the last sync, and the
   * log then opens with a doubt of kind `torn`, so that its replica does not vote as if it had all.
   */
  readonly flush: "batch" | "interval";
  readonly flushIntervalMs: number;
}
