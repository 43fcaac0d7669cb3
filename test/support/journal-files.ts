/** Files of a journal, made by hand. */
import type { Frame } from "../../src/base/frame.js";
import { writeFile } from "../../src/storage/files.js";
import { encodeFileHeader, encodeGroup, type JournalFileHeader, type JournalPart } from "../../src/storage/journal/journal-codec.js";
import { journalName } from "../../src/storage/journal/journal-names.js";
import type { FaultyFiles } from "./faulty-files.js";
import { JOURNAL_FOLDER, recordOf } from "./journal-disk.js";

const GROUP_BYTES_MAX = 100_000;

export const journalPath = (file: number): string => `${JOURNAL_FOLDER}/${journalName(file)}`;

/** Frames of the log with this number. */
export const partOf = (log: number, frames: readonly Frame[]): JournalPart => ({ ...recordOf(log), frames });

export function groupBytes(group: number, parts: readonly JournalPart[]): Buffer {
  const into = Buffer.alloc(GROUP_BYTES_MAX);
  return into.subarray(0, encodeGroup(into, group, parts));
}

/** A file on the disk, synced. */
export async function writeJournalFile(files: FaultyFiles, header: JournalFileHeader, groups: readonly Buffer[]): Promise<void> {
  await files.makeFolder(JOURNAL_FOLDER);
  await writeFile(files, journalPath(header.number), Buffer.concat([encodeFileHeader(header), ...groups]), { sync: true });
  await files.syncFolder(JOURNAL_FOLDER);
}
