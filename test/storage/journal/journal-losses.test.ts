/** Losses in the journal through the process that finds them and those after it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex } from "../../../src/base/ids.js";
import type { Doubt } from "../../../src/consensus/types.js";
import { frames } from "../../support/frames.js";
import { entriesOf, JournalDisk, recordOf, turnsUntil } from "../../support/journal-disk.js";
import type { TestLog } from "../../support/storage-log.js";

async function append({ log, settled }: TestLog, from: number, through: number, term = 1): Promise<void> {
  log.append(frames(from, through, { term }));
  await settled();
}

/** Logs 1, 2 and 3 have a group each, and then logs 1 and 2 share one, which is spoiled as told. */
async function diskWithLoss(spoil: (bytes: Buffer) => Buffer): Promise<JournalDisk> {
  const disk = new JournalDisk({ logs: [1, 2, 3] });
  const { logs } = await disk.open();
  for (const log of logs) await append(log, 1, 1);
  await Promise.all(logs.slice(0, 2).map((log) => append(log, 2, 3)));
  disk.kill();
  disk.files.damage(disk.journalPaths()[0] ?? "", spoil);
  return disk;
}

const tornEnd = (bytes: Buffer): Buffer => bytes.subarray(0, -1);
const doubtsOf = (logs: readonly TestLog[]): (Doubt | undefined)[] => logs.map(({ log }) => log.doubt);
const torn = { kind: "torn", from: 2 } as const;

test("of a torn group only those logs are in doubt that were in it", async () => {
  const disk = await diskWithLoss(tornEnd);
  const { logs } = await disk.open();
  assert.deepEqual(doubtsOf(logs), [torn, torn, undefined]);
});

test("damage in the middle puts all logs in doubt", async () => {
  const disk = await diskWithLoss((bytes) => {
    bytes.writeUInt8(bytes.readUInt8(200) ^ 1, 200);
    return bytes;
  });
  const { logs } = await disk.open();
  assert.deepEqual(
    doubtsOf(logs).map((doubt) => doubt?.kind),
    ["damaged", "damaged", "damaged"],
  );
});

test("a lost file is damage to every log, written down by each before its file is forgotten", async () => {
  const disk = await diskWithLoss((bytes) => bytes);
  disk.files.lose(disk.journalPaths()[0] ?? "");
  const journal = await disk.openJournal();
  const early = await disk.openLog(recordOf(1), journal);
  assert.deepEqual(early.log.doubt, { kind: "damaged", from: 1 });
  disk.kill();
  const { logs } = await disk.open();
  assert.deepEqual(
    doubtsOf(logs).map((doubt) => doubt?.kind),
    ["damaged", "damaged", "damaged"],
  );
  // Not closed: that writes a checkpoint of its own.
  while ((await disk.store.get("journal"))?.includes('"files":[]') !== true) await new Promise((resolve) => setImmediate(resolve));
  disk.cutPower();
  const again = await disk.open();
  assert.deepEqual(
    doubtsOf(again.logs).map((doubt) => doubt?.kind),
    ["damaged", "damaged", "damaged"],
  );
});

test("a replica that was just made has lost nothing, whatever the journal lost", async () => {
  const disk = await diskWithLoss((bytes) => bytes);
  disk.files.lose(disk.journalPaths()[0] ?? "");
  assert.equal((await disk.openLog(recordOf(4), await disk.openJournal())).log.doubt, undefined);
});

test("a log that is closed and opened again by the same process is not told of a loss twice", async () => {
  const disk = await diskWithLoss(tornEnd);
  const journal = await disk.openJournal();
  const { log } = await disk.openLog(recordOf(1), journal);
  await log.clearDoubt();
  await log.close();
  assert.equal((await disk.openLog(recordOf(1), journal)).log.doubt, undefined);
});

test("a file with a loss stays until every log has written the doubt down", async () => {
  const disk = await diskWithLoss(tornEnd);
  const journal = await disk.openJournal();
  await disk.openLog(recordOf(3), journal);
  await disk.openLog(recordOf(1), journal);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(disk.journalPaths().length, 1);
  await disk.openLog(recordOf(2), journal);
  await turnsUntil(() => disk.journalPaths().length === 0);
});

test("while some log has not written a torn group down, the others use the journal, and that makes no damage of it", async () => {
  const disk = await diskWithLoss(tornEnd);
  const journal = await disk.openJournal();
  const one = await disk.openLog(recordOf(1), journal);
  await append(one, 2, 2, 2);
  await append(one, 3, 3, 2);
  assert.equal(journal.syncs, 2);
  disk.kill();
  const { logs } = await disk.open();
  assert.deepEqual(
    logs.map(({ log }) => [log.lastIndex, log.doubt?.kind]),
    [
      [3, "torn"],
      [1, "torn"],
      [1, undefined],
    ],
  );
});

test("a torn group that is found twice, since the process that found it died, is still torn", async () => {
  const disk = await diskWithLoss(tornEnd);
  for (let process = 0; process < 4; process++) {
    const journal = await disk.openJournal();
    const { log } = await disk.openLog(recordOf(1), journal);
    assert.deepEqual(log.doubt, torn);
    disk.cutPower();
  }
  const { logs } = await disk.open();
  assert.deepEqual(doubtsOf(logs), [torn, torn, undefined]);
});

test("what counted after a lost file is not taken for what a cut before the loss had made void", async () => {
  const disk = new JournalDisk({ logs: [1] });
  const first = await disk.open();
  const [one = assert.fail("one log")] = first.logs;
  for (let index = 1; index <= 9; index++) await append(one, index, index);
  one.log.truncate(logIndex(9));
  await append(one, 9, 9, 2);
  disk.kill();
  disk.files.lose(disk.journalPaths()[0] ?? "");
  const second = await disk.open();
  const [again = assert.fail("one log")] = second.logs;
  assert.deepEqual(again.log.doubt, { kind: "damaged", from: 9 });
  await again.log.clearDoubt();
  await turnsUntil(() => second.journal?.isOpen === true);
  await append(again, 9, 9, 3);
  assert.equal(second.journal?.syncs, 1);
  disk.kill();
  const [third = assert.fail("one log")] = (await disk.open()).logs;
  assert.deepEqual([await entriesOf(third.log), third.log.doubt], [[...frames(1, 8), ...frames(9, 9, { term: 3 })], undefined]);
});

test("damage of the one log that is in doubt does not touch what others have in the journal", async () => {
  const disk = new JournalDisk();
  const { logs } = await disk.open();
  const [one, two] = logs as [TestLog, TestLog];
  await append(one, 1, 2);
  await append(two, 1, 2);
  await append(one, 3, 4);
  disk.kill();
  assert.ok(disk.files.paths().includes("/data/log1/checkpoint"));
  disk.files.lose("/data/log1/checkpoint");
  const again = await disk.open();
  assert.equal(again.logs[1]?.log.lastIndex, 2);
  assert.equal(again.logs[1]?.log.doubt, undefined);
});
