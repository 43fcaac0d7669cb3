/** Whether the logs on the brokers' disks, read with the storage's own code while no broker runs, are the same entry for entry. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { logIndex } from "../../src/base/ids.js";
import { systemClock } from "../../src/base/system-ports.js";
import type { Frame, Log } from "../../src/storage/log.js";
import { nodeFiles } from "../../src/storage/node-files.js";
import { OpenSegments } from "../../src/storage/open-segments.js";
import { openSegmentedLog } from "../../src/storage/segmented-log.js";
import { TailCache } from "../../src/storage/tail-cache.js";

const READ_BYTES = 4 * 1024 * 1024;
/** `<replica set>-<replica>`; what was set aside has a longer name. */
const LOG_FOLDER = /^(\d+)-(\d+)$/;

export interface DiskVerdict {
  readonly replicaSets: number;
  /** Entries compared, each with at least one other copy. */
  readonly entries: number;
  readonly differences: readonly string[];
}

/** `dataFolders` by node id. */
export async function compareDisks(dataFolders: ReadonlyMap<number, string>): Promise<DiskVerdict> {
  const copies = new Map<string, { readonly nodeId: number; readonly folder: string }[]>();
  for (const [nodeId, dataFolder] of dataFolders) {
    const logs = join(dataFolder, "logs");
    for (const name of readdirSync(logs)) {
      const set = LOG_FOLDER.exec(name)?.[1];
      if (set !== undefined) copies.set(set, [...(copies.get(set) ?? []), { nodeId, folder: join(logs, name) }]);
    }
  }
  let entries = 0;
  const differences: string[] = [];
  for (const [set, folders] of copies) {
    const logs = await Promise.all(folders.map(async ({ nodeId, folder }) => ({ nodeId, log: await open(folder) })));
    const compared = await compareLogs(set, logs);
    entries += compared.entries;
    differences.push(...compared.differences);
    await Promise.all(logs.map(({ log }) => log.close()));
  }
  return { replicaSets: copies.size, entries, differences };
}

interface Copy {
  readonly nodeId: number;
  readonly log: Log;
}

/** Compares neighbours, so that all are compared; as far as both go, for ends that were never committed may differ. */
async function compareLogs(set: string, logs: readonly Copy[]): Promise<{ entries: number; differences: string[] }> {
  const differences = logs.flatMap(({ nodeId, log }) =>
    log.doubt === undefined ? [] : [`replica set ${set}: broker ${nodeId}'s log is in doubt (${log.doubt.kind} from ${log.doubt.from})`],
  );
  let entries = 0;
  for (const [at, other] of logs.entries()) {
    const one = logs[at - 1];
    if (one === undefined) continue;
    const compared = await comparePair(one.log, other.log);
    entries += compared.entries;
    if (compared.differsAt !== undefined)
      differences.push(`replica set ${set}: brokers ${one.nodeId} and ${other.nodeId} differ at log index ${compared.differsAt}`);
  }
  return { entries, differences };
}

async function comparePair(one: Log, other: Log): Promise<{ entries: number; differsAt?: number }> {
  const through = Math.min(one.lastIndex, other.lastIndex);
  let next = Math.max(one.logStart.index, other.logStart.index) + 1;
  let entries = 0;
  while (next <= through) {
    const [mine, theirs] = await Promise.all([one, other].map((log) => log.read(logIndex(next), logIndex(through), READ_BYTES)));
    const count = Math.min(mine?.length ?? 0, theirs?.length ?? 0);
    if (count === 0) return { entries, differsAt: next };
    for (let at = 0; at < count; at++) {
      const [a, b] = [mine?.[at], theirs?.[at]];
      if (a === undefined || b === undefined || !isSame(a, b)) return { entries, differsAt: next };
      next += 1;
      entries += 1;
    }
  }
  return { entries };
}

const isSame = (a: Frame, b: Frame): boolean =>
  a.index === b.index && a.term === b.term && a.kind === b.kind && a.baseOffset === b.baseOffset && a.body.equals(b.body);

const open = (folder: string): Promise<Log> =>
  openSegmentedLog({
    files: nodeFiles,
    folder,
    clock: systemClock,
    settings: { segmentBytes: 128 * 1024 * 1024, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1_000 },
    callbacks: { onSynced: () => undefined, onFailed: () => undefined },
    tailCache: new TailCache(0),
    openSegments: new OpenSegments(nodeFiles, 64),
    isNew: false,
    bootId: "",
  });
