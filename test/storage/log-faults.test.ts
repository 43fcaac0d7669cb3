import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, offset, term } from "../../src/base/ids.js";
import { FAILED_NAME, UNSURE_NAME } from "../../src/storage/checkpoint.js";
import { type Fault, FaultyFiles, type Operation } from "../support/faulty-files.js";
import { frames } from "../support/frames.js";
import { hurriedClock } from "../support/hurried-clock.js";
import { openTestLog } from "../support/storage-log.js";

const onSegments =
  (operation: Operation, fault: Fault) =>
  (called: Operation, path: string): Fault | undefined =>
    called === operation && path.endsWith(".log") ? fault : undefined;

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

for (const [what, operation, fault] of [
  ["a failed sync", "sync", { code: "EIO" }],
  ["a failed write", "write", { code: "EIO" }],
  ["a full disk", "write", { code: "ENOSPC" }],
  ["a segment that cannot be made", "open", { code: "ENOSPC" }],
] as const) {
  test(`${what} stops the log for good: told once, nothing synced, written or accepted afterwards`, async () => {
    const files = new FaultyFiles();
    const { log, settled, synced, failures } = await openTestLog({ files, settings: { segmentBytes: 1_000 } });
    log.append(frames(1, 3));
    await settled();
    files.fault = onSegments(operation, fault);
    log.append(frames(4, 8, { bodyBytes: 900 }));
    log.append(frames(9, 9));
    await settled();
    assert.deepEqual([failures.length, synced.at(-1)?.index, log.syncedIndex], [1, 3, 3]);
    files.fault = () => undefined;
    assert.throws(() => log.append(frames(10, 10)), { reason: "REPLICA_FAILED" });
    assert.throws(() => log.truncate(logIndex(2)), { reason: "REPLICA_FAILED" });
    await assert.rejects(log.clearDoubt(), { reason: "REPLICA_FAILED" });
    await turns(5);
    const calls = files.calls;
    await turns(5);
    assert.equal(files.calls, calls);
    await log.close();
    assert.deepEqual([failures.length, synced.at(-1)?.index], [1, 3]);
  });
}

test("pages that a failed sync left in memory are not taken for synced by the next process", async () => {
  const files = new FaultyFiles();
  const { log, settled } = await openTestLog({ files });
  log.append(frames(1, 3));
  await settled();
  files.fault = onSegments("sync", { code: "EIO" });
  log.append(frames(4, 8));
  await settled();
  await log.close();
  const next = files.restart();
  const again = await openTestLog({ files: next, isNew: false });
  assert.deepEqual([again.log.lastIndex, again.log.doubt], [3, undefined]);
  again.log.append(frames(4, 5, { term: 2 }));
  await again.settled();
  const afterPowerCut = await openTestLog({ files: next.crash(() => 0), isNew: false });
  assert.deepEqual([afterPowerCut.log.lastIndex, afterPowerCut.log.doubt], [5, undefined]);
  assert.deepEqual(await afterPowerCut.log.read(logIndex(4), logIndex(5), 10_000), frames(4, 5, { term: 2 }));
});

test("a mark of a failure that comes back after it was dealt with is not believed", async () => {
  for (const appended of [0, 5]) {
    const settings = { segmentBytes: 500 };
    const files = new FaultyFiles();
    const first = await openTestLog({ files, settings });
    first.log.append(frames(1, 12));
    await first.settled();
    files.fault = onSegments("sync", { code: "EIO" });
    first.log.append(frames(13, 13));
    await first.settled();
    await first.log.close();
    const mark = await files.readAll(`/data/log/${FAILED_NAME}`);
    const next = files.restart();
    const second = await openTestLog({ files: next, settings, isNew: false });
    if (appended > 0) second.log.append(frames(13, 12 + appended, { term: 2 }));
    await second.settled();
    await second.log.dropThrough(logIndex(9));
    await second.log.close();
    const file = await next.open(`/data/log/${FAILED_NAME}`, "create");
    await new Promise((resolve) => file.write([mark ?? Buffer.alloc(0)], 0, resolve));
    const third = await openTestLog({ files: next.restart(), settings, isNew: false });
    assert.deepEqual([third.log.lastIndex, third.log.doubt], [12 + appended, undefined]);
  }
});

