import { type Files, syncFile } from "./files.js";
import type { OpenSegments } from "./open-segments.js";
import { indexName, type Segment, segmentName } from "./segment.js";

/** What must leave a log's files before anything is written again. */
export interface PendingCut {
  /** The last segment that stays, if any, and its length. */
  readonly kept: Segment | undefined;
  readonly position: number;
  readonly removed: ReadonlySet<Segment>;
}

/** Takes it out of the files, once a checkpoint says that it is not wanted. */
export async function removeCut(files: Files, folder: string, openSegments: OpenSegments, { kept, position, removed }: PendingCut): Promise<void> {
  for (const segment of [...removed].sort((a, b) => b.first - a.first)) await removeSegment(files, folder, openSegments, segment);
  if (removed.size > 0) await files.syncFolder(folder);
  if (kept !== undefined) await shorten(files, folder, openSegments, kept, position);
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
