/** What a log does with a journal: which way its entries go, and what is there afterwards. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, offset, term } from "../../../src/base/ids.js";
import { KIB } from "../../../src/base/limits.js";
import { frames } from "../../support/frames.js";
import { entriesOf, JournalDisk, type JournalProcess, logFolderOf, turnsUntil } from "../../support/journal-disk.js";
import { openTestLog, type TestLog } from "../../support/storage-log.js";

const LARGE_BYTES = 33 * KIB;

/** A disk with one log, and its first process. */
async function begin(log: ConstructorParameters<typeof JournalDisk>[0] = {}): Promise<{ disk: JournalDisk; journal: JournalProcess["journal"]; one: TestLog }> {
  const disk = new JournalDisk({ logs: [1], ...log });
  return { disk, ...(await next(disk)) };
}

async function next(disk: JournalDisk): Promise<{ journal: JournalProcess["journal"]; one: TestLog; close: JournalProcess["close"] }> {
  const { journal, logs, close } = await disk.open();
  return { journal, one: logs[0] ?? assert.fail("one log"), close };
}

/** Until the process has nothing more to do. */
async function quiet({ files }: JournalDisk): Promise<void> {
  for (let calls = -1; calls !== files.calls; ) {
    calls = files.calls;
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What the log's own files hold. */
const inSegments = async (disk: JournalDisk): Promise<TestLog["log"]> => (await openTestLog({ files: disk.files.restart(), folder: logFolderOf(1) })).log;

const ends = {
  kill: (disk: JournalDisk) => disk.kill(),
  "power cut": (disk: JournalDisk) => disk.cutPower(),
} as const;

test("a small append is synced once, in the journal, and can be read at once and after that, however small the cache", async () => {
  const { disk, journal, one } = await begin({ log: { cacheBytes: 0 } });
  one.log.append(frames(1, 3));
  assert.deepEqual(await entriesOf(one.log), frames(1, 3));
  await one.settled();
  assert.deepEqual([journal?.syncs, one.log.syncs, one.synced], [1, 0, [{ index: 3, term: 1 }]]);
  assert.deepEqual(await entriesOf(one.log), frames(1, 3));
  assert.equal(await one.log.indexOfOffset(offset(1)), 2);
  assert.equal((await inSegments(disk)).lastIndex, 0);
});

test("a large append goes to the segments at once, and takes along what is behind", async () => {
  const { disk, journal, one } = await begin();
  one.log.append(frames(1, 2));
  await one.settled();
  one.log.append(frames(3, 3, { bodyBytes: LARGE_BYTES }));
  await one.settled();
  assert.equal(journal?.syncs, 1);
  assert.deepEqual(await entriesOf(await inSegments(disk)), [...frames(1, 2), ...frames(3, 3, { bodyBytes: LARGE_BYTES })]);
  one.log.append(frames(4, 4));
  await one.settled();
  assert.equal(journal?.syncs, 2, "and small ones go to the journal again");
});

test("what is behind goes to the segments when it is 256 KiB, together with what is new", async () => {
  const { disk, one } = await begin({ log: { settings: { segmentBytes: 10_000 * KIB } } });
  for (let index = 1; index <= 9; index++) {
    one.log.append(frames(index, index, { bodyBytes: 30 * KIB }));
    await one.settled();
    assert.equal(one.log.syncs, 0, `after ${index}`);
    // Beyond the limit with the ninth; that shows at the next opportunity.
  }
  one.log.append(frames(10, 10));
  await one.settled();
  assert.deepEqual([one.log.syncs, (await inSegments(disk)).lastIndex], [1, 10]);
});

for (const [name, end] of Object.entries(ends)) {
  test(`after a ${name} entries that were only in the journal are there, in the segments before the log counts as open`, async () => {
    const { disk, one } = await begin();
    for (let index = 1; index <= 4; index++) {
      one.log.append(frames(index, index, { term: index }));
      await one.settled();
    }
    end(disk);
    const again = await next(disk);
    assert.deepEqual([again.one.log.syncedIndex, again.one.log.doubt], [4, undefined]);
    assert.deepEqual(
      (await entriesOf(again.one.log)).map((each) => each.term),
      [1, 2, 3, 4],
    );
    assert.equal((await inSegments(disk)).lastIndex, 4);
    end(disk);
    assert.equal((await next(disk)).one.log.lastIndex, 4);
  });

  test(`entries that were truncated while only the journal had them do not come back after a ${name}`, async () => {
    const { disk, one } = await begin();
    one.log.append(frames(1, 5));
    await one.settled();
    one.log.truncate(logIndex(3));
    await quiet(disk);
    end(disk);
    const again = await next(disk);
    assert.deepEqual([await entriesOf(again.one.log), again.one.log.doubt], [frames(1, 2), undefined]);
  });

  test(`after a ${name} entries of another term are in the place of truncated ones, whichever way they went`, async () => {
    for (const bodyBytes of [10, LARGE_BYTES]) {
      const { disk, one } = await begin();
      one.log.append(frames(1, 5));
      await one.settled();
      one.log.truncate(logIndex(3));
      one.log.append(frames(3, 3, { term: 2, bodyBytes }));
      await one.settled();
      end(disk);
      const again = await next(disk);
      assert.deepEqual([await entriesOf(again.one.log), again.one.log.doubt], [[...frames(1, 2), ...frames(3, 3, { term: 2, bodyBytes })], undefined]);
    }
  });

  test(`entries that are truncated while the journal writes them are never reported, nor there after a ${name}`, async () => {
    for (const operation of ["write", "sync"]) {
      const { disk, one } = await begin();
      one.log.append(frames(1, 1));
      await one.settled();
      let isCut = false;
      disk.files.fault = (called, path) => {
        if (called !== operation || !path.endsWith(".journal") || isCut) return undefined;
        isCut = true;
        one.log.truncate(logIndex(3));
        one.log.append(frames(3, 3, { term: 2 }));
        return undefined;
      };
      one.log.append(frames(2, 5));
      await one.settled();
      assert.ok(isCut);
      for (const { index, term: termOf } of one.synced) assert.deepEqual([index <= 3, termOf], [true, index === 3 ? 2 : 1]);
      end(disk);
      const again = await next(disk);
      assert.deepEqual([await entriesOf(again.one.log), again.one.log.doubt], [[...frames(1, 2), ...frames(3, 3, { term: 2 })], undefined]);
    }
  });

  test(`after a reset and a ${name} there is nothing of what the journal had before it`, async () => {
    for (const start of [2, 100]) {
      const { disk, one } = await begin();
      one.log.append(frames(1, 5));
      await one.settled();
      await one.log.reset({ index: logIndex(start), term: term(3) }, offset(70));
      const after = frames(start + 1, start + 2, { term: 3, baseOffset: 70 });
      one.log.append(after);
      await one.settled();
      assert.equal(one.log.syncs, 0, "what is new goes to the journal");
      end(disk);
      const again = await next(disk);
      assert.deepEqual([again.one.log.logStart.index, await entriesOf(again.one.log), again.one.log.doubt], [start, after, undefined]);
    }
  });
}

test("a reset while the journal writes leaves nothing of what it wrote", async () => {
  for (const start of [2, 100]) {
    const { disk, one } = await begin();
    one.log.append(frames(1, 3));
    await one.settled();
    let reset: Promise<void> | undefined;
    disk.files.fault = (operation, path) => {
      if (operation === "write" && path.endsWith(".journal")) reset ??= one.log.reset({ index: logIndex(start), term: term(3) }, offset(70));
      return undefined;
    };
    one.log.append(frames(4, 9));
    await turnsUntil(() => reset !== undefined);
    await reset;
    assert.deepEqual([one.log.lastIndex, one.log.syncedIndex, one.synced], [start, start, [{ index: 3, term: 1 }]]);
    one.log.append(frames(start + 1, start + 1, { term: 3, baseOffset: 70 }));
    await one.settled();
    disk.kill();
    const again = await next(disk);
    assert.deepEqual([await entriesOf(again.one.log), again.one.log.doubt], [frames(start + 1, start + 1, { term: 3, baseOffset: 70 }), undefined]);
  }
});

test("a torn last group leaves a doubt that lasts until it is cleared, also when the journal is gone", async () => {
  const { disk, one } = await begin();
  for (const [from, through] of [
    [1, 2],
    [3, 5],
  ] as const) {
    one.log.append(frames(from, through));
    await one.settled();
  }
  disk.kill();
  const [path = ""] = disk.journalPaths();
  disk.files.damage(path, (bytes) => bytes.subarray(0, -1));
  const second = await next(disk);
  assert.deepEqual([second.one.log.lastIndex, second.one.log.doubt], [2, { kind: "torn", from: 3 }]);
  await second.close();
  assert.deepEqual(disk.journalPaths(), []);
  const third = await next(disk);
  assert.deepEqual(third.one.log.doubt, { kind: "torn", from: 3 });
  await third.one.log.clearDoubt();
  await third.close();
  assert.equal((await next(disk)).one.log.doubt, undefined);
});

test("closing brings everything to the segments", async () => {
  const { disk, one } = await begin();
  one.log.append(frames(1, 2));
  await one.settled();
  one.log.append(frames(3, 4));
  await one.log.close();
  assert.deepEqual(await entriesOf(await inSegments(disk)), frames(1, 4));
});

test("a log with deferred syncs has nothing to do with the journal", async () => {
  const { disk, journal, one } = await begin({ log: { settings: { flush: "interval" } } });
  one.log.append(frames(1, 2));
  await one.settled();
  one.log.append(frames(3, 3));
  await one.settled();
  assert.deepEqual([journal?.syncs, disk.journalPaths()], [0, []]);
});

test("what was synced in the journal stays safe when syncs are deferred from then on", async () => {
  const { disk, one } = await begin();
  one.log.append(frames(1, 2));
  await one.settled();
  one.log.configure({ segmentBytes: 4_000, segmentAgeMs: 0, flush: "interval", flushIntervalMs: 1_000 });
  one.log.append(frames(3, 3));
  await one.settled();
  one.log.append(frames(4, 4));
  await one.settled();
  disk.cutPower();
  const found = await entriesOf((await next(disk)).one.log);
  assert.deepEqual(found.slice(0, 2), frames(1, 2));
});
