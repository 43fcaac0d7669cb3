/** Reads the journal that a former process left. Writes nothing. README.md has the argument. */
import { QuireError } from "../../base/errors.js";
import { indexPlus, type LogIndex } from "../../base/ids.js";
import type { Doubt } from "../../consensus/types.js";
import type { Files } from "../files.js";
import type { ReplicaRecord } from "../replica-store.js";
import { decodeFileHeader, GROUP_MAGIC_BYTES, type GroupExtent, JOURNAL_HEADER_BYTES, type JournalPart, readFrames, readGroup } from "./journal-codec.js";
import { journalName, keyOf } from "./journal-names.js";
import type { JournalTail } from "./replay.js";

/** More than a file holds; a group that is said to be so far ahead is something else. */
const GROUPS_OF_FILE_MAX = 1_000_000;

/** The end of what can be read, when it is not the end of what was written. */
interface Loss {
  readonly kind: Doubt["kind"];
  /** Infinity when nobody knows which groups are lost. */
  readonly group: number;
  /** Last entries of the logs in the group, if its table could be read. */
  readonly through: ReadonlyMap<string, LogIndex> | undefined;
}

/** What the files of a journal hold. */
export class RecoveredJournal {
  /** The highest number of a group that may be in a file. */
  group: number;
  /** Logs that have something in a file, or may have. */
  readonly logsOf = new Map<number, Set<string>>();
  readonly #replicas: ReadonlySet<string>;
  readonly #parts = new Map<string, { group: number; frames: JournalPart["frames"] }[]>();
  readonly #settled = new Set<string>();
  #losses: readonly Loss[] = [];

  /** @param replicas keys of the logs that this broker has; nobody asks for what is here of others */
  constructor(group: number, replicas: ReadonlySet<string>) {
    this.group = group;
    this.#replicas = replicas;
  }

