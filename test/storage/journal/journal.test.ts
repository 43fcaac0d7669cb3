import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME_HEADER_BYTES } from "../../../src/base/frame-codec.js";
import { logIndex } from "../../../src/base/ids.js";
import { KIB } from "../../../src/base/limits.js";
import { GROUP_HEADER_BYTES, partBytes } from "../../../src/storage/journal/journal-codec.js";
import { frame } from "../../support/frames.js";
import { JournalDisk, type JournalProcess, turnsUntil } from "../../support/journal-disk.js";
import type { TestLog } from "../../support/storage-log.js";

const BODY_BYTES = 20;
const isJournal = (path: string): boolean => path.endsWith(".journal");
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** The next entry of a log. */
const appendTo = ({ log }: TestLog, bodyBytes = BODY_BYTES): void =>
  log.append([frame({ index: log.lastIndex + 1, baseOffset: log.endOffset, body: Buffer.alloc(bodyBytes, "b") })]);

async function appendAndSettle(logs: readonly TestLog[], bodyBytes?: number): Promise<void> {
  for (const log of logs) appendTo(log, bodyBytes);
  await Promise.all(logs.map((log) => log.settled()));
}

/** A process whose journal is there. */
async function open(disk: JournalDisk): Promise<Required<{ [Key in keyof JournalProcess]: NonNullable<JournalProcess[Key]> }>> {
  const { journal, logs, close } = await disk.open();
  return { journal: journal ?? assert.fail("a journal"), logs, close };
}

test("what many logs append in one turn shares a sync, and all that comes meanwhile shares the next", async () => {
  const disk = new JournalDisk({ logs: numbers(30) });
  const { journal, logs } = await open(disk);
  // The first file is made while others wait for it.
  await appendAndSettle(logs.slice(0, 1));
  const { syncs } = journal;
  const [early, late] = [logs.slice(0, 15), logs.slice(15)];
  disk.files.fault = (operation, path) => {
    if (operation === "write" && isJournal(path) && journal.group === firstGroup + 1) for (const each of late.splice(0)) appendTo(each);
    return undefined;
  };
  const firstGroup = journal.group;
  for (const each of early) appendTo(each);
  await Promise.all(early.map((each) => each.settled()));
  assert.equal(journal.syncs - syncs, 1);
  await Promise.all(logs.map((each) => each.settled()));
  assert.equal(journal.syncs - syncs, 2);
  assert.ok(logs.every(({ log }) => log.syncedIndex === log.lastIndex && log.syncs === 0));
});

test("nothing is reported before the sync that it shares is done", async () => {
  const disk = new JournalDisk();
  const { logs } = await open(disk);
  const reported = (): number => logs.reduce((sum, each) => sum + each.synced.length, 0);
  const seen: [string, number][] = [];
  disk.files.fault = (operation, path) => {
    // Before the disk answers, in the same turn.
    if (isJournal(path)) setImmediate(() => seen.push([operation, reported()]));
    return undefined;
  };
  await appendAndSettle(logs);
  assert.deepEqual(seen.slice(-2), [
    ["write", 0],
    ["sync", 0],
  ]);
  assert.equal(reported(), 2);
});

for (const operation of ["write", "sync"] as const) {
  for (const isPowerCut of [false, true]) {
    test(`after a failed ${operation} the logs in that group fail, the others go on without the journal, and nobody loses what counted, ${isPowerCut ? "power cut" : "kill"}`, async () => {
      const disk = new JournalDisk({ logs: [1, 2, 3, 4] });
      const { journal, logs } = await open(disk);
      await appendAndSettle(logs);
      const [one, two, three, four] = logs as [TestLog, TestLog, TestLog, TestLog];
      disk.files.fault = (called, path) => (called === operation && isJournal(path) ? { code: "EIO" } : undefined);
      await appendAndSettle([one, two]);
      assert.deepEqual(
        [one, two].flatMap((each) => [each.failures.length, each.log.syncedIndex]),
        [1, 1, 1, 1],
      );
      assert.equal(journal.isOpen, false);
      await appendAndSettle([three]);
      await appendAndSettle([three]);
      assert.deepEqual([three.failures, three.log.syncs, three.log.syncedIndex, four.failures], [[], 2, 3, []]);
      if (isPowerCut) disk.cutPower();
      else disk.kill();
      const again = await open(disk);
      for (const [i, least] of [1, 1, 3, 1].entries()) assert.ok((again.logs[i]?.log.lastIndex ?? 0) >= least, `log ${i + 1}`);
      assert.deepEqual([again.logs[2]?.log.doubt, again.logs[3]?.log.doubt], [undefined, undefined]);
      assert.ok(again.logs.every(({ log }) => log.doubt?.kind !== "damaged"));
    });
  }
}

