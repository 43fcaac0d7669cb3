/** The disk is asked where a real log put its entries: across segments, after truncations, and when the log is not told the truth. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex } from "../../../src/base/ids.js";
import { DiskImage } from "../../support/disk-image.js";
import { FaultyFiles } from "../../support/faulty-files.js";
import { frames } from "../../support/frames.js";
import { openTestLog, type TestLog } from "../../support/storage-log.js";
import { DurableEntries } from "./durable-entries.js";
import { at } from "./scene.js";

async function opened(): Promise<TestLog & { readonly durable: DurableEntries; append(from: number, through: number, term?: number): void }> {
  const image = new DiskImage({ sectorBytes: 512, capacityBytes: 1e9 });
  image.makeLastingFolder("/data");
  const files = new FaultyFiles(image);
  const opened = await openTestLog({ files, settings: { segmentBytes: 1_000 } });
  const durable = new DurableEntries({
    log: opened.log,
    folder: "/data/log",
    disk: { durableBytes: (path, from, to) => (image.file(path)?.isDurable(from, to) ? files.readSync(path, from, to - from) : undefined) },
  });
  const append = (from: number, through: number, term = 1): void => {
    const more = frames(from, through, { term });
    opened.log.append(more);
    durable.appended(more);
  };
  return { ...opened, durable, append };
}

test("entries are where the disk is asked for them, through several segments", async () => {
  const { log, durable, append, settled } = await opened();
  append(1, 30);
  assert.ok(log.segments().length > 2, "there are several segments");
  assert.equal(durable.synced(at(30, 1)), undefined, "nothing is on disk yet");
  await settled();
  assert.deepEqual(durable.synced(at(12, 1)), at(12, 1));
  assert.deepEqual(durable.synced(at(30, 1)), at(30, 1));
  append(31, 31);
  await settled();
  assert.deepEqual(durable.synced(at(31, 1)), at(31, 1));
  await log.close();
});

test("a log that says too early that an entry is on disk is not believed", async () => {
  const { log, durable, append, settled } = await opened();
  append(1, 3);
  await settled();
  append(4, 5);
  assert.deepEqual(durable.synced(at(5, 1)), at(3, 1));
  await settled();
  assert.deepEqual(durable.synced(at(5, 1)), at(5, 1));
  await log.close();
});

test("entries that take the place of others are on disk when they are, not when those were", async () => {
  const { log, durable, append, settled } = await opened();
  append(1, 20);
  await settled();
  assert.deepEqual(durable.synced(at(20, 1)), at(20, 1));
  log.truncate(logIndex(9));
  durable.truncated(logIndex(9));
  append(9, 14, 2);
  assert.equal(durable.synced(at(14, 2)), undefined);
  await settled();
  assert.deepEqual(durable.synced(at(14, 2)), at(14, 2));
  await log.close();
});