  tailOf(record: ReplicaRecord): JournalTail {
    const key = keyOf(record);
    const losses = this.#settled.has(key) ? [] : this.#losses.filter(({ through }) => through === undefined || through.has(key));
    return { parts: this.#parts.get(key) ?? [], lost: losses.map(({ kind, group, through }) => ({ kind, group, through: through?.get(key) })) };
  }

  /** The log has it all in its own files, or is no more. */
  settled(key: string): void {
    this.#settled.add(key);
    this.#parts.delete(key);
    for (const logs of this.logsOf.values()) logs.delete(key);
  }

  /** A whole group. */
  add(file: number, { group }: GroupExtent, parts: readonly JournalPart[]): void {
    this.group = Math.max(this.group, group);
    for (const part of parts) {
      const key = keyOf(part);
      if (!this.#replicas.has(key)) continue;
      this.#isIn(file, key);
      const known = this.#parts.get(key);
      if (known === undefined) this.#parts.set(key, [{ group, frames: part.frames }]);
      else known.push({ group, frames: part.frames });
    }
  }

  /** Whether more is lost than the last groups of processes. */
  get isDamaged(): boolean {
    return this.#losses.some(({ kind }) => kind === "damaged");
  }

  /** What is not known to be of some logs is of all. The file stays until each has written that down. */
  lose(file: number, loss: Loss): void {
    for (const key of loss.through?.keys() ?? this.#replicas) if (this.#replicas.has(key)) this.#isIn(file, key);
    this.#losses = [...this.#losses, loss];
  }

  #isIn(file: number, key: string): void {
    const logs = this.logsOf.get(file);
    if (logs === undefined) this.logsOf.set(file, new Set([key]));
    else logs.add(key);
  }
}

interface RecoveryOptions {
  readonly files: Files;
  readonly folder: string;
  /** The files that the journal consists of, ascending. */
  readonly listed: readonly number[];
  /** No group was begun with a higher number than this, except those that are in the files. */
  readonly group: number;
  readonly replicas: readonly ReplicaRecord[];
}

/** @throws QuireError DATA_FOLDER_MISMATCH when a newer release wrote here */
export async function recoverJournal({ files, folder, listed, group, replicas }: RecoveryOptions): Promise<RecoveredJournal> {
  const recovered = new RecoveredJournal(group, new Set(replicas.map(keyOf)));
  const pathOf = (number: number): string => `${folder}/${journalName(number)}`;
  let before: { readonly number: number; readonly last: number; readonly isWhole: boolean } | undefined;
  for (const number of listed) {
    const bytes = await readFile(files, pathOf(number));
    const header = bytes === undefined ? undefined : decodeFileHeader(bytes);
    if (header === "newer") throw newerRelease(folder);
    if (bytes === undefined || header?.number !== number) {
      recovered.lose(number, DAMAGED);
      before = undefined;
      continue;
    }
    const { range, loss } = readGroups(bytes, number, recovered);
    if (loss !== undefined) recovered.lose(number, loss);
    // A process goes on in the next file when all before it is synced; the file after the one in use is made before it is needed.
    if (before !== undefined && header.follows === before.number && bytes.length > JOURNAL_HEADER_BYTES) {
      const isNext = range === undefined ? !Number.isNaN(before.last) : range.first === before.last + 1;
      if (!(before.isWhole && isNext)) recovered.lose(before.number, DAMAGED);
    }
    before = { number, last: range?.last ?? Number.NaN, isWhole: loss === undefined };
  }
  return recovered;
}

const DAMAGED: Loss = { kind: "damaged", group: Number.POSITIVE_INFINITY, through: undefined };

/** Undefined when the file is gone or cannot be read, which is the same to us. Other errors pass. */
async function readFile(files: Files, path: string): Promise<Buffer | undefined> {
  try {
    return await files.readAll(path);
  } catch (error) {
    if (error instanceof QuireError && error.reason === "LOG_CORRUPT") return undefined;
    throw error;
  }
}

/** What was found in a file: the numbers of the first and the last group, if there is any, and why that is not all. */
interface FoundGroups {
  readonly range: { readonly first: number; readonly last: number } | undefined;
  readonly loss: Loss | undefined;
}

/** Reads groups until the file ends, or what comes cannot be believed. */
function readGroups(bytes: Buffer, number: number, recovered: RecoveredJournal): FoundGroups {
  let at = JOURNAL_HEADER_BYTES;
  let range: { first: number; last: number } | undefined;
  while (at < bytes.length) {
    const group = readGroup(bytes, at);
    const expected = range === undefined ? (group?.group ?? recovered.group + 1) : range.last + 1;
    const next = group?.group === expected ? group : undefined;
    const parts = next && readFrames(bytes, next);
    if (next === undefined || parts === undefined) {
      const newest = newestBeyond(bytes, next?.end ?? at, expected);
      recovered.group = Math.max(recovered.group, newest);
      // Only the last group of a process can have been interrupted: a later one proves that it was synced.
      return { range, loss: newest === expected ? { kind: "torn", group: expected, through: next && lastEntries(next) } : DAMAGED };
    }
    recovered.add(number, next, parts);
    range = { first: range?.first ?? expected, last: expected };
    at = next.end;
  }
  return { range, loss: undefined };
}

const lastEntries = ({ parts }: GroupExtent): Map<string, LogIndex> => new Map(parts.map((part) => [keyOf(part), indexPlus(part.first, part.count - 1)]));

/** The highest number of the groups with whole headers from `from` on, wherever they stand; at least `least`. Records may hold bytes that look like one. */
function newestBeyond(bytes: Buffer, from: number, least: number): number {
  let newest = least;
  for (let at = bytes.indexOf(GROUP_MAGIC_BYTES, from); at >= 0; at = bytes.indexOf(GROUP_MAGIC_BYTES, at + 1)) {
    const group = readGroup(bytes, at)?.group ?? 0;
    if (group <= least + GROUPS_OF_FILE_MAX) newest = Math.max(newest, group);
  }
  return newest;
}

export const newerRelease = (folder: string): QuireError =>
  new QuireError("DATA_FOLDER_MISMATCH", `the journal in ${folder} was written by a newer release; run that release, or one after it`, { details: { folder } });
