/** What opening and idling cost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, replicaId, replicaSetId, term } from "../../src/base/ids.js";
import { KIB, MIB } from "../../src/base/limits.js";
import { systemClock } from "../../src/base/system-ports.js";
import type { HardState } from "../../src/consensus/types.js";
import { SegmentedLogs } from "../../src/storage/segmented-logs.js";
import { FaultyFiles } from "../support/faulty-files.js";
import { frame, frames } from "../support/frames.js";
import { MemoryStore } from "../support/memory-store.js";
import { openTestLog } from "../support/storage-log.js";

const segmentBytes = 4 * MIB;

/** A log of about this many bytes. */
async function filled(files: FaultyFiles, bytes: number, { isClosed }: { isClosed: boolean }): Promise<number> {
  const { log, settled } = await openTestLog({ files, settings: { segmentBytes }, cacheBytes: MIB });
  const body = Buffer.alloc(256 * KIB, 7);
  let index = 1;
  for (; log.bytes < bytes; index++) {
    log.append([frame({ index, baseOffset: index - 1, body })]);
    if (index % 4 === 0) await settled();
  }
  await settled();
  if (isClosed) await log.close();
  return index - 1;
}

test("a closed log of 40 MiB opens without reading an entry, and its end and middle can be read", async () => {
  const files = new FaultyFiles();
  const last = await filled(files, 40 * MIB, { isClosed: true });
  const again = files.restart();
  const { log } = await openTestLog({ files: again, settings: { segmentBytes }, isNew: false });
  assert.ok(again.calls < 25, `${again.calls} calls`);
  assert.equal(again.bytesRead, 0);
  assert.deepEqual([log.lastIndex, log.doubt], [last, undefined]);
  assert.equal((await log.read(logIndex(last), logIndex(last), 1))[0]?.index, last);
  assert.equal((await log.read(logIndex(33), logIndex(33), 1))[0]?.index, 33);
  assert.ok(again.bytesRead < 2 * MIB, `${again.bytesRead} bytes read for two entries`);
});

test("a killed log re-reads only what came after its last checkpoint", async () => {
  const files = new FaultyFiles();
  const last = await filled(files, 40 * MIB, { isClosed: false });
  const again = files.restart();
  const { log } = await openTestLog({ files: again, settings: { segmentBytes }, isNew: false });
  assert.deepEqual([log.lastIndex, log.doubt], [last, undefined]);
  assert.ok(again.bytesRead <= 9 * MIB, `${again.bytesRead} bytes read`);
});

test("a log at rest does nothing, and closing one that was only opened writes nothing", async () => {
  const files = new FaultyFiles();
  const { log, settled } = await openTestLog({ files });
  log.append(frames(1, 3));
  await settled();
  await log.close();
  const again = files.restart();
  const opened = await openTestLog({ files: again, isNew: false });
  const { calls } = again;
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(again.calls, calls);
  await opened.log.close();
  assert.equal(again.calls, calls);
});

test("a replica that was never in a term may lack its log; any other has lost it", async () => {
  const files = new FaultyFiles();
  await files.makeFolder("/data/logs");
  let hardState: HardState = { term: term(0), votedFor: null };
  const store = new MemoryStore();
  store.hardState = async () => hardState;
  const logs = new SegmentedLogs({ files, clock: systemClock, folder: "/data/logs", store, cacheBytes: MIB });
  const record = { replicaSetId: replicaSetId(3), replicaId: replicaId(8) };
  const settings = { segmentBytes, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1 } as const;
  const callbacks = { onSynced() {}, onFailed: assert.fail };
  const first = await logs.open(record, settings, callbacks);
  assert.equal(first.doubt, undefined);
  first.append(frames(1, 2));
  await first.close();
  assert.ok(files.paths().every((path) => path.startsWith("/data/logs/3-8/")));
  const second = await logs.open(record, settings, callbacks);
  assert.equal(second.lastIndex, 2);
  await second.close();
  await logs.delete(record);
  assert.deepEqual(files.paths(), []);
  hardState = { term: term(5), votedFor: null };
  assert.deepEqual((await logs.open(record, settings, callbacks)).doubt, { kind: "damaged", from: 1 });
});
