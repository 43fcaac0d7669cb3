import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { FrameHeader } from "../base/frame-codec.js";
import type { LogIndex } from "../base/ids.js";
import { KIB } from "../base/limits.js";
import type { Doubt } from "../consensus/types.js";
import { CHECKPOINT_FORMAT, CHECKPOINT_NAME, type Checkpoint, encodeCheckpoint, FAILED_NAME, UNSURE_NAME } from "./checkpoint.js";
import { DIRECT_BYTES_MIN } from "./direct-write.js";
import { type Files, type OpenFile, readFully, replaceFile, syncFile, writeFully } from "./files.js";
import type { Durable } from "./group-commit.js";
import { LogState } from "./log-state.js";
import { OffsetIndex } from "./offset-index.js";
import { doubtAfter, isPlausible, judgeHeader, provesDamage, type ScanPoint } from "./recovery.js";
import { decodeSegmentHeader, firstIndexesOf, indexName, SEGMENT_HEADER_BYTES, type SegmentStart, segmentName } from "./segment.js";
import { findHeaders, type ScanEnd, scanFrames } from "./segment-scan.js";

const INDEX_EVERY_BYTES = 128 * KIB;
/** Small enough to go through the page cache: a write past it drops clean pages around it, and after a failed sync those are all there is of what comes next. */
const REWRITE_BYTES = 64 * KIB;
assert(REWRITE_BYTES < DIRECT_BYTES_MIN, "what is written anew goes through the page cache");
const MARKS = [FAILED_NAME, UNSURE_NAME];

/** A segment's header, or undefined when it is missing or bad. @throws QuireError DATA_FOLDER_MISMATCH */
async function readSegmentHeader(files: Files, folder: string, first: LogIndex): Promise<{ start: SegmentStart; group: number } | undefined> {
  return withFile(files, `${folder}/${segmentName(first)}`, "read", async (file) => {
    const header = decodeSegmentHeader(await readFully(file, Buffer.alloc(SEGMENT_HEADER_BYTES), 0));
    if (header === "newer") throw newerRelease(folder);
    return header?.start.first === first ? header : undefined;
  });
}

export const newerRelease = (folder: string): QuireError =>
  new QuireError("DATA_FOLDER_MISMATCH", `the log in ${folder} was written by a newer release; run that release, or one after it`, { details: { folder } });

interface LogRecoveryOptions {
  readonly files: Files;
  readonly folder: string;
  readonly checkpoint: Checkpoint;
  /** In the folder. */
  readonly names: readonly string[];
  /** The checkpoint given is made up: of what no checkpoint names, nothing is known. */
  readonly isCheckpointLost: boolean;
  /** A sync failed, and what is in memory may not be on disk. */
  readonly isUnsure: boolean;
}

/** Reads what came after a checkpoint, and puts the folder in order. Each step once, in the order of the methods. */
export class LogRecovery {
  readonly state: LogState;
  doubt: Doubt | undefined;
  readonly #files: Files;
  readonly #folder: string;
  readonly #checkpoint: Checkpoint;
  readonly #names: readonly string[];
  readonly #isUnsure: boolean;
  readonly #isCheckpointLost: boolean;
  /** Segments whose files go. */
  readonly #removed = new Set<LogIndex>();
  /** Bytes beyond the head's end go. */
  #isTailCut = false;
  /** Entries were found that no checkpoint knows to be synced. */
  #isTailUnsynced = false;
  /** Group of the last entry accepted. */
  #group: number;
  /** The highest number seen, in what goes as well: it must not be used again. */
  #groupMax: number;

  constructor({ files, folder, checkpoint, names, isCheckpointLost, isUnsure }: LogRecoveryOptions) {
    this.#isUnsure = isUnsure;
    this.#isCheckpointLost = isCheckpointLost;
    this.#files = files;
    this.#folder = folder;
    this.#checkpoint = checkpoint;
    this.#names = names;
    this.state = new LogState(checkpoint);
    this.#group = checkpoint.group;
    this.#groupMax = checkpoint.group;
    const { head } = this.state;
    if (head !== undefined && checkpoint.index !== null) head.index = new OffsetIndex(startOf(head), checkpoint.index);
  }

