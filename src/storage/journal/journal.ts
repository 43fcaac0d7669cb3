import { QuireError } from "../../base/errors.js";
import type { Frame } from "../../base/frame.js";
import { limits as bounds, MIB } from "../../base/limits.js";
import type { Clock } from "../../base/ports.js";
import { type Files, makeLastingFolder, type OpenFile, syncFile, writeFully } from "../files.js";
import type { ReplicaRecord, ReplicaStore } from "../replica-store.js";
import { encodeFileHeader, encodeGroup, GROUP_HEADER_BYTES, JOURNAL_HEADER_BYTES, type JournalPart, partBytes } from "./journal-codec.js";
import { JournalList } from "./journal-list.js";
import { fileOf, journalName, keyOf } from "./journal-names.js";
import { type RecoveredJournal, recoverJournal } from "./recover-journal.js";
import type { JournalTail } from "./replay.js";
import { type BehindLog, WriteBehind, type WriteBehindLimits } from "./write-behind.js";

export interface JournalLimits extends WriteBehindLimits {
  /** Of entries of one log; more than this are better written to its own files at once. */
  readonly partBytesMax: number;
  /** A file is left at this size. Two or three of them are what a broker reads when it starts. */
  readonly fileBytes: number;
}

export const JOURNAL_LIMITS: JournalLimits = { partBytesMax: bounds.journalAppendBytes, fileBytes: 16 * MIB, bytesMax: 8 * MIB, ageMsMax: 20_000 };
/** One group; at least one part. */
const GROUP_BYTES_MAX = MIB;
/** What a frame costs in memory besides its bytes. */
const FRAME_OVERHEAD_BYTES = 16;
/** No number of a group is used twice, also when the last one before a crash cannot be read. */
const GROUPS_SKIPPED = 2;
/** Nor when files cannot be read, which may be readable another time: more than files can hold. */
const GROUPS_SKIPPED_AFTER_DAMAGE = 2 ** 32;

/** `synced`: on disk. `refused`: nothing was written, and nothing ever will be. An error: nobody knows what is on disk. */
export type JournalOutcome = "synced" | "refused" | Error;

/** A log as the journal sees it. */
export interface JournaledLog extends BehindLog {
  readonly record: ReplicaRecord;
  /** It brings nothing to its files any more. */
  readonly isEnded: boolean;
}

interface Appended {
  readonly log: JournaledLog;
  readonly frames: readonly Frame[];
  /** Of the frames. */
  readonly bytes: number;
}

interface Waiting extends Appended {
  readonly done: (outcome: JournalOutcome) => void;
}

interface JournalFile {
  readonly number: number;
  readonly file: OpenFile;
  bytes: number;
}

interface JournalOptions {
  readonly files: Files;
  /** Of the journal alone; made if need be. The folder above it is there to stay. */
  readonly folder: string;
  readonly store: Pick<ReplicaStore, "get" | "put" | "replicas">;
  readonly clock: Clock;
  readonly limits: JournalLimits;
}

/** @throws QuireError DATA_FOLDER_MISMATCH when a newer release wrote here */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { files, folder, store } = options;
  const list = await JournalList.load(store);
  const names = await files.list(folder);
  // Without a file in it, a former process may have ended before its name was there to stay.
  if (names === undefined || names.length === 0) await makeLastingFolder(files, folder);
  // The former process may have ended between a file's name and its sync.
  else await files.syncFolder(folder);
  const recovered = await recoverJournal({ files, folder, listed: list.files, group: list.group, replicas: await store.replicas() });
  const listed = new Set(list.files.map(journalName));
  for (const name of names ?? []) if (!listed.has(name)) await files.remove(`${folder}/${name}`);
  // What was never listed may have been made after what is.
  const lastFile = Math.max(0, ...list.files, ...(names ?? []).map(fileOf));
  return new Journal(options, { list, recovered, lastFile });
}

