/** Damage is not absence: whatever becomes of the bytes of a stopped log, what was synced is read back or known to be missing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FRAME_HEADER_BYTES } from "../../src/base/frame-codec.js";
import { logIndex, offset, term } from "../../src/base/ids.js";
import { CHECKPOINT_NAME, decodeCheckpoint, encodeCheckpoint } from "../../src/storage/checkpoint.js";
import { segmentName } from "../../src/storage/segment.js";
import { FaultyFiles } from "../support/faulty-files.js";
import { frames } from "../support/frames.js";
import { openTestLog, type TestLog } from "../support/storage-log.js";

const FOLDER = "/data/log";
const path = (first: number): string => `${FOLDER}/${segmentName(logIndex(first))}`;
const FRAME_BYTES = FRAME_HEADER_BYTES + 100;

/** A log of `count` entries, one group each, closed or killed. */
async function written(count: number, { isClosed, segmentBytes = 100_000 }: { isClosed: boolean; segmentBytes?: number }): Promise<FaultyFiles> {
  const files = new FaultyFiles();
  const { log, settled } = await openTestLog({ files, settings: { segmentBytes } });
  for (let index = 1; index <= count; index++) {
    log.append(frames(index, index, { bodyBytes: 100 }));
    await settled();
  }
  if (isClosed) await log.close();
  return files.restart();
}

const reopen = (files: FaultyFiles): Promise<TestLog> => openTestLog({ files, isNew: false });
const flip = (position: number) => (bytes: Buffer) => {
  bytes[position] = (bytes[position] ?? 0) ^ 0x10;
  return bytes;
};
const frameAt = (index: number): number => 64 + (index - 1) * FRAME_BYTES;

for (const [what, change] of [
  ["a flipped bit in the header", flip(frameAt(10) + 50)],
  ["a flipped bit in the body", flip(frameAt(10) + 150)],
  ["half of it", (bytes: Buffer) => bytes.subarray(0, frameAt(10) + 130)],
  ["a part of its header", (bytes: Buffer) => bytes.subarray(0, frameAt(10) + 30)],
  ["zeros", (bytes: Buffer) => Buffer.concat([bytes.subarray(0, frameAt(10)), Buffer.alloc(5_000)])],
  ["a torn sector", (bytes: Buffer) => bytes.fill(0, frameAt(10) + 80, frameAt(10) + 120)],
] as const) {
  test(`bad bytes in the last group only are a torn end: ${what}`, async () => {
    const files = await written(10, { isClosed: false });
    files.damage(path(1), change);
    const { log } = await reopen(files);
    assert.deepEqual([log.lastIndex, log.doubt], [9, { kind: "torn", from: 10 }]);
    assert.deepEqual(await log.read(logIndex(1), logIndex(99), 100_000), frames(1, 9, { bodyBytes: 100 }));
  });

  test(`the same bytes before a later group are damage: ${what}`, async () => {
    const files = await written(10, { isClosed: false });
    const later = await written(11, { isClosed: false });
    const rest: Buffer[] = [];
    later.damage(path(1), (bytes) => {
      rest.push(bytes.subarray(frameAt(11)));
      return bytes;
    });
    files.damage(path(1), (bytes) => Buffer.concat([change(bytes), ...rest]));
    const { log } = await reopen(files);
    assert.deepEqual([log.lastIndex, log.doubt], [9, { kind: "damaged", from: 10 }]);
  });
}

test("garbage after the end is a torn end, and goes on appending in its place", async () => {
  const files = await written(10, { isClosed: true });
  files.damage(path(1), (bytes) => Buffer.concat([bytes, Buffer.from("garbage QFRM garbage".repeat(40))]));
  const { log, settled } = await reopen(files);
  assert.deepEqual([log.lastIndex, log.doubt], [10, { kind: "torn", from: 11 }]);
  log.append(frames(11, 12, { bodyBytes: 100 }));
  await settled();
  await log.close();
  const second = files.restart();
  const again = await reopen(second);
  assert.deepEqual([again.log.lastIndex, again.log.doubt], [12, { kind: "torn", from: 11 }]);
  await again.log.clearDoubt();
  const third = await reopen(second.restart());
  assert.deepEqual([third.log.lastIndex, third.log.doubt], [12, undefined]);
});

test("a closed log that is shorter than it was is damaged", async () => {
  for (const [length, last] of [
    [frameAt(6), 5],
    [frameAt(6) + 10, 5],
    [70, 0],
    [10, 0],
  ] as const) {
    const files = await written(10, { isClosed: true });
    files.damage(path(1), (bytes) => bytes.subarray(0, length));
    const { log, settled } = await reopen(files);
    assert.deepEqual([log.lastIndex, log.doubt], [last, { kind: "damaged", from: last + 1 }]);
    log.append(frames(last + 1, last + 3));
    await settled();
  }
});

