import { assert } from "../base/assert.js";
import { EntryKind } from "../base/entry-kind.js";
import { QuireError } from "../base/errors.js";
import type { Frame } from "../base/frame.js";
import { type LogIndex, logIndex, type Offset, type Term } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { Doubt, LogPosition, TermRun } from "../consensus/types.js";
import { CHECKPOINT_FORMAT, type Checkpoint, CheckpointFile, encodeCheckpoint, FAILED_NAME } from "./checkpoint.js";
import { type Files, writeFile } from "./files.js";
import { GroupCommit } from "./group-commit.js";
import type { Journal } from "./journal/journal.js";
import { JournalLane } from "./journal/journal-lane.js";
import { type Replay, replayOf } from "./journal/replay.js";
import type { Log, LogCallbacks, LogSettings, ReadDetail, SegmentInfo } from "./log.js";
import { LogReader } from "./log-reader.js";
import type { LogState } from "./log-state.js";
import { type OpenedLog, openLog } from "./open-log.js";
import type { OpenSegments } from "./open-segments.js";
import { removeSegment } from "./pending-cut.js";
import { mergeDoubts } from "./recovery.js";
import type { ReplicaRecord } from "./replica-store.js";
import type { TailCache, TailWindow } from "./tail-cache.js";
import { firstOf, holderOf } from "./tail-search.js";

export interface SegmentedLogOptions {
  /** `PatientFiles`, so that an error that passes is not taken for damage, and one that stays is. */
  readonly files: Files;
  /** Of this log alone; made if need be. */
  readonly folder: string;
  readonly clock: Clock;
  readonly settings: LogSettings;
  readonly callbacks: LogCallbacks;
  /** Shared by all logs of a broker. */
  readonly tailCache: TailCache;
  /** Shared by all logs of a broker. */
  readonly openSegments: OpenSegments;
  /** Whether no log in the folder means an empty one (the replica was just created) or one that was lost. */
  readonly isNew: boolean;
  /** Names the time since the machine was started; empty when unknown. Only matters to flush mode `interval`. */
  readonly bootId: string;
  /** Where small appends go first, and under which name; of all logs of a broker. */
  readonly journal?: { readonly journal: Journal; readonly record: ReplicaRecord };
}

/**
 * Opens or creates a log in files.
 *
 * @throws QuireError DATA_FOLDER_MISMATCH when a newer release wrote it; LOG_CORRUPT, which `onDamaged` is told too, when its files
 * cannot be read at all; REPLICA_FAILED when it failed in this process and has entries in the journal
 */
export async function openSegmentedLog(options: SegmentedLogOptions): Promise<SegmentedLog> {
  const { journal: journaled, callbacks } = options;
  const tail = journaled?.journal.tailOf(journaled.record);
  const opened = await openLog({ ...options, journalGroup: journaled?.journal.group ?? 0 }).catch((error: unknown) => {
    if (isDamage(error)) callbacks.onDamaged?.(error);
    throw error;
  });
  if (journaled === undefined || tail === undefined) return new SegmentedLog(options, opened);
  const { journal, record } = journaled;
  const replay = opened.isBegun ? undefined : replayOf(opened.state, tail, opened.voidThrough);
  const log = new SegmentedLog(options, { ...opened, doubt: mergeDoubts(opened.doubt, replay?.doubt) });
  try {
    await log.settle(replay, journal.group);
  } catch (error) {
    await log.close();
    throw error;
  }
  journal.released(record);
  return log;
}

const dropped = (what: string, start: number): QuireError =>
  new QuireError("OFFSET_OUT_OF_RANGE", `${what} was dropped; the log begins at ${start}`, { details: { start } });

const isDamage = (error: unknown): error is QuireError => error instanceof QuireError && error.reason === "LOG_CORRUPT";