/**
 * What all logs of a broker append in small pieces, in one file, with one write and one sync at a time: a thousand partitions with a few records
 * each then share a sync. Entries count as soon as they are here; their logs bring them to their own files later, in
 * larger pieces. One write and one sync are under way; whatever comes meanwhile is the next group.
 *
 * A failed write or sync ends the journal (safety.md, rule 11): the logs whose entries were in it fail, the others go on without.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #list: JournalList;
  readonly #recovered: RecoveredJournal;
  readonly #writeBehind: WriteBehind;
  #waiting: Waiting[] = [];
  #stage: Buffer | undefined;
  #isBusy = false;
  #isWoken = false;
  #failure: Error | undefined;
  #isClosed = false;
  #quiet: (() => void)[] = [];
  #current: JournalFile | undefined;
  #next: Promise<JournalFile> | undefined;
  #lastFile: number;
  /** Files from this one on are of this process. */
  readonly #ownFiles: number;
  /** Files before this one are removed when nobody needs them. */
  #firstKept: number;
  #group: number;
  /** Logs that need what is in a file. */
  readonly #neededBy: Map<number, Set<string>>;
  #removing: Promise<void> = Promise.resolve();
  #isRemovalWanted = false;
  /** Since opening. */
  syncs = 0;

  constructor(options: JournalOptions, { list, recovered, lastFile }: { list: JournalList; recovered: RecoveredJournal; lastFile: number }) {
    this.#options = options;
    this.#list = list;
    this.#recovered = recovered;
    this.#writeBehind = new WriteBehind(options.clock, options.limits);
    this.#lastFile = lastFile;
    this.#firstKept = this.#lastFile + 1;
    this.#group = recovered.group + (recovered.isDamaged ? GROUPS_SKIPPED_AFTER_DAMAGE : GROUPS_SKIPPED);
    this.#ownFiles = lastFile + 1;
    this.#neededBy = new Map(list.files.map((file) => [file, recovered.logsOf.get(file) ?? new Set()]));
  }

  /** Number of the last group that was begun, by this process or one before. */
  get group(): number {
    return this.#group;
  }

  /** Whether it takes entries. */
  get isOpen(): boolean {
    return this.#failure === undefined && !this.#isClosed;
  }

  /** Of one part. */
  get partBytesMax(): number {
    return this.#options.limits.partBytesMax;
  }

  /**
   * What a former process left here of a log.
   *
   * @throws QuireError REPLICA_FAILED when this process left something here of a log that failed: the next one reads it
   */
  tailOf(record: ReplicaRecord): JournalTail {
    const key = keyOf(record);
    for (const [file, logs] of this.#neededBy) if (file >= this.#ownFiles && logs.has(key)) throw failedBefore(key);
    return this.#recovered.tailOf(record);
  }

  /** Appends frames of a log that follow what it appended before, in the next group. No other frames of it may be under way. */
  append({ log, frames, bytes }: Appended, done: (outcome: JournalOutcome) => void): void {
    this.#waiting.push({ log, frames, bytes, done });
    this.#wake();
  }

  /** Nothing is wanted any more of what the log has appended and is in no group yet. */
  withdraw(log: JournaledLog): void {
    const withdrawn = this.#waiting.filter((waiting) => waiting.log === log);
    if (withdrawn.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => waiting.log !== log);
    for (const { done } of withdrawn) done("refused");
  }

  /** The log needs nothing that is here, now that its own files hold it, or that it is no more. */
  released(record: ReplicaRecord): void {
    const key = keyOf(record);
    this.#recovered.settled(key);
    for (const logs of this.#neededBy.values()) logs.delete(key);
    this.#writeBehind.done(key);
    this.#removeSoon();
  }

  /** The log brings nothing to its files any more; what is here of it stays for the next process. */
  abandoned(record: ReplicaRecord): void {
    this.#writeBehind.done(keyOf(record));
  }

  /** When all logs are closed. What nobody needs goes. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#writeBehind.close();
    if (this.#isBusy) await new Promise<void>((resolve) => this.#quiet.push(resolve));
    const next = await this.#next?.catch(() => undefined);
    // What counts is synced: a file that does not close takes nothing with it.
    for (const open of [this.#current, next]) await open?.file.close().catch(() => undefined);
    this.#firstKept = Number.POSITIVE_INFINITY;
    this.#removeSoon();
    await this.#removing;
  }

  /** What else comes in this turn of the event loop goes into the same group. */
  #wake(): void {
    if (this.#isWoken || this.#isBusy) return;
    this.#isWoken = true;
    this.#options.clock.soon(() => {
      this.#isWoken = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isBusy || this.#waiting.length === 0) return;
    if (!this.isOpen) for (const { done } of this.#waiting.splice(0)) done("refused");
    else if (this.#current === undefined || this.#current.bytes >= this.#options.limits.fileBytes) this.#roll();
    else this.#write(this.#current, this.#takeGroup());
  }

  #roll(): void {
    this.#isBusy = true;
    const former = this.#current;
    const next = this.#next ?? this.#prepare(former?.number ?? 0);
    this.#next = undefined;
    next.then(
      (file) => {
        this.#current = file;
        this.#firstKept = file.number;
        former?.file.close().catch(() => undefined);
        this.#writeBehind.leave(former?.number ?? 0);
        this.#removeSoon();
        this.#ended();
      },
      (error: Error) => {
        this.#failure ??= error;
        this.#ended();
      },
    );
  }

  #takeGroup(): Waiting[] {
    let bytes = GROUP_HEADER_BYTES;
    let count = 0;
    for (const { bytes: frameBytes } of this.#waiting) {
      bytes += partBytes(frameBytes);
      if (count > 0 && bytes > GROUP_BYTES_MAX) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  #write(into: JournalFile, group: readonly Waiting[]): void {
    this.#isBusy = true;
    this.#group += 1;
    this.#stage ??= Buffer.allocUnsafeSlow(GROUP_BYTES_MAX);
    const parts = group.map(({ log: { record }, frames }): JournalPart => ({ replicaSetId: record.replicaSetId, replicaId: record.replicaId, frames }));
    const bytes = encodeGroup(this.#stage, this.#group, parts);
    writeFully(into.file, [this.#stage.subarray(0, bytes)], into.bytes, (error) => {
      if (error !== null) return this.#settle(group, error);
      return into.file.sync((failure) => {
        if (failure !== null) return this.#settle(group, failure);
        this.syncs += 1;
        into.bytes += bytes;
        for (const { log, frames, bytes: frameBytes } of group) this.#needs(into.number, log, frameBytes + frames.length * FRAME_OVERHEAD_BYTES);
        return this.#settle(group, "synced");
      });
    });
  }

  #needs(file: number, log: JournaledLog, bytes: number): void {
    this.#neededBy.get(file)?.add(log.key);
    if (!log.isEnded) this.#writeBehind.add(log, file, bytes);
  }

  #settle(group: readonly Waiting[], outcome: JournalOutcome): void {
    if (outcome instanceof Error) this.#failure ??= outcome;
    for (const { done } of group) done(outcome);
    const { bytes, number } = this.#current ?? { bytes: 0, number: 0 };
    if (this.isOpen && bytes >= this.#options.limits.fileBytes / 2 && this.#next === undefined) {
      this.#next = this.#prepare(number);
      // Whoever needs it hears of a failure.
      this.#next.catch(() => undefined);
    }
    this.#ended();
  }

  #ended(): void {
    this.#isBusy = false;
    for (const resolve of this.#quiet.splice(0)) resolve();
    if (this.#waiting.length > 0) this.#wake();
  }

  /** Makes the file to go on with; it counts once it is listed, which it is when this resolves. */
  async #prepare(follows: number): Promise<JournalFile> {
    const { files, folder } = this.#options;
    this.#lastFile += 1;
    const number = this.#lastFile;
    const file = await files.open(`${folder}/${journalName(number)}`, "create");
    try {
      const header = encodeFileHeader({ number, follows });
      await new Promise<void>((resolve, reject) => writeFully(file, [header], 0, (error) => (error === null ? resolve() : reject(error))));
      await syncFile(file);
      await files.syncFolder(folder);
      this.#neededBy.set(number, new Set());
      await this.#list.add(number, this.#group);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
    return { number, file, bytes: JOURNAL_HEADER_BYTES };
  }

  #removeSoon(): void {
    if (this.#isRemovalWanted) return;
    this.#isRemovalWanted = true;
    // What cannot be removed stays, and is read once more when the broker starts.
    this.#removing = this.#removing.then(() => this.#removeUnneeded()).catch(() => undefined);
  }

  async #removeUnneeded(): Promise<void> {
    this.#isRemovalWanted = false;
    const { files, folder } = this.#options;
    const unneeded = new Set([...this.#neededBy].filter(([number, logs]) => logs.size === 0 && number < this.#firstKept).map(([number]) => number));
    if (unneeded.size === 0) return;
    for (const number of unneeded) this.#neededBy.delete(number);
    await this.#list.remove(unneeded, this.#group);
    for (const number of unneeded) await files.remove(`${folder}/${journalName(number)}`);
  }
}

const failedBefore = (key: string): QuireError =>
  new QuireError("REPLICA_FAILED", `log ${key} failed before, and its last entries are only in the journal; restart the broker once its disk works`);