test("after a failure what is behind is still written behind, and what failed keeps its file", async () => {
  const disk = new JournalDisk();
  const { logs, close } = await open(disk);
  const [one, two] = logs as [TestLog, TestLog];
  await appendAndSettle(logs);
  disk.files.fault = (operation, path) => (operation === "sync" && isJournal(path) ? { code: "EIO" } : undefined);
  await appendAndSettle([one]);
  assert.equal(one.failures.length, 1);
  await close();
  assert.equal(two.log.syncs, 1);
  assert.equal(disk.journalPaths().length, 1);
  disk.cutPower();
  const again = await open(disk);
  assert.deepEqual(
    again.logs.map(({ log }) => [log.lastIndex, log.doubt]),
    [
      [1, undefined],
      [1, undefined],
    ],
  );
});

test("a log that is cut while a journal that fails refuses it goes on with files of its own", async () => {
  for (const cutFrom of [11, 12, 13]) {
    const disk = new JournalDisk({ log: { settings: { segmentBytes: 2_000 * KIB } } });
    const { logs } = await open(disk);
    const [one, two] = logs as [TestLog, TestLog];
    for (let count = 0; count < 10; count++) appendTo(one, 10 * KIB);
    appendTo(two);
    await Promise.all([one.settled(), two.settled()]);
    // The next entry begins a segment that has no file yet.
    one.log.configure({ segmentBytes: 100 * KIB, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 20 });
    let isFailing = false;
    disk.files.fault = (operation, path) => {
      if (operation !== "write" || !isJournal(path) || isFailing) return undefined;
      isFailing = true;
      for (let count = 0; count < 3; count++) appendTo(one);
      setImmediate(() => one.log.truncate(logIndex(cutFrom)));
      return { code: "ENOSPC" };
    };
    appendTo(two);
    await turnsUntil(() => two.failures.length > 0 && one.log.lastIndex < cutFrom);
    await one.settled();
    assert.deepEqual([one.failures, one.log.lastIndex, one.log.syncedIndex], [[], cutFrom - 1, cutFrom - 1]);
    disk.files.fault = () => undefined;
    disk.cutPower();
    const [again] = (await open(disk)).logs;
    assert.deepEqual([again?.log.lastIndex, again?.log.doubt], [cutFrom - 1, undefined]);
  }
});

for (const [which, fileNumber] of [
  ["first", 1],
  ["next", 2],
] as const) {
  test(`when the ${which} file cannot be made, no log fails, and all go on with syncs of their own`, async () => {
    const disk = new JournalDisk({ limits: { fileBytes: 400 } });
    const { journal, logs } = await open(disk);
    disk.files.fault = (operation, path) => (operation === "open" && path.endsWith(`${fileNumber}.journal`) ? { code: "ENOSPC" } : undefined);
    for (let round = 0; round < 6; round++) await appendAndSettle(logs);
    assert.deepEqual([journal.isOpen, logs.flatMap(({ failures }) => failures)], [false, []]);
    assert.ok(logs.every(({ log }) => log.syncs > 0));
    disk.cutPower();
    const again = await open(disk);
    assert.deepEqual(
      again.logs.map(({ log }) => [log.lastIndex, log.doubt]),
      [
        [6, undefined],
        [6, undefined],
      ],
    );
  });
}

test("a file is left when it is full, and removed when every log has brought to its segments what is in it", async () => {
  const disk = new JournalDisk({ limits: { fileBytes: 1_000 } });
  const { logs, close } = await open(disk);
  const [one] = logs as [TestLog];
  await appendAndSettle(logs);
  let most = 0;
  for (let round = 0; round < 60; round++) {
    await appendAndSettle([one], 100);
    most = Math.max(most, disk.journalPaths().length);
  }
  assert.ok(most >= 2 && most <= 5, `${most} files at a time`);
  await turnsUntil(() => !disk.journalPaths().some((path) => path.endsWith("/00000000000000000001.journal")));
  assert.deepEqual(
    logs.map(({ log }) => log.syncs > 0),
    [true, true],
    "the log that appended once had to write it behind",
  );
  await close();
  assert.deepEqual(disk.journalPaths(), []);
  assert.deepEqual(JSON.parse((await disk.store.get("journal"))?.toString() ?? "").files, []);
});

