import assert from "node:assert/strict";
import { test } from "node:test";
import { term } from "../../src/base/ids.js";
import { KIB, MIB } from "../../src/base/limits.js";
import type { Log } from "../../src/storage/log.js";
import type { ReplicaRecord } from "../../src/storage/replica-store.js";
import { SegmentedLogs } from "../../src/storage/segmented-logs.js";
import { frames } from "../support/frames.js";
import { entriesOf, JOURNAL_FOLDER, JournalDisk, turnsUntil } from "../support/journal-disk.js";

const settings = { segmentBytes: MIB, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1 } as const;

/** A broker's logs, as one process has them, over the disk as it is now. */
const logsOn = (disk: JournalDisk): SegmentedLogs =>
  new SegmentedLogs({
    files: disk.files,
    clock: disk.clock,
    folder: "/data/logs",
    journal: { folder: JOURNAL_FOLDER, appendBytesMax: 32 * KIB },
    store: disk.store,
    cacheBytes: MIB,
  });

const open = (logs: SegmentedLogs, record: ReplicaRecord): Promise<Log> => logs.open(record, settings, { onSynced() {}, onFailed() {} });

async function append(log: Log, from: number, through: number, termOf = 1): Promise<void> {
  log.append(frames(from, through, { term: termOf }));
  await turnsUntil(() => log.syncedIndex === through);
}

/** A disk with the logs of two replicas, of which the first one's entries are in the journal alone, since its own files failed. */
async function begin(): Promise<{ disk: JournalDisk; logs: SegmentedLogs; record: ReplicaRecord; other: ReplicaRecord; close: () => Promise<void> }> {
  const disk = new JournalDisk();
  const [record = assert.fail(), other = assert.fail()] = disk.records;
  const logs = logsOn(disk);
  const [log, second] = [await open(logs, record), await open(logs, other)];
  await append(log, 1, 3);
  await append(second, 1, 1);
  disk.files.fault = (operation, path) => (operation === "open" && path.startsWith("/data/logs/1-1/") && path.endsWith(".log") ? { code: "EIO" } : undefined);
  await log.close();
  disk.files.fault = () => undefined;
  return { disk, logs, record, other, close: () => second.close() };
}

const removals = {
  "set aside": (logs: SegmentedLogs, record: ReplicaRecord) => logs.setAside(record),
  deleted: (logs: SegmentedLogs, record: ReplicaRecord) => logs.delete(record),
} as const;

test("entries that a failed log could not bring to its files are there after a restart", async () => {
  const { disk, record } = await begin();
  disk.kill();
  assert.deepEqual(await entriesOf(await open(logsOn(disk), record)), frames(1, 3));
});

for (const [name, remove] of Object.entries(removals)) {
  test(`a log that was ${name} keeps no file of the journal alive`, async () => {
    const { disk, logs, record, close } = await begin();
    await close();
    assert.equal(disk.journalPaths().length, 1, "it failed before it had brought its entries to its files");
    await remove(logs, record);
    await logs.close();
    assert.deepEqual(disk.journalPaths(), []);
  });

  for (const end of ["kill", "cutPower"] as const) {
    test(`nothing of a log that was ${name} comes back in a fresh log of the same replica, after a ${end}`, async () => {
      for (const appended of [0, 2]) {
        const { disk, logs, record, other } = await begin();
        await remove(logs, record);
        const fresh = await open(logs, record);
        assert.deepEqual([fresh.lastIndex, fresh.doubt], [0, undefined]);
        if (appended > 0) await append(fresh, 1, appended, 7);
        disk[end]();
        const next = logsOn(disk);
        const again = await open(next, record);
        assert.deepEqual([await entriesOf(again), again.doubt], [frames(1, appended, { term: 7 }), undefined]);
        assert.equal((await open(next, other)).lastIndex, 1, "the other log has what the journal held of it");
      }
    });

    test(`a log that was ${name}, and whose fresh one was not begun before a ${end}, has nothing of it either`, async () => {
      const { disk, logs, record } = await begin();
      await remove(logs, record);
      disk[end]();
      const again = await open(logsOn(disk), record);
      assert.deepEqual([again.lastIndex, again.doubt], [0, undefined]);
    });
  }
}

test("a log that is lost, of a replica that was in a term, is not made up from what the journal has of it", async () => {
  const { disk, record } = await begin();
  disk.kill();
  await disk.files.removeFolder("/data/logs/1-1");
  disk.store.hardState = async () => ({ term: term(3), votedFor: null });
  const log = await open(logsOn(disk), record);
  assert.deepEqual([log.lastIndex, log.doubt], [0, { kind: "damaged", from: 1 }]);
});

test("when all logs are closed and then the journal, no file of it is left", async () => {
  const disk = new JournalDisk();
  const logs = logsOn(disk);
  const opened = await Promise.all(disk.records.map((record) => open(logs, record)));
  await Promise.all(opened.map((log) => append(log, 1, 2)));
  assert.equal(disk.journalPaths().length, 1);
  await Promise.all(opened.map((log) => log.close()));
  await logs.close();
  assert.deepEqual(disk.journalPaths(), []);
  await logsOn(disk).close();
});
