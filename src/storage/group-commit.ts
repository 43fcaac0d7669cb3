import { assert } from "../base/assert.js";
import { indexPlus, type LogIndex, logIndex } from "../base/ids.js";
import { MIB } from "../base/limits.js";
import type { Clock, Timer } from "../base/ports.js";
import type { LogPosition } from "../consensus/types.js";
import type { CheckpointFile } from "./checkpoint.js";
import { type Files, type OpenFile, writeFully } from "./files.js";
import { type Group, takeGroup } from "./group.js";
import type { JournalLane } from "./journal/journal-lane.js";
import type { LogSettings } from "./log.js";
import type { EntryPlace, LogState } from "./log-state.js";
import type { OpenSegments } from "./open-segments.js";
import { type PendingCut, removeCut } from "./pending-cut.js";
import { type Segment, segmentName } from "./segment.js";
import type { TailWindow } from "./tail-cache.js";

const CHECKPOINT_EVERY_BYTES = 8 * MIB;
/** A large checkpoint is written less often, so that checkpoints stay below 2 % of what is written. */
const CHECKPOINT_SHARE = 64;

/** What is synced: everything through `index`, which ends at `place`, in group commits through number `group`. */
export interface Durable {
  readonly index: LogIndex;
  readonly place: EntryPlace;
  readonly group: number;
}

interface GroupCommitOptions {
  readonly files: Files;
  readonly folder: string;
  readonly clock: Clock;
  readonly state: LogState;
  readonly window: TailWindow;
  readonly openSegments: OpenSegments;
  readonly settings: () => LogSettings;
  readonly checkpoint: CheckpointFile;
  readonly durable: Durable;
  /** Where small groups go first; undefined where there is no journal. */
  readonly lane: ((due: () => void) => JournalLane) | undefined;
  /** Told for every group, with its last entry that was not truncated meanwhile. */
  readonly synced: (last: LogPosition) => void;
  /** Told once; nothing is written or synced afterwards. */
  readonly failed: (error: Error) => void;
  /** Resolves when a checkpoint says that acknowledgements run ahead of syncs. Only asked before the first write of such kind. */
  readonly markDeferred: () => Promise<void>;
}

