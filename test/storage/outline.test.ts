import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryKind } from "../../src/base/entry-kind.js";
import type { Frame } from "../../src/base/frame.js";
import { FRAME_HEADER_BYTES } from "../../src/base/frame-codec.js";
import { logIndex } from "../../src/base/ids.js";
import type { Log } from "../../src/storage/log.js";
import { SEGMENT_HEADER_BYTES } from "../../src/storage/segment.js";
import { FaultyFiles } from "../support/faulty-files.js";
import { frame } from "../support/frames.js";
import { openTestLog } from "../support/storage-log.js";

/** Around the sizes in which outlines are read. */
const SIZES = [0, 1, 3_900, 4_096, 20_000, 130_000, 300_000, 7, 7, 7];
const COUNT = 60;

/** Every third is no record batch. */
const written: readonly Frame[] = Array.from({ length: COUNT }, (_, at) => {
  const body = Buffer.alloc(SIZES[(at * 7) % SIZES.length] ?? 0, `${at};`);
  return at % 3 === 2
    ? frame({ index: at + 1, baseOffset: at - Math.floor(at / 3), records: 0, kind: EntryKind.progress, body })
    : frame({ index: at + 1, baseOffset: at - Math.floor(at / 3), body });
});

async function openWritten(segmentBytes: number): Promise<{ log: Log; files: FaultyFiles; damages: readonly Error[] }> {
  const files = new FaultyFiles();
  const { log, settled, damages } = await openTestLog({ files, cacheBytes: 0, settings: { segmentBytes } });
  log.append(written);
  await settled();
  return { log, files, damages };
}

const outlined = (frames: readonly Frame[]): Frame[] =>
  frames.map((each) => (each.kind === EntryKind.records ? { ...each, body: Buffer.alloc(0), omittedBytes: each.body.length } : each));

test("an outline has every header and every body but those of record batches, wherever it begins", async () => {
  for (const segmentBytes of [1e9, 200_000]) {
    const { log } = await openWritten(segmentBytes);
    for (const from of [1, 2, 3, 17, 40, COUNT]) {
      const read: Frame[] = [];
      while (read.length < COUNT - from + 1) read.push(...(await log.read(logIndex(from + read.length), log.lastIndex, 10_000, "outline")));
      assert.deepEqual(read, outlined(written.slice(from - 1)));
    }
    assert.deepEqual(await log.read(logIndex(5), logIndex(9), 1e9, "outline"), outlined(written.slice(4, 9)));
    await log.close();
  }
});

test("record batches count for their headers alone", async () => {
  const { log } = await openWritten(1e9);
  const two = await log.read(logIndex(1), log.lastIndex, 2 * FRAME_HEADER_BYTES, "outline");
  assert.deepEqual(two, outlined(written.slice(0, 2)));
  await log.close();
});

test("what is jumped over is not read", async () => {
  const files = new FaultyFiles();
  const { log, settled } = await openTestLog({ files, cacheBytes: 0, settings: { segmentBytes: 1e9 } });
  log.append(Array.from({ length: 50 }, (_, at) => frame({ index: at + 1, baseOffset: at, body: Buffer.alloc(250_000, `${at};`) })));
  await settled();
  files.bytesRead = 0;
  assert.equal((await log.read(logIndex(1), log.lastIndex, 100_000, "outline")).length, 50);
  assert.ok(files.bytesRead <= 500_000, `${files.bytesRead} bytes of 12,500,000 were read`);
  await log.close();
});

test("damage in a record batch waits for whoever reads it; in a header, or in another body, it is met", async () => {
  const { log, files, damages } = await openWritten(1e9);
  const places: number[] = [];
  let end = SEGMENT_HEADER_BYTES;
  for (const { body } of written) {
    places.push(end);
    end += FRAME_HEADER_BYTES + body.length;
  }
  const spoil = (at: number): void =>
    files.damage("/data/log/00000000000000000001.log", (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      return bytes;
    });
  const bodyOf = (index: number): number => (places[index - 1] ?? 0) + FRAME_HEADER_BYTES;
  spoil(bodyOf(4));
  assert.deepEqual(await log.read(logIndex(4), logIndex(4), 1e6, "outline"), outlined(written.slice(3, 4)));
  await assert.rejects(log.read(logIndex(4), logIndex(4), 1e6), { reason: "LOG_CORRUPT" });
  spoil(bodyOf(6));
  await assert.rejects(log.read(logIndex(6), logIndex(6), 1e6, "outline"), { reason: "LOG_CORRUPT" });
  spoil((places[9] ?? 0) + 20);
  await assert.rejects(log.read(logIndex(10), logIndex(10), 1e6, "outline"), { reason: "LOG_CORRUPT" });
  assert.equal(damages.length, 3);
  await log.close();
});