test("what waited long is written behind, and then there is no timer: an idle broker does nothing", async () => {
  const disk = new JournalDisk();
  const { clock, files } = disk;
  assert.ok("advance" in clock && "timers" in clock && typeof clock.advance === "function");
  const { logs } = await open(disk);
  await appendAndSettle(logs);
  for (let second = 0; second < 12; second++) clock.advance(1_000);
  await turnsUntil(() => logs.every(({ log }) => log.syncs === 1));
  clock.advance(1_000);
  assert.equal(clock.timers, 0);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  const { calls } = files;
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(files.calls, calls);
});

test("logs that fail while they write behind, or are closed, hold up no others", async () => {
  const disk = new JournalDisk({ logs: numbers(12) });
  const { clock } = disk;
  assert.ok("advance" in clock && typeof clock.advance === "function");
  const { logs } = await open(disk);
  await appendAndSettle(logs);
  disk.files.fault = (operation, path) => (operation === "open" && /log[1-8]\/.*\.log$/.test(path) ? { code: "EIO" } : undefined);
  await logs[8]?.log.close();
  for (let second = 0; second < 22; second++) clock.advance(1_000);
  await turnsUntil(() => logs.slice(9).every(({ log }) => log.syncs === 1));
  assert.deepEqual(
    logs.map(({ failures }) => failures.length),
    [...Array<number>(8).fill(1), 0, 0, 0, 0],
  );
});

test("what is in the folder and not listed is removed, and its number is not used again", async () => {
  const disk = new JournalDisk();
  await disk.files.makeFolder("/data/journal");
  await (await disk.files.open("/data/journal/00000000000000000007.journal", "create")).close();
  const { logs } = await open(disk);
  assert.deepEqual(disk.journalPaths(), []);
  await appendAndSettle(logs);
  assert.deepEqual(disk.journalPaths(), ["/data/journal/00000000000000000008.journal"]);
});

test("a next file that was made and is not used yet is there after a power cut, and empty", async () => {
  const disk = new JournalDisk({ limits: { fileBytes: 2_000 } });
  const { logs } = await open(disk);
  const listed = async (): Promise<number> => JSON.parse((await disk.store.get("journal"))?.toString() ?? "").files.length;
  await appendAndSettle(logs, 500);
  assert.equal(await listed(), 1);
  while ((await listed()) < 2) await new Promise((resolve) => setImmediate(resolve));
  disk.cutPower();
  const again = await open(disk);
  assert.deepEqual(
    again.logs.map(({ log }) => [log.lastIndex, log.doubt]),
    [
      [1, undefined],
      [1, undefined],
    ],
  );
});

/** Of a group with one entry. */
const GROUP_BYTES = GROUP_HEADER_BYTES + partBytes(FRAME_HEADER_BYTES + BODY_BYTES);

const lastCut =
  (bytes: number) =>
  (disk: JournalDisk): void => {
    disk.kill();
    disk.files.damage(disk.journalPaths().at(-1) ?? "", (held) => held.subarray(0, -bytes));
  };

for (const [how, end] of [
  ["a kill", (disk: JournalDisk) => disk.kill()],
  ["a power cut", (disk: JournalDisk) => disk.cutPower()],
  ["a last group whose frames were torn", lastCut(1)],
  ["a last group of which nothing can be read", lastCut(GROUP_BYTES - 40)],
  ["a last group that left no trace", lastCut(GROUP_BYTES)],
  ["a file that got lost", (disk: JournalDisk) => disk.files.lose(disk.journalPaths().at(-1) ?? "")],
] as const) {
  test(`no number of a group is used twice after ${how}`, async () => {
    const disk = new JournalDisk({ logs: [1], limits: { fileBytes: 10_000 } });
    let last = 0;
    for (let process = 0; process < 3; process++) {
      const { journal, logs } = await open(disk);
      await turnsUntil(() => journal.isOpen);
      assert.ok(journal.group >= last, `${journal.group} after ${last}`);
      for (let round = 0; round < 5; round++) await appendAndSettle(logs);
      assert.equal(journal.syncs, 5);
      last = journal.group;
      end(disk);
      if (disk.files.diesAfter === Number.POSITIVE_INFINITY) disk.kill();
    }
  });
}

test("no number of a group is used twice after a clean close, which leaves no file", async () => {
  const disk = new JournalDisk();
  let last = 0;
  for (let process = 0; process < 3; process++) {
    const { journal, logs, close } = await open(disk);
    assert.ok(journal.group >= last);
    for (let round = 0; round < 5; round++) await appendAndSettle(logs);
    last = journal.group;
    await close();
  }
});