/**
 * Brings a log's state to its files: one write and one sync under way, whatever was appended meanwhile is the next
 * group. A group never spans two segments, and a segment is begun only when everything before it is synced; so bad
 * bytes anywhere but in the last group of the last segment are damage, never an interrupted write. The first group of a segment is
 * reported when a checkpoint on disk names the segment: one that nothing knows of could be lost without a trace (safety.md, rule 10).
 *
 * A small group goes to the broker's journal, which has one sync for many logs, and is told of; it comes to the segment later, in a larger group that
 * may hold what is new as well (`journal/README.md`).
 *
 * Order within the pump: what was truncated leaves the files before anything newer is written; then groups.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #durable: Durable;
  /** Written, synced or not; where the next frame goes. */
  #written: { index: LogIndex; place: EntryPlace };
  /** Handed to the disk; equals `#written` between groups. */
  #taken: LogIndex;
  #group: Pick<Group, "first" | "last" | "end"> | undefined;
  readonly lane: JournalLane | undefined;
  /** Reported through here. */
  #told: LogIndex;
  #groupNumber: number;
  #groupPosition = 0;
  #segment: Segment | undefined;
  #file: OpenFile | undefined;
  /** No checkpoint names the segment that is written to: nothing in it counts yet. */
  #isUnnamed = false;
  #isDirty = false;
  #isDeferred = false;
  #isBusy = false;
  #isWoken = false;
  #failure: Error | undefined;
  #cut: PendingCut | undefined;
  #flushTimer: Timer | undefined;
  #isFlushDue = false;
  #bytesSinceCheckpoint = 0;
  #quietWaiters: (() => void)[] = [];
  #idleWaiters: { resolve: () => void; reject: (error: Error) => void }[] = [];
  /** Group commits since opening. */
  syncs = 0;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#durable = options.durable;
    this.#written = options.durable;
    this.#taken = options.durable.index;
    this.#told = options.durable.index;
    this.lane = options.lane?.(() => this.#pump());
    this.#groupNumber = options.durable.group + 1;
    options.window.writtenIndex = options.durable.index;
  }

  get durable(): Durable {
    return this.#durable;
  }

  /** Entries through here can be read from files. */
  get writtenIndex(): LogIndex {
    return this.#written.index;
  }

  /** On disk through here, in the segments or in the journal. */
  get safeIndex(): LogIndex {
    return logIndex(Math.max(this.#durable.index, this.lane?.index ?? 0));
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** No number of a group that may be on disk, whole or in part, is above this one. */
  get groupNumber(): number {
    return this.#groupNumber;
  }

  /** Something was appended. What else comes in this turn of the event loop goes into the same group: many small appends cost a quarter fewer syncs. */
  wake(): void {
    if (this.#isWoken || this.#isBusy) return;
    this.#isWoken = true;
    this.#options.clock.soon(() => {
      this.#isWoken = false;
      this.#pump();
    });
  }

  /** Entries from `from` on left the state, and `removed` segments with them. */
  cut(from: LogIndex, removed: readonly Segment[]): void {
    const { state } = this.#options;
    const last = logIndex(from - 1);
    const place = state.end;
    const isOnDisk = from <= this.#taken || removed.some((segment) => segment === this.#segment);
    if (this.#group !== undefined && this.#group.last >= from) {
      this.#group.last = last;
      this.#group.end = place;
    }
    if (this.#written.index >= from) this.#written = { index: last, place };
    const isLowered = this.#durable.index >= from;
    if (isLowered) this.#durable = { index: last, place, group: this.#durable.group };
    this.#taken = logIndex(Math.min(this.#taken, last));
    this.#told = logIndex(Math.min(this.#told, last));
    const isInJournal = this.lane?.cut(from) ?? false;
    if (isOnDisk || isInJournal) this.#cutFilesLater(removed, state.head, place.position);
    // Any checkpoint from now on has the lower end: after it, nothing of the journal would follow.
    if (isLowered) this.lane?.void();
    this.#pump();
  }

  /** Everything left the state, which begins anew. */
  reset(removed: readonly Segment[]): void {
    const { state } = this.#options;
    if (this.#group !== undefined) this.#group.last = logIndex(this.#group.first - 1);
    this.#durable = { index: state.lastIndex, place: state.end, group: this.#durable.group };
    this.#written = this.#durable;
    this.#taken = state.lastIndex;
    this.#told = state.lastIndex;
    this.lane?.cut(indexPlus(state.lastIndex, 1));
    this.#options.window.writtenIndex = state.lastIndex;
    this.#cutFilesLater(removed, undefined, 0);
    this.lane?.void();
    this.#pump();
  }

  /** Resolves when all that was appended is synced and all that was truncated is gone. */
  idle(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#idleWaiters.push({ resolve, reject });
      this.#pump();
    });
  }

  /** Ends what is under way and closes the file. */
  async close(): Promise<void> {
    this.#flushTimer?.cancel();
    this.#failure ??= new Error("the log is closed");
    this.lane?.end();
    if (this.#isBusy) await new Promise<void>((resolve) => this.#quietWaiters.push(resolve));
    // What counts is synced or was given up: a file that does not close takes nothing with it.
    await this.#closeFile().catch(() => undefined);
  }

  /** Stops for good: the kernel may have dropped the pages that a failed sync was to write (safety.md, rule 11). */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#flushTimer?.cancel();
    this.lane?.end();
    for (const waiter of this.#idleWaiters.splice(0)) waiter.reject(error);
    this.#options.failed(error);
  }

  #cutFilesLater(removed: readonly Segment[], kept: Segment | undefined, position: number): void {
    this.#cut = { kept, position, removed: new Set([...(this.#cut?.removed ?? []), ...removed]) };
  }

  #pump(): void {
    if (this.#isBusy || this.#failure !== undefined) return;
    const { state, settings } = this.#options;
    const isWaitedFor = this.#idleWaiters.length > 0;
    const journaled = this.lane?.index ?? 0;
    const isBehind = this.#taken < journaled;
    const hasMore = Math.max(this.#taken, journaled) < state.lastIndex;
    if (this.#isDirty && (this.#isFlushDue || this.#cut !== undefined || (isWaitedFor && !hasMore && !isBehind))) this.#sync(undefined);
    else if (this.#cut !== undefined && !isBehind) this.#run(this.#cutFiles(this.#cut));
    else if (this.#cut !== undefined) this.#writeNext();
    else if (hasMore && settings().flush === "interval" && !this.#isDeferred) this.#run(this.#defer());
    else if (hasMore && !isWaitedFor && this.#journalNext()) return;
    else if (hasMore || (isBehind && (isWaitedFor || this.lane?.isDue))) this.#writeNext();
    else for (const waiter of this.#idleWaiters.splice(0)) waiter.resolve();
  }

  #run(step: Promise<void>): void {
    this.#isBusy = true;
    step.then(
      () => this.#next(),
      (error: Error) => this.#next(error),
    );
  }

  #next(error?: Error): void {
    this.#isBusy = false;
    if (error !== undefined) this.fail(error);
    if (this.#failure === undefined) this.#pump();
    else for (const resolve of this.#quietWaiters.splice(0)) resolve();
  }

  async #defer(): Promise<void> {
    await this.#options.markDeferred();
    this.#isDeferred = true;
  }

  /** What is new goes to the journal, if it is little and all before it is synced. */
  #journalNext(): boolean {
    const { state, settings } = this.#options;
    const lane = this.lane;
    if (lane === undefined || lane.isDue || this.#isDirty || settings().flush !== "batch") return false;
    const first = indexPlus(this.safeIndex, 1);
    const frames = lane.framesFor(first, state.lastIndex);
    if (frames === undefined) return false;
    this.#isBusy = true;
    const group = { first, last: state.lastIndex, end: state.end };
    this.#group = group;
    lane.append(frames, (outcome) => {
      this.#group = undefined;
      if (outcome instanceof Error) return this.#next(outcome);
      if (outcome === "synced" && this.#failure === undefined && group.last >= group.first) {
        lane.synced(group.last);
        this.#report(group.last);
      }
      return this.#next();
    });
    return true;
  }

  #writeNext(): void {
    const segment = this.#options.state.segmentOf(indexPlus(this.#taken, 1));
    assert(segment !== undefined, "what was appended belongs to a segment");
    if (segment !== this.#segment) {
      if (this.#isDirty) this.#sync(undefined);
      else this.#run(this.#switchTo(segment));
      return;
    }
    assert(this.#file !== undefined, "the segment that is written to is open");
    const mark = { group: this.#groupNumber, groupPosition: this.#groupPosition };
    // While the journal's entries are to be made void, none that is newer may come before them on disk.
    const through = this.#cut === undefined ? segment.last : this.safeIndex;
    const group = takeGroup(segment, this.#options.window, { first: indexPlus(this.#taken, 1), through, position: this.#written.place.position }, mark);
    this.#isBusy = true;
    this.#group = group;
    this.#groupPosition += group.frames;
    this.#taken = group.last;
    writeFully(this.#file, group.chunks, group.position, (error) => {
      this.#group = undefined;
      if (error !== null || this.#failure !== undefined) return this.#next(error ?? undefined);
      return this.#isWritten(group);
    });
  }

  #isWritten(group: Group): void {
    const { settings, window, clock } = this.#options;
    const isWanted = group.last >= group.first;
    this.#bytesSinceCheckpoint += group.bytes;
    if (isWanted) {
      this.#written = { index: group.last, place: group.end };
      window.writtenIndex = group.last;
    }
    if (settings().flush === "batch" || this.#isUnnamed) {
      this.#sync(isWanted ? group : undefined);
      return;
    }
    this.#isDirty = true;
    this.#flushTimer ??= clock.after(settings().flushIntervalMs, () => this.#flushIsDue());
    if (isWanted) this.#report(group.last);
    this.#next();
  }

  /** Syncs what is written, then reports the group, if there is one to report. */
  #sync(report: Group | undefined): void {
    this.#isBusy = true;
    this.#isFlushDue = false;
    assert(this.#file !== undefined, "what is not synced is in an open file");
    this.#file.sync((error) => {
      if (error !== null || this.#failure !== undefined) return this.#next(error ?? undefined);
      if (this.#isUnnamed) return this.#run(this.#nameSegment(report));
      this.#isSynced();
      if (this.#bytesSinceCheckpoint >= Math.max(CHECKPOINT_EVERY_BYTES, CHECKPOINT_SHARE * this.#options.checkpoint.size)) this.#checkpointSoon();
      this.#reportGroup(report);
      return this.#next();
    });
  }

  /** The checkpoint follows the file's name, which must be there whatever happens: a segment that is named and missing is damage. */
  async #nameSegment(report: Group | undefined): Promise<void> {
    const { files, folder, checkpoint } = this.#options;
    await files.syncFolder(folder);
    if (this.#failure !== undefined) return;
    this.#isSynced();
    this.#bytesSinceCheckpoint = 0;
    await checkpoint.write();
    this.#isUnnamed = false;
    if (this.#failure === undefined) this.#reportGroup(report);
  }

  #isSynced(): void {
    this.#isDirty = false;
    const { index, place } = this.#written;
    this.#durable = { index, place, group: this.#groupNumber };
    this.#groupNumber += 1;
    this.#groupPosition = 0;
    this.lane?.written(index);
    this.syncs += 1;
  }

  #reportGroup(group: Group | undefined): void {
    if (group !== undefined && this.#written.index >= group.first) this.#report(logIndex(Math.min(group.last, this.#written.index)));
  }

  #report(index: LogIndex): void {
    if (index <= this.#told) return;
    this.#told = index;
    const term = this.#options.state.termAt(index);
    if (term !== undefined) this.#options.synced({ index, term });
  }

  #checkpointSoon(): void {
    this.#bytesSinceCheckpoint = 0;
    this.#options.checkpoint.write().catch((error: Error) => this.fail(error));
  }

  #flushIsDue(): void {
    this.#flushTimer = undefined;
    this.#isFlushDue = this.#isDirty;
    this.#pump();
  }

  /** Opens the segment that is written to next. Everything before it is synced. */
  async #switchTo(segment: Segment): Promise<void> {
    const { files, folder, openSegments, state } = this.#options;
    const begins = indexPlus(this.#taken, 1) === segment.first;
    const complete = state.segmentOf(logIndex(segment.first - 1));
    const former = this.#file;
    this.#file = undefined;
    this.#segment = segment;
    await former?.close();
    if (complete !== undefined && begins) {
      await openSegments.saveIndex(folder, complete);
      if (complete !== state.head) complete.index = undefined;
    }
    this.#file = await files.open(`${folder}/${segmentName(segment.first)}`, begins ? "create" : "write");
    this.#isUnnamed = begins;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#segment = undefined;
    this.#file = undefined;
    await file?.close();
  }

  /** The checkpoint makes the truncation last; then the bytes go, so that nothing newer is ever written over them. */
  async #cutFiles(cut: PendingCut): Promise<void> {
    // As it is now: of what is cut while the checkpoint is written that knows nothing, and no file may end before the checkpoint says.
    const written = this.#written;
    this.#cut = undefined;
    if (this.#segment !== cut.kept) await this.#closeFile();
    this.lane?.void();
    await this.#options.checkpoint.write();
    this.lane?.voided();
    this.#bytesSinceCheckpoint = 0;
    await removeCut(this.#options, cut, written);
  }
}