test("a disk that fails altogether is told once", async () => {
  const files = new FaultyFiles();
  const { log, settled, failures } = await openTestLog({ files, settings: { segmentBytes: 500 } });
  log.append(frames(1, 3));
  await settled();
  files.fault = () => ({ code: "EIO" });
  log.append(frames(4, 12));
  await turns(20);
  await log.close();
  assert.equal(failures.length, 1);
});

test("a write that comes short is continued", async () => {
  const files = new FaultyFiles();
  const { log, settled, failures } = await openTestLog({ files });
  let shortWrites = 0;
  files.fault = (operation, path) => (operation === "write" && path.endsWith(".log") && shortWrites++ < 3 ? { code: "ENOSPC", writtenBytes: 77 } : undefined);
  log.append(frames(1, 5));
  await settled();
  assert.deepEqual([failures, shortWrites], [[], 4]);
  await log.close();
  const again = await openTestLog({ files: files.crash(() => 0), isNew: false });
  assert.deepEqual(await again.log.read(logIndex(1), logIndex(5), 10_000), frames(1, 5));
});

test("a read error that passes is waited for; one that stays is LOG_CORRUPT, told once per read", async () => {
  const files = new FaultyFiles();
  const { log, settled, damages } = await openTestLog({ files, cacheBytes: 0, clock: hurriedClock() });
  log.append(frames(1, 5));
  await settled();
  let errors = 3;
  files.fault = (operation) => (operation === "read" && errors-- > 0 ? { code: "EIO" } : undefined);
  assert.equal((await log.read(logIndex(1), logIndex(5), 10_000)).length, 5);
  assert.deepEqual([errors, damages], [-1, []]);
  files.fault = onSegments("read", { code: "EIO" });
  await assert.rejects(log.read(logIndex(1), logIndex(5), 10_000), { reason: "LOG_CORRUPT" });
  assert.equal(damages.length, 1);
  files.fault = () => undefined;
  assert.equal((await log.read(logIndex(1), logIndex(5), 10_000)).length, 5);
});

test("a segment that is gone when it is read is damage", async () => {
  const files = new FaultyFiles();
  const { log, settled, damages } = await openTestLog({ files, cacheBytes: 0, settings: { segmentBytes: 500 } });
  log.append(frames(1, 12));
  await settled();
  files.lose("/data/log/00000000000000000001.log");
  await assert.rejects(log.read(logIndex(1), logIndex(1), 1), { reason: "LOG_CORRUPT" });
  assert.equal(damages.length, 1);
  assert.equal((await log.read(logIndex(12), logIndex(12), 1)).length, 1);
});

test("opening waits for a read error that passes, and tells one that stays as damage", async () => {
  for (const path of ["checkpoint", "00000000000000000001.log"]) {
    const files = new FaultyFiles();
    const { log, settled } = await openTestLog({ files });
    log.append(frames(1, 3));
    await settled();
    log.append(frames(4, 5));
    await settled();
    const next = files.restart();
    let errors = 3;
    next.fault = (operation, at) => (operation === "read" && at.endsWith(path) && errors-- > 0 ? { code: "EIO" } : undefined);
    const again = await openTestLog({ files: next, isNew: false, clock: hurriedClock() });
    assert.deepEqual([errors < 0, again.log.lastIndex, again.log.doubt], [true, 5, undefined]);
    const last = files.restart();
    last.fault = (operation, at) => (operation === "read" && at.endsWith(path) ? { code: "EIO" } : undefined);
    await assert.rejects(openTestLog({ files: last, isNew: false, clock: hurriedClock() }), { reason: "LOG_CORRUPT" });
  }
});

