import assert from "node:assert/strict";
import type { Frame } from "../../src/base/frame.js";
import { logIndex, replicaId, replicaSetId } from "../../src/base/ids.js";
import type { Clock } from "../../src/base/ports.js";
import { JOURNAL_LIMITS, type Journal, type JournalLimits, openJournal } from "../../src/storage/journal/journal.js";
import type { Log } from "../../src/storage/log.js";
import { PatientFiles } from "../../src/storage/patient-files.js";
import type { ReplicaRecord } from "../../src/storage/replica-store.js";
import { FakeClock } from "./fake-clock.js";
import { FaultyFiles } from "./faulty-files.js";
import type { Below } from "./inode.js";
import { MemoryStore } from "./memory-store.js";
import { openTestLog, type TestLog, type TestLogOptions } from "./storage-log.js";

export const JOURNAL_FOLDER = "/data/journal";

/** The replica with this number, of the set with this number. */
export const recordOf = (number: number): ReplicaRecord => ({ replicaSetId: replicaSetId(number), replicaId: replicaId(number) });
export const logFolderOf = (number: number): string => `/data/log${number}`;

interface JournalDiskOptions {
  /** Numbers of the logs; two unless told otherwise. */
  readonly logs?: readonly number[];
  readonly limits?: Partial<JournalLimits>;
  readonly clock?: Clock;
  readonly log?: Pick<TestLogOptions, "settings" | "cacheBytes">;
  /** False: each log has syncs of its own. */
  readonly hasJournal?: boolean;
}

/** One process of a broker. */
export interface JournalProcess {
  readonly journal: Journal | undefined;
  readonly logs: readonly TestLog[];
  /** As when a broker stops. */
  close(): Promise<void>;
}

/** The disk of a broker whose logs share a journal, through any number of processes. The database is never at fault. */
export class JournalDisk {
  files = new FaultyFiles();
  readonly clock: Clock;
  readonly records: readonly ReplicaRecord[];
  readonly store = new MemoryStore();
  readonly #options: JournalDiskOptions;

  constructor(options: JournalDiskOptions = {}) {
    this.#options = options;
    this.clock = options.clock ?? new FakeClock();
    this.records = (options.logs ?? [1, 2]).map(recordOf);
    this.store.replicas = async () => this.records;
  }

  /** @param limits of this process alone */
  async openJournal(limits: Partial<JournalLimits> = {}): Promise<Journal> {
    const { files, store, clock } = this;
    const all = { ...JOURNAL_LIMITS, ...this.#options.limits, ...limits };
    return openJournal({ files: new PatientFiles(files, clock), folder: JOURNAL_FOLDER, store, clock, limits: all });
  }

  openLog(record: ReplicaRecord, journal: Journal | undefined, log = this.#options.log): Promise<TestLog> {
    const { files, clock } = this;
    return openTestLog({ files, clock, folder: logFolderOf(record.replicaSetId), ...log, ...(journal && { journal: { journal, record } }) });
  }

  /** Begins a process: the journal, then all logs. */
  async open(): Promise<JournalProcess> {
    const journal = this.#options.hasJournal === false ? undefined : await this.openJournal();
    const logs = await Promise.all(this.records.map((record) => this.openLog(record, journal)));
    const close = async (): Promise<void> => {
      await Promise.all(logs.map(({ log }) => log.close()));
      await journal?.close();
    };
    return { journal, logs, close };
  }

  /** The process dies; what it wrote is there. */
  kill(): void {
    this.files.diesAfter = -1;
    this.files = this.files.restart();
  }

  /** The power goes; of what was not synced nothing is there, unless told otherwise. */
  cutPower(below: Below = nothing): void {
    this.files.diesAfter = -1;
    this.files = this.files.crash(below);
  }

  /** Paths of the journal's files. */
  journalPaths(): string[] {
    return this.files.paths().filter((path) => path.startsWith(`${JOURNAL_FOLDER}/`));
  }
}

/** All entries of a log. */
export async function entriesOf(log: Log): Promise<Frame[]> {
  const found: Frame[] = [];
  for (let next = log.logStart.index + 1; next <= log.lastIndex; next = log.logStart.index + found.length + 1) {
    found.push(...(await log.read(logIndex(next), log.lastIndex, 5_000)));
  }
  return found;
}

/** Of choices that a power cut has: the length as it was synced, no sector, no name. */
const nothing: Below = (bound) => (bound === 3 ? 0 : Math.min(1, bound - 1));

const TURNS_MAX = 10_000;

/** Lets the event loop turn until it is so. */
export async function turnsUntil(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    assert.ok(turn < TURNS_MAX, "what was waited for did not come");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
