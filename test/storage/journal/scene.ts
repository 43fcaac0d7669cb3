/** Logs over a journal so small that it is left all the time, in the system's time. */

import { systemClock } from "../../../src/base/system-ports.js";
import type { Journal, JournalLimits } from "../../../src/storage/journal/journal.js";
import type { LogSettings } from "../../../src/storage/log.js";
import { frame } from "../../support/frames.js";
import { JournalDisk, recordOf } from "../../support/journal-disk.js";
import type { TestLog } from "../../support/storage-log.js";

const LIMITS: JournalLimits = { partBytesMax: 1_500, fileBytes: 3_000, bytesMax: 1e6, ageMsMax: 60_000 };

/** A disk with so many logs, numbered from 1. */
export const sceneOf = (logs: number): JournalDisk =>
  new JournalDisk({ logs: Array.from({ length: logs }, (_, i) => i + 1), limits: LIMITS, clock: systemClock });

export const openLog = (scene: JournalDisk, journal: Journal, log: number, settings?: Partial<LogSettings>): Promise<TestLog> =>
  scene.openLog(recordOf(log), journal, settings && { settings });

/** The next entry of a log. */
export function add({ log }: TestLog, term: number, size = 10): void {
  const index = log.lastIndex + 1;
  log.append([frame({ index, term, baseOffset: log.endOffset, body: Buffer.alloc(size, `${term}/${index} `) })]);
}

/** Several entries, one group each. */
export async function addSynced(opened: TestLog, term: number, count = 1, size = 10): Promise<void> {
  for (let i = 0; i < count; i++) {
    add(opened, term, size);
    await opened.settled();
  }
}

export const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

export const termsOf = ({ log }: TestLog): (number | undefined)[] =>
  Array.from({ length: log.lastIndex - log.logStart.index }, (_, i) => log.termAt((log.logStart.index + 1 + i) as never));