test("an offset index that cannot be read is rebuilt", async () => {
  const files = new FaultyFiles();
  const settings = { segmentBytes: 500 };
  const { log } = await openTestLog({ files, settings });
  log.append(frames(1, 12));
  await log.close();
  const next = files.restart();
  next.fault = (operation, path) => (operation === "read" && path.endsWith(".index") ? { code: "EIO" } : undefined);
  const again = await openTestLog({ files: next, settings, isNew: false, clock: hurriedClock() });
  assert.equal((await again.log.read(logIndex(1), logIndex(12), 10_000)).length, 12);
});

test("after a sync that failed while a log was opened, what memory shows is written anew before it counts", async () => {
  const files = new FaultyFiles();
  const { log, settled } = await openTestLog({ files });
  for (let index = 1; index <= 5; index++) {
    log.append(frames(index, index));
    await settled();
  }
  // Written and not synced: only memory has the last ones.
  files.diesAfter = files.calls + 1;
  log.append(frames(6, 8));
  await turns(2);
  const next = files.restart();
  next.fault = onSegments("sync", { code: "EIO" });
  await assert.rejects(openTestLog({ files: next, isNew: false }), { code: "EIO" });
  const after = next.restart();
  const again = await openTestLog({ files: after, isNew: false });
  assert.deepEqual([again.log.lastIndex, again.log.doubt], [8, undefined]);
  assert.ok(!after.paths().some((path) => path.endsWith(UNSURE_NAME)));
  for (let chance = 0; chance < 10; chance++) {
    const { log: afterPowerCut } = await openTestLog({ files: after.crash((bound) => chance % bound), isNew: false });
    assert.deepEqual([afterPowerCut.lastIndex, afterPowerCut.doubt], [8, undefined]);
    assert.deepEqual(await afterPowerCut.read(logIndex(1), logIndex(8), 10_000), frames(1, 8));
  }
});

test("a mark of a failed sync that was not written whole says as much: what memory shows is written anew before it counts", async () => {
  for (const last of [6, 12]) {
    const files = new FaultyFiles();
    const settings = { segmentBytes: 800 };
    const { log, settled, failures } = await openTestLog({ files, settings });
    log.append(frames(1, 5));
    await settled();
    const segments = log.segments().length;
    log.append(frames(6, last));
    files.fault = (operation, path) => {
      // The process dies when the mark was made and is empty.
      if (operation === "open" && path.endsWith(FAILED_NAME)) files.diesAfter = files.calls;
      return operation === "sync" ? { code: "EIO" } : undefined;
    };
    await turns(20);
    assert.ok(failures.length === 1 && (last === 6 || log.segments().length > segments), "in a segment that counts, and in a new one");
    const next = files.restart();
    assert.ok(next.paths().some((path) => path.endsWith(FAILED_NAME)));
    const again = await openTestLog({ files: next, settings, isNew: false });
    const { lastIndex } = again.log;
    assert.ok(lastIndex >= 5);
    assert.deepEqual(again.log.doubt, { kind: "torn", from: 6 });
    for (let chance = 0; chance < 10; chance++) {
      const { log: afterPowerCut } = await openTestLog({ files: next.crash((bound) => chance % bound), settings, isNew: false });
      assert.equal(afterPowerCut.lastIndex, lastIndex);
      assert.deepEqual(await afterPowerCut.read(logIndex(1), lastIndex, 10_000), frames(1, lastIndex));
    }
  }
});

test("what comes in one turn of the event loop is one group, and all that comes while it is under way one more", async () => {
  const files = new FaultyFiles();
  const { log, settled } = await openTestLog({ files, settings: { segmentBytes: 1e6 } });
  log.append(frames(1, 1));
  await settled();
  const syncs = log.syncs;
  for (let index = 2; index <= 51; index++) log.append(frames(index, index));
  await new Promise(setImmediate);
  for (let index = 52; index <= 101; index++) log.append(frames(index, index));
  await settled();
  assert.equal(log.syncs - syncs, 2);
});