/** The log port over segment files; what it promises is said there. One object per replica, opened with `openSegmentedLog`. */
export class SegmentedLog implements Log {
  readonly #options: SegmentedLogOptions;
  readonly #state: LogState;
  readonly #window: TailWindow;
  readonly #commit: GroupCommit;
  readonly #reader: LogReader;
  readonly #checkpoint: CheckpointFile;
  #settings: LogSettings;
  #doubt: Doubt | undefined;
  /** The boot in which entries began to be acknowledged before they are synced. */
  #deferredIn: string | undefined;
  /** Raised whenever entries go, so that a read under way notices. */
  #epoch = 0;
  #failureMark: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  /** Whether a checkpoint would say something new. */
  #isChanged: boolean;
  /** Last entry that was reported. */
  #syncedIndex: LogIndex;

  constructor(options: SegmentedLogOptions, { state, durable, doubt, isCheckpointed, voidThrough }: OpenedLog) {
    const { files, folder, clock, openSegments, journal } = options;
    this.#options = options;
    this.#settings = options.settings;
    this.#state = state;
    this.#doubt = doubt;
    this.#isChanged = !isCheckpointed;
    this.#syncedIndex = durable.index;
    this.#window = options.tailCache.window();
    this.#checkpoint = new CheckpointFile(files, folder, () => this.#image());
    const window = this.#window;
    this.#commit = new GroupCommit({
      files,
      folder,
      state,
      window,
      openSegments,
      clock,
      settings: () => this.#settings,
      checkpoint: this.#checkpoint,
      durable,
      lane: journal && ((due) => new JournalLane({ ...journal, window, index: durable.index, voidThrough, due })),
      synced: (last) => this.#synced(last),
      failed: (error) => this.#failed(error),
      markDeferred: () => this.#markDeferred(),
    });
    this.#reader = new LogReader({ files, folder, state, window, openSegments, writtenIndex: () => this.#commit.writtenIndex });
  }

  /**
   * Takes from the journal what the segments lack, on disk when it resolves; a doubt that comes from there too. After a doubt, nothing that is in the
   * journal now may come back, when it can be read after all; nor may a number be void that the journal has yet to use.
   */
  async settle(replay: Replay | undefined, journalGroup: number): Promise<void> {
    if (replay === undefined) return;
    // The journal's bytes are not kept in memory for the sake of a few entries.
    if (replay.frames.length > 0) this.append(replay.frames.map((frame) => ({ ...frame, body: Buffer.from(frame.body) })));
    await this.#commit.idle();
    const { lane } = this.#commit;
    if (lane === undefined || (this.#doubt === undefined && lane.voidThrough <= journalGroup)) return;
    lane.void();
    await this.#unlessFailed(this.#checkpoint.write());
    lane.voided();
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

  get syncs(): number {
    return this.#commit.syncs;
  }

  get doubt(): Doubt | undefined {
    return this.#doubt;
  }

  append(frames: readonly Frame[]): void {
    this.#assertUsable();
    this.#isChanged = true;
    const nowMs = this.#options.clock.wallMs();
    for (const frame of frames) {
      const { index, term, baseOffset, batch } = frame;
      this.#state.append({ index, term, baseOffset, batch, bodyBytes: frame.body.length }, this.#settings, nowMs);
      this.#window.push(frame);
    }
    this.#commit.wake();
  }

  truncate(from: LogIndex): void {
    this.#assertUsable();
    assert(from > this.logStart.index, () => `cannot truncate from ${from}: the log begins after ${this.logStart.index}`);
    if (from > this.lastIndex) return;
    this.#isChanged = true;
    const removed = this.#state.cut(from, this.#reader.placeOf(from));
    this.#window.cut(from);
    this.#epoch += 1;
    this.#syncedIndex = logIndex(Math.min(this.#syncedIndex, from - 1));
    this.#commit.cut(from, removed);
  }

  readCached(from: LogIndex, through: LogIndex, bytesMax: number): Frame[] | undefined {
    this.#assertKept(from);
    const last = logIndex(Math.min(through, this.lastIndex));
    return from > last ? [] : this.#window.read(from, last, bytesMax);
  }

  async read(from: LogIndex, through: LogIndex, bytesMax: number, detail: ReadDetail = "whole"): Promise<Frame[]> {
    const cached = this.readCached(from, through, bytesMax);
    if (cached !== undefined) return cached;
    return this.#repeated(async () => {
      this.#assertKept(from);
      const last = logIndex(Math.min(through, this.lastIndex));
      return from > last ? [] : this.#reader.read(from, last, bytesMax, detail);
    });
  }

  release(through: LogIndex): void {
    this.#window.release(through);
  }

  indexOfOffset(offset: Offset): Promise<LogIndex> {
    return this.#repeated(async () => {
      assert(offset < this.endOffset, () => `offset ${offset} is not there; the log ends at ${this.endOffset}`);
      // It may have been there when this began.
      if (offset < this.startOffset) throw dropped(`offset ${offset}`, this.startOffset);
      const inMemory = holderOf(this.#window, offset, this.#range);
      if (inMemory !== undefined) return inMemory.index;
      const segment = this.#state.segmentOfOffset(offset);
      assert(segment !== undefined, "an offset that the log holds is in a segment");
      const found = await this.#reader.find(
        segment,
        (index) => index.atOrBeforeOffset(offset),
        (header) => header.batch.recordCount > 0 && header.baseOffset + header.batch.recordCount > offset,
      );
      if (found !== undefined) return found.index;
      throw new QuireError("LOG_CORRUPT", `no entry holds offset ${offset}, though the log should; the other replicas have it`, { details: { offset } });
    });
  }

  findTimestamp(timestampMs: number): Promise<{ index: LogIndex; baseOffset: Offset } | undefined> {
    return this.#repeated(async () => {
      const isLate = ({ kind, batch }: Pick<Frame, "kind" | "batch">): boolean => kind === EntryKind.records && batch.maxTimestampMs >= timestampMs;
      for (const segment of this.#state.segments) {
        if (segment.maxTimestampMs < timestampMs) continue;
        if (segment.first > this.#commit.writtenIndex) break;
        const found = await this.#reader.find(segment, (index) => index.beforeTimestamp(timestampMs), isLate);
        if (found !== undefined) return { index: found.index, baseOffset: found.baseOffset };
      }
      const frame = firstOf(this.#window, this.#range, isLate);
      return frame && { index: frame.index, baseOffset: frame.baseOffset };
    });
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#state.termAt(index);
  }

  segments(): readonly SegmentInfo[] {
    return this.#state.infos();
  }

  async dropThrough(through: LogIndex): Promise<LogPosition> {
    this.#assertUsable();
    const { files, folder, openSegments } = this.#options;
    const dropped = this.#state.drop(logIndex(Math.min(through, this.#commit.durable.index)));
    if (dropped.length === 0) return this.logStart;
    const { logStart } = this;
    this.#epoch += 1;
    await this.#unlessFailed(this.#checkpoint.write());
    for (const segment of dropped) await this.#unlessFailed(removeSegment(files, folder, openSegments, segment));
    return logStart;
  }

  async reset(start: LogPosition, startOffset: Offset): Promise<void> {
    this.#assertUsable();
    const removed = this.#state.reset(start, startOffset);
    this.#window.clear();
    this.#epoch += 1;
    this.#syncedIndex = start.index;
    this.#commit.reset(removed);
    await this.#commit.idle();
  }

  async clearDoubt(): Promise<void> {
    this.#assertUsable();
    if (this.#doubt === undefined) return;
    this.#doubt = undefined;
    await this.#unlessFailed(this.#checkpoint.write());
  }

  configure(settings: LogSettings): void {
    this.#settings = settings;
  }

  /** Idempotent. After a failure it only closes: nothing is written or synced again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#commit.failure === undefined) await this.#commit.idle().catch(() => undefined);
    if (this.#commit.failure === undefined && this.#isChanged) {
      this.#deferredIn = undefined;
      // All that counts is in the segments, whatever becomes of a journal that another log keeps.
      this.#commit.lane?.void();
      await this.#checkpoint.write().catch((error: Error) => this.#commit.fail(error));
    }
    await this.#failureMark;
    await this.#commit.close();
    this.#epoch += 1;
    for (const segment of this.#state.segments) this.#options.openSegments.forget(segment);
    this.#window.clear();
  }

  /** A read that met a truncation may have seen half of it: it is done again. */
  async #repeated<T>(read: () => Promise<T>): Promise<T> {
    for (;;) {
      const epoch = this.#epoch;
      try {
        const found = await read();
        if (epoch === this.#epoch) return found;
      } catch (error) {
        if (epoch === this.#epoch) throw this.#told(error);
      }
      if (this.#closing !== undefined) throw new QuireError("SHUTTING_DOWN", "the log is being closed");
    }
  }

  #told(error: unknown): unknown {
    if (isDamage(error) && this.#closing === undefined) this.#options.callbacks.onDamaged?.(error);
    return error;
  }

  get #range(): { after: LogIndex; last: LogIndex } {
    return { after: this.logStart.index, last: this.lastIndex };
  }

  #synced(last: LogPosition): void {
    this.#syncedIndex = last.index;
    this.#options.callbacks.onSynced(last);
  }

  /**
   * Leaves a mark that entries not known to be synced are to be forgotten, and of which no sync is needed: after a failed
   * sync the kernel may show pages that are not on disk, and a mark in the same memory lasts as long as they do.
   */
  #failed(error: Error): void {
    const { files, folder, callbacks } = this.#options;
    const lost: Doubt = { kind: "torn", from: logIndex(this.#commit.safeIndex + 1) };
    const isAhead = this.#syncedIndex > this.#commit.safeIndex;
    const doubt = mergeDoubts(this.#doubt, isAhead ? lost : undefined);
    const mark = encodeCheckpoint({ ...this.#image(), group: this.#commit.groupNumber, ...(doubt && { doubt }) });
    this.#failureMark = writeFile(files, `${folder}/${FAILED_NAME}`, mark, { sync: false }).catch(() => undefined);
    callbacks.onFailed(error);
  }

  async #markDeferred(): Promise<void> {
    this.#deferredIn = this.#options.bootId;
    await this.#checkpoint.write();
  }

  #image(): Checkpoint {
    const { index, place, group } = this.#commit.durable;
    const numbers = this.#state.segmentOf(index)?.index?.upTo(place.position);
    const voidThrough = this.#commit.lane?.voidThrough ?? 0;
    return {
      format: CHECKPOINT_FORMAT,
      ...this.#state.imageThrough(index, place),
      group,
      index: numbers ?? null,
      ...(voidThrough > 0 && { voidThrough }),
      ...(this.#doubt && { doubt: this.#doubt }),
      ...(this.#deferredIn !== undefined && { deferredIn: this.#deferredIn }),
    };
  }

  async #unlessFailed(step: Promise<void>): Promise<void> {
    try {
      await step;
    } catch (error) {
      this.#commit.fail(error as Error);
      throw error;
    }
  }

  #assertUsable(): void {
    if (this.#closing !== undefined) throw new QuireError("SHUTTING_DOWN", "the log is being closed");
    const { failure } = this.#commit;
    if (failure === undefined) return;
    throw new QuireError("REPLICA_FAILED", `this log stopped: ${failure.message}; restart the broker once its disk works`, { cause: failure });
  }

  #assertKept(from: LogIndex): void {
    if (from > this.logStart.index) return;
    throw dropped(`log index ${from}`, this.logStart.index + 1);
  }
}
