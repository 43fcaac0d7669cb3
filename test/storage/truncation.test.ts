import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME_MAGIC } from "../../src/base/frame-codec.js";
import { logIndex } from "../../src/base/ids.js";
import { FaultyFiles } from "../support/faulty-files.js";
import { frames } from "../support/frames.js";
import { openTestLog } from "../support/storage-log.js";

test("what was truncated is gone from its file before anything newer is on disk, so that nobody need tell old bytes from damage", async () => {
  const files = new FaultyFiles();
  const { log, settled } = await openTestLog({ files, settings: { segmentBytes: 1_000_000 }, isNew: true });
  log.append(frames(1, 10, { term: 1, bodyBytes: 100 }));
  await settled();
  log.truncate(logIndex(5));
  log.append(frames(5, 5, { term: 2, bodyBytes: 10 }));
  await settled();
  const after = files.crash(() => 0);
  const segment = await after.readAll(after.paths().find((path) => path.endsWith(".log")) ?? "");
  assert.equal(segment?.toString("latin1").split(FRAME_MAGIC.toString("latin1")).length, 1 + 5);
  const reopened = await openTestLog({ files: after, isNew: false });
  assert.deepEqual([reopened.log.lastIndex, reopened.log.termAt(logIndex(5)), reopened.log.doubt], [5, 2, undefined]);
  await reopened.log.close();
  await log.close();
});

test("a segment that a truncation is about to shorten may be dropped before, and its log goes on", async () => {
  for (const isBusy of [false, true]) {
    const { log, settled, failures } = await openTestLog({ files: new FaultyFiles(), settings: { segmentBytes: 3_100 } });
    log.append(frames(1, 12, { term: 1, bodyBytes: 200 }));
    await settled();
    const boundary = log.segments()[0]?.last.index ?? 0;
    if (isBusy) {
      log.append(frames(13, 13, { term: 1, bodyBytes: 200 }));
      await new Promise(setImmediate);
    }
    log.truncate(logIndex(boundary + 1));
    log.append(frames(boundary + 1, boundary + 2, { term: 2, bodyBytes: 200 }));
    const start = await log.dropThrough(logIndex(boundary));
    await settled();
    assert.deepEqual([start.index, failures, log.syncedIndex], [boundary, [], boundary + 2]);
    await log.close();
  }
});
