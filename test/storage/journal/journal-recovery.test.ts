/** What the journal owes to logs when several things go wrong one after the other. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { logIndex } from "../../../src/base/ids.js";
import { JOURNAL_FOLDER } from "../../support/journal-disk.js";
import { add, addSynced, openLog, sceneOf, termsOf, turns } from "./scene.js";

const alive = setInterval(() => undefined, 1_000);
after(() => clearInterval(alive));

test("after a journal file was lost, nothing new is taken for void", async () => {
  const scene = sceneOf(2);
  const first = await scene.openJournal({ fileBytes: 1e6 });
  let [one, two] = [await openLog(scene, first, 1), await openLog(scene, first, 2)];
  await addSynced(two, 1, 40);
  await addSynced(one, 1, 5);
  one.log.truncate(logIndex(4));
  await addSynced(one, 2, 1);
  scene.kill();
  for (const path of scene.journalPaths()) scene.files.lose(path);
  const second = await scene.openJournal();
  [one, two] = [await openLog(scene, second, 1), await openLog(scene, second, 2)];
  assert.equal(one.log.doubt?.kind, "damaged");
  const kept = one.log.lastIndex;
  await one.log.clearDoubt();
  await addSynced(one, 3, 3);
  scene.kill();
  const third = await scene.openJournal();
  one = await openLog(scene, third, 1);
  assert.deepEqual({ last: one.log.lastIndex, doubt: one.log.doubt }, { last: kept + 3, doubt: undefined });
});

test("a journal file that can be read only the next time brings nothing back", async () => {
  const scene = sceneOf(2);
  const first = await scene.openJournal({ fileBytes: 1e6 });
  let [one, two] = [await openLog(scene, first, 1), await openLog(scene, first, 2)];
  await addSynced(two, 1, 10);
  await addSynced(one, 1, 5);
  scene.kill();
  scene.files.fault = (operation, path) => (operation === "read" && path.startsWith(JOURNAL_FOLDER) ? { code: "EIO" } : undefined);
  const second = await scene.openJournal();
  one = await openLog(scene, second, 1);
  assert.deepEqual(one.log.doubt, { kind: "damaged", from: 1 });
  await one.log.clearDoubt();
  await addSynced(one, 3, 5);
  scene.kill();
  const third = await scene.openJournal();
  one = await openLog(scene, third, 1);
  assert.ok(one.log.doubt !== undefined || termsOf(one).join() === "3,3,3,3,3", `terms ${termsOf(one)}, doubt ${JSON.stringify(one.log.doubt)}`);
});

test("a process killed in a sync, and a power cut while the next one opens its logs, are no damage", async () => {
  const scene = sceneOf(3);
  const first = await scene.openJournal({ fileBytes: 1e6 });
  let [one, two, three] = [await openLog(scene, first, 1), await openLog(scene, first, 2), await openLog(scene, first, 3)];
  for (const each of [one, two, three]) await addSynced(each, 1, 2);
  add(two, 1, 600);
  // Written, not synced.
  const { files } = scene;
  let isDead = false;
  files.fault = (operation, path) => {
    if (operation === "sync" && path.startsWith(JOURNAL_FOLDER)) {
      isDead = true;
      files.diesAfter = files.calls - 1;
      return { code: "EIO" };
    }
    return undefined;
  };
  while (!isDead) await turns(1);
  scene.kill();
  const second = await scene.openJournal();
  one = await openLog(scene, second, 1);
  await addSynced(one, 2, 2);
  // Lengths stay, sectors are lost.
  scene.cutPower((bound) => (bound === 3 || bound === 4 ? 1 : 0));
  const third = await scene.openJournal();
  [one, two, three] = [await openLog(scene, third, 1), await openLog(scene, third, 2), await openLog(scene, third, 3)];
  assert.deepEqual(
    [one, two, three].map(({ log }) => [log.lastIndex, log.doubt?.kind]),
    [
      [4, "torn"],
      [2, "torn"],
      [2, "torn"],
    ],
    "the group's table is lost as well",
  );
});

test("a checkpoint written while a truncation waits for the journal leaves no doubt", async () => {
  const scene = sceneOf(1);
  const first = await scene.openJournal({ fileBytes: 1e6 });
  let one = await openLog(scene, first, 1);
  await addSynced(one, 1, 8, 2_000);
  await addSynced(one, 1, 3);
  const { files } = scene;
  let isWriting = false;
  files.fault = (operation, path) => {
    isWriting ||= operation === "write" && path.startsWith(JOURNAL_FOLDER);
    return undefined;
  };
  add(one, 1);
  while (!isWriting) await turns(1);
  let isWritten = false;
  files.fault = (operation, path) => {
    if (operation === "sync-folder" && path === "/data/log1") {
      isWritten = true;
      files.diesAfter = files.calls;
    }
    return undefined;
  };
  one.log.truncate(logIndex(6));
  // Any reason for a checkpoint.
  one.log.dropThrough(logIndex(2)).catch(() => undefined);
  while (!isWritten) await turns(1);
  scene.kill();
  const second = await scene.openJournal();
  one = await openLog(scene, second, 1);
  assert.equal(one.log.doubt, undefined);
});

test("logs that fail while their entries are on the way to the journal hold up no other", async () => {
  const scene = sceneOf(10);
  const journal = await scene.openJournal({ fileBytes: 1e6, bytesMax: 1e6, ageMsMax: 1 });
  const logs = await Promise.all(scene.records.map((_, i) => openLog(scene, journal, i + 1)));
  // Two segments each, so that there is something to drop.
  await Promise.all(logs.slice(0, 8).map((each) => addSynced(each, 1, 6, 1_900)));
  await Promise.all(logs.slice(8).map((each) => addSynced(each, 1)));
  const { files } = scene;
  let isWriting = false;
  files.fault = (operation, path) => {
    if (operation === "write" && path.startsWith(JOURNAL_FOLDER) && !isWriting) {
      isWriting = true;
      queueMicrotask(() => {
        for (const each of logs.slice(0, 8)) each.log.dropThrough(logIndex(4)).catch(() => undefined);
      });
    }
    return operation === "open" && /log[1-8]\/checkpoint/.test(path) ? { code: "EIO" } : undefined;
  };
  for (const each of logs.slice(0, 8)) add(each, 1);
  await turns(50);
  assert.equal(logs.filter(({ failures }) => failures.length > 0).length, 8);
  const last = logs.at(-1);
  assert.ok(last);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  let isBrought = false;
  files.fault = (operation, path) => {
    isBrought ||= operation === "write" && path.startsWith("/data/log10/");
    return undefined;
  };
  await addSynced(last, 1);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  assert.ok(isBrought);
});

test("a log that failed is not opened again without what it has in the journal", async () => {
  const scene = sceneOf(2);
  const journal = await scene.openJournal({ fileBytes: 1e6 });
  let one = await openLog(scene, journal, 1);
  await addSynced(one, 1, 3);
  scene.files.fault = (operation, path) => (operation === "sync" && path.startsWith("/data/log1/") ? { code: "EIO" } : undefined);
  add(one, 1, 2_000);
  await one.settled();
  assert.equal(one.failures.length, 1);
  assert.equal(one.synced.at(-1)?.index, 3);
  await one.log.close();
  scene.files.fault = () => undefined;
  await assert.rejects(openLog(scene, journal, 1), { reason: "REPLICA_FAILED" });
  await journal.close();
  one = await openLog(scene, await scene.openJournal(), 1);
  assert.ok(one.log.lastIndex >= 3 || one.log.doubt !== undefined, `last ${one.log.lastIndex}, no doubt`);
});

test("a group that was not written whole leaves no doubt in logs that are closed", async () => {
  const scene = sceneOf(2);
  const journal = await scene.openJournal({ fileBytes: 1e6 });
  let [one, two] = [await openLog(scene, journal, 1), await openLog(scene, journal, 2)];
  await addSynced(one, 1, 2);
  await addSynced(two, 1, 2);
  let short = 40;
  scene.files.fault = (operation, path) => {
    if (operation !== "write" || !path.startsWith(JOURNAL_FOLDER)) return undefined;
    const fault = { code: "ENOSPC" as const, writtenBytes: short };
    short = 0;
    return fault;
  };
  add(two, 1);
  await two.settled();
  assert.equal(two.failures.length, 1);
  await addSynced(one, 1, 2);
  await one.log.close();
  await two.log.close();
  await journal.close();
  scene.files.fault = () => undefined;
  const second = await scene.openJournal();
  [one, two] = [await openLog(scene, second, 1), await openLog(scene, second, 2)];
  assert.deepEqual([one.log.doubt, one.log.lastIndex], [undefined, 4]);
  assert.equal(two.log.lastIndex, 2);
});

test("while a truncation is not on disk, a file of the journal does not go before the next", async () => {
  const scene = sceneOf(1);
  let one = await openLog(scene, await scene.openJournal({ fileBytes: 300 }), 1);
  await addSynced(one, 1, 2, 1_600);
  // 3 and 4 in one file, 5 in the next.
  await addSynced(one, 1, 3);
  assert.equal(scene.journalPaths().length >= 2, true);
  const { files } = scene;
  let isDead = false;
  files.fault = (operation, path) => {
    if (operation === "sync" && path === "/data/log1/checkpoint.tmp") {
      files.diesAfter = files.calls;
      isDead = true;
    }
    return undefined;
  };
  one.log.truncate(logIndex(4));
  while (!isDead) await turns(1);
  scene.kill();
  one = await openLog(scene, await scene.openJournal(), 1);
  assert.equal(one.log.doubt, undefined);
  assert.ok(one.log.lastIndex >= 3);
});

test("a process that died when it had made the journal's folder leaves a folder that lasts", async () => {
  const scene = sceneOf(1);
  const { files } = scene;
  let isDead = false;
  files.fault = (operation, path) => {
    if (operation !== "make-folder" || path !== JOURNAL_FOLDER) return undefined;
    files.diesAfter = files.calls;
    isDead = true;
    return undefined;
  };
  void scene.openJournal();
  while (!isDead) await turns(1);
  scene.kill();
  let one = await openLog(scene, await scene.openJournal(), 1);
  await addSynced(one, 1, 3);
  // Names that were not synced are lost.
  scene.cutPower((bound) => (bound === 2 ? 1 : 0));
  one = await openLog(scene, await scene.openJournal(), 1);
  assert.deepEqual([one.log.lastIndex, one.log.doubt], [3, undefined]);
});
