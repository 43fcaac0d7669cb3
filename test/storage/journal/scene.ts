/** Several logs of one broker over one journal, on a disk that lies. */

import { replicaId, replicaSetId } from "../../../src/base/ids.js";
import type { Clock } from "../../../src/base/ports.js";
import { systemClock } from "../../../src/base/system-ports.js";
import { type Journal, type JournalLimits, openJournal } from "../../../src/storage/journal/journal.js";
import type { LogSettings } from "../../../src/storage/log.js";
import { PatientFiles } from "../../../src/storage/patient-files.js";
import type { ReplicaRecord } from "../../../src/storage/replica-store.js";
import { FaultyFiles } from "../../support/faulty-files.js";
import { frame } from "../../support/frames.js";
import { MemoryStore } from "../../support/memory-store.js";
import { openTestLog, type TestLog } from "../../support/storage-log.js";

export const JOURNAL = "/data/journal";
const LIMITS: JournalLimits = { partBytesMax: 1_500, fileBytes: 3_000, bytesMax: 1e6, ageMsMax: 60_000 };

export class Scene {
  files = new FaultyFiles();
  readonly store = new MemoryStore();
  readonly records: ReplicaRecord[];
  clock: Clock = systemClock;

  constructor(logs: number) {
    this.records = Array.from({ length: logs }, (_, i) => ({ replicaSetId: replicaSetId(i + 1), replicaId: replicaId(i + 1) }));
    this.store.replicas = async () => this.records;
  }

  openJournal(limits: Partial<JournalLimits> = {}): Promise<Journal> {
    const { store, clock } = this;
    return openJournal({ files: new PatientFiles(this.files, clock), folder: JOURNAL, store, clock, limits: { ...LIMITS, ...limits } });
  }

  /** The log with this number, from 1. */
  open(journal: Journal, log: number, settings: Partial<LogSettings> = {}): Promise<TestLog> {
    const record = this.records[log - 1];
    if (record === undefined) throw new Error("no such log");
    return openTestLog({ files: this.files, clock: this.clock, folder: `/data/logs/${log}`, journal: { journal, record }, settings });
  }

  journalFiles(): string[] {
    return this.files.paths().filter((path) => path.startsWith(`${JOURNAL}/`));
  }

  /** The process dies; the system lives. */
  kill(): void {
    const { files } = this;
    files.diesAfter = -1;
    this.files = files.restart();
  }

  /** Nothing that was not synced is left. */
  cutPower(below: (bound: number) => number = () => 0): void {
    const { files } = this;
    files.diesAfter = -1;
    this.files = files.crash(below);
  }
}

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
