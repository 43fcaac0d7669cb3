import type { Clock } from "../../src/base/ports.js";
import { systemClock } from "../../src/base/system-ports.js";
import type { LogPosition } from "../../src/consensus/types.js";
import type { Files } from "../../src/storage/files.js";
import type { LogSettings } from "../../src/storage/log.js";
import { OpenSegments } from "../../src/storage/open-segments.js";
import { PatientFiles } from "../../src/storage/patient-files.js";
import { openSegmentedLog, type SegmentedLog, type SegmentedLogOptions } from "../../src/storage/segmented-log.js";
import { TailCache } from "../../src/storage/tail-cache.js";

export interface TestLogOptions {
  readonly files: Files;
  readonly folder?: string;
  readonly settings?: Partial<LogSettings>;
  readonly clock?: Clock;
  readonly cacheBytes?: number;
  readonly isNew?: boolean;
  readonly bootId?: string;
  readonly journal?: SegmentedLogOptions["journal"];
}

export interface TestLog {
  readonly log: SegmentedLog;
  readonly synced: LogPosition[];
  readonly failures: Error[];
  readonly damages: Error[];
  /** Resolves when everything appended is synced, or the log failed. */
  settled(): Promise<void>;
}

/** A segmented log with callbacks that are remembered. */
export async function openTestLog({
  files: disk,
  folder = "/data/log",
  settings,
  clock = systemClock,
  cacheBytes = 1e6,
  isNew = true,
  bootId = "boot",
  journal,
}: TestLogOptions): Promise<TestLog> {
  const synced: LogPosition[] = [];
  const failures: Error[] = [];
  const damages: Error[] = [];
  const files = new PatientFiles(disk, clock);
  const wakes: (() => void)[] = [];
  const wake = (): void => {
    for (const each of wakes.splice(0)) each();
  };
  const log = await openSegmentedLog({
    files,
    folder,
    clock,
    settings: { segmentBytes: 4_000, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 20, ...settings },
    callbacks: {
      onSynced: (last) => {
        synced.push(last);
        wake();
      },
      onFailed: (error) => {
        failures.push(error);
        wake();
      },
      onDamaged: (error) => damages.push(error),
    },
    tailCache: new TailCache(cacheBytes),
    openSegments: new OpenSegments(files, 3),
    isNew,
    bootId,
    ...(journal && { journal }),
  });
  const settled = async (): Promise<void> => {
    while (log.syncedIndex < log.lastIndex && failures.length === 0) await new Promise<void>((resolve) => wakes.push(resolve));
  };
  return { log, synced, failures, damages, settled };
}
