import type { LogIndex } from "../base/ids.js";
import { type Files, syncFile } from "./files.js";
import type { EntryPlace, LogState } from "./log-state.js";
import type { OpenSegments } from "./open-segments.js";
import { indexName, type Segment, segmentName } from "./segment.js";

/** What must leave a log's files before anything is written again. */
export interface PendingCut {
  /** The last segment that stays, if any, and its length. */
  readonly kept: Segment | undefined;
  readonly position: number;
  readonly removed: ReadonlySet<Segment>;
}

interface Where {
  readonly files: Files;
  readonly folder: string;
  readonly openSegments: OpenSegments;
  readonly state: Pick<LogState, "segments">;
}

/**
 * Takes it out of the files, once a checkpoint says that it is not wanted.
 *
 * @param written the files' end. What a journal refused is in none, which may end before the cut, or not have been begun
 */
export async function removeCut(
  { files, folder, openSegments, state }: Where,
  cut: PendingCut,
  written: { index: LogIndex; place: EntryPlace },
): Promise<void> {
  const { kept, removed } = cut;
  const position = Math.min(cut.position, written.place.position);
  for (const segment of [...removed].sort((a, b) => b.first - a.first)) await removeSegment(files, folder, openSegments, segment);
  if (removed.size > 0) await files.syncFolder(folder);
  if (kept === undefined || written.index < kept.first) return;
  try {
    await shorten(files, folder, openSegments, kept, position);
  } catch (error) {
    // It may be dropped meanwhile, and its file with it.
    if (state.segments.includes(kept)) throw error;
  }
}

/** Whose entries nobody wants any more. */
export async function removeSegment(files: Files, folder: string, openSegments: OpenSegments, segment: Segment): Promise<void> {
  openSegments.forget(segment);
  await files.remove(`${folder}/${segmentName(segment.first)}`);
  await files.remove(`${folder}/${indexName(segment.first)}`);
}

async function shorten(files: Files, folder: string, openSegments: OpenSegments, segment: Segment, position: number): Promise<void> {
  openSegments.forget(segment);
  await files.remove(`${folder}/${indexName(segment.first)}`);
  const file = await files.open(`${folder}/${segmentName(segment.first)}`, "write");
  try {
    await file.truncate(position);
    await syncFile(file);
  } finally {
    await file.close();
  }
}
