import { QuireError } from "../base/errors.js";
import { indexPlus, type LogIndex, logIndex, offset, term } from "../base/ids.js";
import type { Doubt } from "../consensus/types.js";
import { CHECKPOINT_FORMAT, CHECKPOINT_NAME, type Checkpoint, decodeCheckpoint, FAILED_NAME, UNSURE_NAME } from "./checkpoint.js";
import { type Files, makeLastingFolder, writeFile } from "./files.js";
import type { Durable } from "./group-commit.js";
import { LogRecovery, newerRelease } from "./log-recovery.js";
import type { LogState } from "./log-state.js";
import { mergeDoubts } from "./recovery.js";
import { firstIndexesOf } from "./segment.js";

export interface OpenedLog {
  readonly state: LogState;
  readonly durable: Durable;
  readonly doubt: Doubt | undefined;
  /** Whether the checkpoint on disk says all of this. */
  readonly isCheckpointed: boolean;
  /** See `Checkpoint`. */
  readonly voidThrough: number;
  /** There was no log, or no checkpoint to tell where it began: what a journal holds is of another one, or does not help. */
  readonly isBegun: boolean;
}

export interface OpenLogOptions {
  readonly files: Files;
  readonly folder: string;
  /** True: no log here means an empty one. False: no log here means that it was lost. */
  readonly isNew: boolean;
  /** Names the time since the machine was started; empty when unknown. */
  readonly bootId: string;
  /** Number of the last group that was begun in the broker's journal, by now; 0 without one. */
  readonly journalGroup: number;
}

/** What the folder said before any entry was looked at. */
interface Base {
  readonly checkpoint: Checkpoint;
  /** Found while reading it. */
  readonly doubt: Doubt | undefined;
  /** The checkpoint has to be written anew. */
  readonly isRepaired: boolean;
  /** The checkpoint was made up. */
  readonly isBegun: boolean;
  /** A sync failed, and what it left out is not known: what memory takes for written may not be on disk. */
  readonly isUnsure: boolean;
}

/**
 * Brings a log's folder into order and says what is in it: everything from the checkpoint on is read and checked, what cannot
 * be kept is removed, and what is kept is synced. The doubt is on disk before the bytes that caused it go.
 *
 * After a failed sync the kernel takes for written what is not on disk, and the next sync succeeds without it. So whatever fails here
 * leaves a mark in the same memory: the next attempt writes anew what it is to sync (safety.md, rule 11).
 *
 * @throws QuireError DATA_FOLDER_MISMATCH when a newer release wrote here
 */
export async function openLog(options: OpenLogOptions): Promise<OpenedLog> {
  try {
    return await open(options);
  } catch (error) {
    const { files, folder } = options;
    await writeFile(files, `${folder}/${UNSURE_NAME}`, Buffer.alloc(0), { sync: false }).catch(() => undefined);
    throw error;
  }
}

async function open(options: OpenLogOptions): Promise<OpenedLog> {
  const { files, folder, bootId } = options;
  const names = (await files.list(folder)) ?? [];
  // The former process may have ended between a rename and its sync: what is built upon from here on must not come undone.
  if (names.length > 0) await files.syncFolder(folder);
  const base = await loadBase(options, names);
  const { checkpoint, isUnsure } = base;
  const recovery = new LogRecovery({ files, folder, checkpoint, names, isCheckpointLost: base.doubt?.kind === "damaged", isUnsure });
  const isWhole = await recovery.checkKnownSegments();
  if (isWhole) await recovery.scanTail();
  const { deferredIn } = base.checkpoint;
  const mayBeBehind = deferredIn !== undefined && (deferredIn === "" || deferredIn !== bootId);
  const behind: Doubt | undefined = mayBeBehind ? { kind: "torn", from: indexPlus(recovery.state.lastIndex, 1) } : undefined;
  const doubt = mergeDoubts(mergeDoubts(base.checkpoint.doubt, base.doubt), mergeDoubts(recovery.doubt, behind));
  const isCheckpointed = await recovery.finish(doubt, base.isRepaired || mayBeBehind);
  const { voidThrough = 0 } = base.checkpoint;
  return { state: recovery.state, durable: recovery.durable, doubt, isCheckpointed, voidThrough, isBegun: base.isBegun };
}

/** Makes an empty log's folder, or one in which a log was lost. */
async function loadBase({ files, folder, isNew, journalGroup }: OpenLogOptions, names: readonly string[]): Promise<Base> {
  const checkpoint = await load(files, folder, names, CHECKPOINT_NAME);
  const failed = await load(files, folder, names, FAILED_NAME);
  // The process may have ended while it wrote the mark that a sync had failed.
  const isUnsure = names.includes(UNSURE_NAME) || failed === "damaged";
  if (failed !== undefined && failed !== "damaged" && (checkpoint === undefined || checkpoint === "damaged" || failed.group >= checkpoint.group)) {
    // One more than any group that the failure left behind, so that this mark is never taken for a fresh one.
    return { checkpoint: { ...failed, group: failed.group + 1 }, doubt: undefined, isRepaired: true, isBegun: false, isUnsure };
  }
  if (checkpoint !== undefined && checkpoint !== "damaged") {
    const from = indexPlus(checkpoint.segments.at(-1)?.last ?? checkpoint.logStart.index, 1);
    return { checkpoint, doubt: failed === "damaged" ? { kind: "torn", from } : undefined, isRepaired: failed !== undefined, isBegun: false, isUnsure };
  }
  const [first] = firstIndexesOf(names);
  if (first !== undefined && first > 1) throw beginningLost(folder, first);
  const logStart = { index: logIndex(0), term: term(0) };
  const empty: Checkpoint = {
    format: CHECKPOINT_FORMAT,
    logStart,
    startOffset: offset(0),
    segments: [],
    termRuns: [],
    group: 0,
    index: null,
    ...(journalGroup > 0 && { voidThrough: journalGroup }),
  };
  if (first === undefined) await makeLastingFolder(files, folder);
  const isFresh = isNew && first === undefined && checkpoint === undefined;
  return { checkpoint: empty, doubt: isFresh ? undefined : { kind: "damaged", from: indexPlus(logStart.index, 1) }, isRepaired: true, isBegun: true, isUnsure };
}

/** Nobody can say whether what came before was dropped or is missing: taken for dropped, it would be lost for every reader. */
const beginningLost = (folder: string, first: LogIndex): QuireError =>
  new QuireError(
    "LOG_CORRUPT",
    `the log in ${folder} has no checkpoint, and its first segment begins at ${first}: where the log began is not known; the other replicas know`,
    { details: { first } },
  );

async function load(files: Files, folder: string, names: readonly string[], name: string): Promise<Checkpoint | "damaged" | undefined> {
  const bytes = names.includes(name) ? await files.readAll(`${folder}/${name}`) : undefined;
  if (bytes === undefined) return undefined;
  const checkpoint = decodeCheckpoint(bytes);
  if (checkpoint === "newer") throw newerRelease(folder);
  return checkpoint ?? "damaged";
}