test("a missing segment is damage, and what is before it stays", async () => {
  const files = await written(30, { isClosed: true, segmentBytes: 1_500 });
  const names = files.paths().filter((name) => name.endsWith(".log"));
  assert.ok(names.length > 3);
  files.lose(names[2] ?? "");
  const first = Number(names[2]?.slice(-24, -4));
  const { log } = await reopen(files);
  assert.deepEqual([log.lastIndex, log.doubt], [first - 1, { kind: "damaged", from: first }]);
  assert.deepEqual(await log.read(logIndex(1), logIndex(99), 100_000), frames(1, first - 1, { bodyBytes: 100 }));
});

test("a lost log is damage unless the replica is new", async () => {
  const lost = await openTestLog({ files: new FaultyFiles(), isNew: false });
  assert.deepEqual(lost.log.doubt, { kind: "damaged", from: 1 });
  const fresh = await openTestLog({ files: new FaultyFiles(), isNew: true });
  assert.equal(fresh.log.doubt, undefined);
});

test("without its checkpoint a log reads everything and vouches for nothing", async () => {
  for (const change of [flip(30), (bytes: Buffer) => bytes.subarray(0, 40)]) {
    const files = await written(30, { isClosed: true, segmentBytes: 1_500 });
    files.damage(`${FOLDER}/${CHECKPOINT_NAME}`, change);
    const { log } = await reopen(files);
    assert.deepEqual([log.lastIndex, log.doubt], [30, { kind: "damaged", from: 1 }]);
    assert.deepEqual(await log.read(logIndex(1), logIndex(99), 100_000), frames(1, 30, { bodyBytes: 100 }));
  }
});

test("where a log began is not guessed: without its checkpoint one that does not begin with entry 1 is refused", async () => {
  const files = new FaultyFiles();
  const first = await openTestLog({ files });
  await first.log.reset({ index: logIndex(50), term: term(3) }, offset(20));
  first.log.append(frames(51, 52, { term: 3, baseOffset: 20 }));
  await first.settled();
  files.lose(`${FOLDER}/${CHECKPOINT_NAME}`);
  await assert.rejects(reopen(files.restart()), { reason: "LOG_CORRUPT", message: /begins at 51/ });
  const others = await written(30, { isClosed: true, segmentBytes: 1_500 });
  others.lose(path(1));
  others.lose(`${FOLDER}/${CHECKPOINT_NAME}`);
  await assert.rejects(reopen(others), { reason: "LOG_CORRUPT" });
});

test("a newer release's files are refused, by name of the folder", async () => {
  const files = await written(3, { isClosed: true });
  files.damage(`${FOLDER}/${CHECKPOINT_NAME}`, (bytes) => {
    const checkpoint = decodeCheckpoint(bytes);
    assert.ok(typeof checkpoint === "object");
    return encodeCheckpoint({ ...checkpoint, format: 2 });
  });
  await assert.rejects(reopen(files), { reason: "DATA_FOLDER_MISMATCH", message: /\/data\/log.*newer release/ });
});

test("damage in the middle of a log is told by the read that meets it, and nothing is skipped", async () => {
  const files = await written(10, { isClosed: true });
  files.damage(path(1), flip(frameAt(5) + 150));
  const { log } = await reopen(files);
  assert.equal(log.doubt, undefined);
  assert.equal((await log.read(logIndex(1), logIndex(10), 100_000)).length, 4);
  await assert.rejects(log.read(logIndex(5), logIndex(10), 100_000), { reason: "LOG_CORRUPT" });
  assert.equal((await log.read(logIndex(6), logIndex(10), 100_000)).length, 5);
});

const damage = fc.record({
  file: fc.nat(),
  at: fc.nat(),
  how: fc.constantFrom("flip", "zero", "cut", "lose", "garbage"),
  bytes: fc.integer({ min: 1, max: 1_000 }),
});

test("whatever happens to one file of a closed log, each entry is read back, is in doubt, or its read fails", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 40 }), damage, async (count, { file, at, how, bytes: length }) => {
      const files = await written(count, { isClosed: true, segmentBytes: 1_500 });
      const names = files.paths();
      const name = names[file % names.length] ?? "";
      if (how === "lose") files.lose(name);
      else
        files.damage(name, (bytes) => {
          const place = at % Math.max(1, bytes.length);
          if (how === "cut") return bytes.subarray(0, place);
          if (how === "zero") return bytes.fill(0, place, Math.min(bytes.length, place + length));
          if (how === "garbage") return Buffer.concat([bytes, Buffer.alloc(length, "garbage")]);
          return flip(place)(bytes);
        });
      const { log } = await reopen(files);
      const expected = frames(1, count, { bodyBytes: 100 });
      for (let index = 1; index <= count; index++) {
        if (log.doubt !== undefined && index >= log.doubt.from) break;
        assert.ok(index <= log.lastIndex, `entry ${index} is silently gone`);
        const found = await log.read(logIndex(index), logIndex(index), 0).catch((error: unknown) => error);
        if (found instanceof Error) assert.equal((found as { reason?: string }).reason, "LOG_CORRUPT");
        else assert.deepEqual(found, [expected[index - 1]]);
      }
      await log.close();
    }),
    { numRuns: 150, includeErrorInReport: true },
  );
});