  get durable(): Durable {
    return { index: this.state.lastIndex, place: this.state.end, group: this.#groupMax };
  }

  /** Compares the segments that the checkpoint knows with the lengths of their files; false when the log ends before them. */
  async checkKnownSegments(): Promise<boolean> {
    const { segments } = this.state;
    const sizes = await Promise.all(segments.map((segment) => this.#files.size(this.#path(segment.first))));
    const broken = segments.findIndex((segment, i) => (sizes[i] ?? -1) < segment.bytes);
    const segment = segments[broken];
    if (segment === undefined) return true;
    const size = sizes[broken];
    for (const first of firstIndexesOf(this.#names)) if (first > segment.first) this.#removed.add(first);
    this.state.cut(segment.first, { position: SEGMENT_HEADER_BYTES, offset: segment.baseOffset });
    this.#group = 0;
    if (size !== undefined && (await readSegmentHeader(this.#files, this.#folder, segment.first)) !== undefined) {
      this.state.beginFrom(segment);
      await this.#scanHead(size, -1);
    }
    if (this.state.lastIndex < segment.first) this.#removed.add(segment.first);
    this.state.dropEmptyHead();
    this.doubt = doubtAfter(this.#point, { isProven: true, isFollowed: false });
    return false;
  }

  /** Reads everything after the checkpoint. */
  async scanTail(): Promise<void> {
    const { head } = this.state;
    const closedGroup = this.#checkpoint.group;
    const after = head?.first ?? this.state.logStart.index;
    const known = new Set(this.state.segments.map((segment) => segment.first));
    for (const first of firstIndexesOf(this.#names)) if (first <= after && !known.has(first)) this.#removed.add(first);
    let end: ScanEnd | undefined;
    let isCleaning = false;
    if (head !== undefined) end = await this.#scanHead((await this.#files.size(this.#path(head.first))) ?? 0, closedGroup);
    const later = firstIndexesOf(this.#names).filter((first) => first > after);
    for (const [i, first] of later.entries()) {
      const size = (await this.#files.size(this.#path(first))) ?? 0;
      const header = await readSegmentHeader(this.#files, this.#folder, first);
      // While remains of a truncation are here, nothing newer was written: a file that nobody can read is of them too.
      isCleaning ||= end?.why === "stale" || (header !== undefined && header.group <= closedGroup);
      if (header === undefined ? isCleaning : header.group <= closedGroup) {
        this.#removed.add(first);
        continue;
      }
      const isLast = i === later.length - 1;
      if (end !== undefined && end.why !== "end") return this.#giveUp(later.slice(i), { isFollowed: true });
      if (header === undefined && isLast) {
        // Begun, and not a byte of its first group is known to be whole. Empty: nothing was written yet.
        return this.#giveUp(later.slice(i), size === 0 ? undefined : { isFollowed: false });
      }
      const { lastIndex, endOffset } = this.state;
      if (header === undefined || header.start.first !== lastIndex + 1 || header.start.baseOffset !== endOffset) {
        return this.#giveUp(later.slice(i), { isFollowed: true });
      }
      this.#groupMax = Math.max(this.#groupMax, header.group);
      if (this.#isUnsure && !this.#isCheckpointLost) {
        // Even its name may be in memory alone. Nothing in it counted: no checkpoint names it.
        for (const each of later.slice(i)) this.#removed.add(each);
        break;
      }
      this.state.beginFrom(header.start);
      end = await this.#scanHead(size, closedGroup);
      if (this.state.lastIndex < first) this.#removed.add(first);
    }
    if (end?.why === "bad") this.doubt ??= doubtAfter(this.#point, { isProven: false, isFollowed: false });
    this.state.dropEmptyHead();
  }

  /**
   * Makes the folder agree with the state. What is kept is synced first: entries that a former process wrote and never synced
   * are read back from memory and would be taken for safe. Then the checkpoint with the doubt; only then bytes go.
   * Says whether the checkpoint on disk is that of the state.
   */
  async finish(doubt: Doubt | undefined, isCheckpointDue: boolean): Promise<boolean> {
    if (this.#isTailUnsynced) await this.#syncTail();
    const hasGarbage = this.#isTailCut || this.#removed.size > 0 || MARKS.some((name) => this.#names.includes(name));
    if (!isCheckpointDue && !hasGarbage && this.doubt === undefined && !this.#isHeadUnnamed) return !this.#isTailUnsynced;
    await replaceFile(this.#files, this.#folder, CHECKPOINT_NAME, encodeCheckpoint(this.#image(doubt)));
    if (hasGarbage) await this.#removeGarbage();
    return true;
  }

  async #syncTail(): Promise<void> {
    const { head } = this.state;
    if (head === undefined) return;
    const known = this.#isHeadUnnamed ? 0 : (this.#checkpoint.segments.at(-1)?.bytes ?? 0);
    await withFile(this.#files, this.#path(head.first), "write", async (file) => {
      if (this.#isUnsure) await rewrite(file, { from: known, to: head.bytes });
      await syncFile(file);
    });
    await this.#files.syncFolder(this.#folder);
  }

  async #removeGarbage(): Promise<void> {
    const { head } = this.state;
    for (const first of this.#removed) {
      await this.#files.remove(this.#path(first));
      await this.#files.remove(`${this.#folder}/${indexName(first)}`);
    }
    if (this.#isTailCut && head !== undefined) {
      await withFile(this.#files, this.#path(head.first), "write", (file) => file.truncate(head.bytes));
      await this.#files.remove(`${this.#folder}/${indexName(head.first)}`);
    }
    for (const name of MARKS) await this.#files.remove(`${this.#folder}/${name}`);
    await this.#files.syncFolder(this.#folder);
  }

  /** The log ends before these segments. With a reason, that is a doubt; one that was found earlier says more. */
  #giveUp(segments: readonly LogIndex[], reason: { isFollowed: boolean } | undefined): void {
    for (const first of segments) this.#removed.add(first);
    if (reason?.isFollowed) this.doubt = doubtAfter(this.#point, { isProven: false, isFollowed: true });
    else if (reason !== undefined) this.doubt ??= doubtAfter(this.#point, { isProven: false, isFollowed: false });
    this.state.dropEmptyHead();
  }

  async #scanHead(size: number, closedGroup: number): Promise<ScanEnd> {
    const { head } = this.state;
    assert(head !== undefined, "there is a segment to scan");
    const position = head.bytes;
    if (size <= position) return { position, why: "end" };
    return withFile(this.#files, this.#path(head.first), "read", async (file) => {
      const end = await scanFrames(
        file,
        { position, size },
        (header) => judgeHeader(header, this.#point, closedGroup),
        (header) => this.#accept(header),
      );
      if (end.why === "newer") throw newerRelease(this.#folder);
      if (end.why === "end") return end;
      this.#isTailCut = true;
      return this.#lookBeyond(file, { position: end.position, size, why: end.why }, closedGroup);
    });
  }

  /** Looks for frames of later groups behind bytes that cannot be used. */
  async #lookBeyond(file: OpenFile, end: { position: number; size: number; why: "bad" | "stale" }, closedGroup: number): Promise<ScanEnd> {
    const at = this.#point;
    let isProven = false;
    let isNewerThanStale = false;
    await findHeaders(file, { position: end.position, size: end.size }, (header) => {
      if (!isPlausible(header, at, closedGroup)) return;
      isNewerThanStale = true;
      isProven ||= provesDamage(header, at);
      this.#groupMax = Math.max(this.#groupMax, header.group);
    });
    if (isProven) this.doubt = doubtAfter(at, { isProven, isFollowed: false });
    return { position: end.position, why: end.why === "stale" && isNewerThanStale ? "bad" : end.why };
  }

  #accept(header: FrameHeader): void {
    this.state.extend(header, INDEX_EVERY_BYTES);
    this.#isTailUnsynced = true;
    this.#group = header.group;
    this.#groupMax = Math.max(this.#groupMax, header.group);
  }

  /** The former process ended before a checkpoint named the segment; from now on its entries count. */
  get #isHeadUnnamed(): boolean {
    const { head } = this.state;
    return head !== undefined && this.#checkpoint.segments.at(-1)?.first !== head.first;
  }

  get #point(): ScanPoint {
    return { lastIndex: this.state.lastIndex, lastTerm: this.state.lastTerm, endOffset: this.state.endOffset, group: this.#group };
  }

  #image(doubt: Doubt | undefined): Checkpoint {
    return {
      format: CHECKPOINT_FORMAT,
      ...this.state.imageThrough(this.state.lastIndex, this.state.end),
      group: this.#groupMax,
      index: this.state.head?.index?.numbers ?? null,
      ...(doubt && { doubt }),
      ...(this.#checkpoint.voidThrough !== undefined && { voidThrough: this.#checkpoint.voidThrough }),
    };
  }

  #path(first: LogIndex): string {
    return `${this.#folder}/${segmentName(first)}`;
  }
}

const startOf = (segment: SegmentStart): { index: number; offset: number; position: number } => ({
  index: segment.first,
  offset: segment.baseOffset,
  position: SEGMENT_HEADER_BYTES,
});

async function withFile<T>(files: Files, path: string, mode: "read" | "write", use: (file: OpenFile) => Promise<T>): Promise<T> {
  const file = await files.open(path, mode);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** The same bytes again, so that a sync has them to write: after one that failed, memory takes them for written. */
async function rewrite(file: OpenFile, { from, to }: { from: number; to: number }): Promise<void> {
  for (let at = from; at < to; at += REWRITE_BYTES) {
    const bytes = await readFully(file, Buffer.allocUnsafe(Math.min(REWRITE_BYTES, to - at)), at);
    await new Promise<void>((resolve, reject) => writeFully(file, [bytes], at, (error) => (error === null ? resolve() : reject(error))));
  }
}