test("with deferred syncs an entry is reported when it is written, and synced within the interval", async () => {
  const files = new FaultyFiles();
  let fire: (() => void) | undefined;
  let timers = 0;
  const clock = {
    wallMs: () => 0,
    monotonicMs: () => 0,
    soon: setImmediate,
    every: () => ({ cancel() {} }),
    after: (_: number, run: () => void) => {
      timers += 1;
      fire = run;
      return { cancel() {} };
    },
  };
  const settings = { flush: "interval" as const, flushIntervalMs: 50 };
  const { log, settled } = await openTestLog({ files, clock, settings });
  // The first of a segment is synced at once: a segment must be known before anything in it counts.
  log.append(frames(1, 1));
  await settled();
  assert.deepEqual([log.syncs, timers], [1, 0]);
  log.append(frames(2, 3));
  await settled();
  log.append(frames(4, 4));
  await settled();
  assert.deepEqual([log.syncedIndex, log.syncs, timers], [4, 1, 1]);
  const lost = await openTestLog({ files: files.crash(() => 1), settings, isNew: false, bootId: "next boot" });
  assert.ok(lost.log.lastIndex < 4);
  assert.deepEqual(lost.log.doubt, { kind: "torn", from: lost.log.lastIndex + 1 });
  const samePower = await openTestLog({ files: files.restart(), settings, isNew: false });
  assert.deepEqual([samePower.log.lastIndex, samePower.log.doubt], [4, undefined]);
  fire?.();
  while (log.syncs === 1) await turns(1);
  assert.equal(timers, 1);
  const kept = await openTestLog({ files: files.crash(() => 1), settings, isNew: false, bootId: "next boot" });
  assert.equal(kept.log.lastIndex, 4);
});

test("a closed log with deferred syncs is whole after the next boot", async () => {
  const files = new FaultyFiles();
  const settings = { flush: "interval" as const };
  const { log } = await openTestLog({ files, settings });
  log.append(frames(1, 3));
  await log.close();
  const again = await openTestLog({ files: files.crash(() => 1), settings, isNew: false, bootId: "next boot" });
  assert.deepEqual([again.log.lastIndex, again.log.doubt], [3, undefined]);
});

test("a reset lasts, and a crash in the middle leaves the log before or after it", async () => {
  for (let diesAfter = 0; diesAfter < 40; diesAfter++) {
    const files = new FaultyFiles();
    const { log, settled } = await openTestLog({ files, settings: { segmentBytes: 500 } });
    log.append(frames(1, 12));
    await settled();
    files.diesAfter = files.calls + diesAfter;
    let isDone = false;
    log.reset({ index: logIndex(9), term: term(2) }, offset(6)).then(
      () => {
        isDone = true;
      },
      () => undefined,
    );
    await turns(60);
    const { log: again } = await openTestLog({ files: files.crash((bound) => diesAfter % bound), isNew: false });
    assert.equal(again.doubt, undefined);
    const isAfter = again.logStart.index === 9;
    assert.deepEqual([again.logStart, again.lastIndex, again.startOffset], isAfter ? [{ index: 9, term: 2 }, 9, 6] : [{ index: 0, term: 0 }, 12, 0]);
    assert.ok(isAfter || !isDone);
  }
});

test("dropped segments stay dropped, whenever the power goes", async () => {
  for (let diesAfter = 0; diesAfter < 25; diesAfter++) {
    const files = new FaultyFiles();
    const { log, settled } = await openTestLog({ files, settings: { segmentBytes: 500 } });
    log.append(frames(1, 12));
    await settled();
    const end = log.segments()[1]?.last.index ?? 0;
    files.diesAfter = files.calls + diesAfter;
    let isDone = false;
    log.dropThrough(logIndex(end)).then(
      () => {
        isDone = true;
      },
      () => undefined,
    );
    await turns(40);
    const { log: again } = await openTestLog({ files: files.crash((bound) => diesAfter % bound), isNew: false });
    assert.deepEqual([again.doubt, again.lastIndex], [undefined, 12]);
    assert.ok(again.logStart.index === end || (again.logStart.index === 0 && !isDone));
    assert.equal((await again.read(logIndex(again.logStart.index + 1), logIndex(12), 1e6)).length, 12 - again.logStart.index);
  }
});
