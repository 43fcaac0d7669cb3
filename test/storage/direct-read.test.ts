import assert from "node:assert/strict";
import { constants } from "node:fs";
import { tmpdir } from "node:os";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { DIRECT_READ_BYTES_MIN as LARGE } from "../../src/storage/direct-read.js";
import { type OpenFile, readFully } from "../../src/storage/files.js";
import { nodeFiles } from "../../src/storage/node-files.js";
import { bytesOf, directDescriptors, opened, written } from "../support/direct-files.js";

const BYTES = 3_000_001;

async function filled(context: TestContext): Promise<{ path: string; file: OpenFile; bytes: Buffer }> {
  const { path, file } = await opened(context, "log");
  const bytes = bytesOf(BYTES, 3);
  await written(file, [bytes], 0);
  return { path, file, bytes };
}

const readOld = (file: OpenFile, position: number, length: number): Promise<Buffer> => readFully(file, Buffer.alloc(length), position, true);

test("old bytes from any place on are those of the file, through its end and no further", async (context) => {
  const { file, bytes } = await filled(context);
  const length = fc.oneof(fc.integer({ min: 1, max: BYTES + 9_000 }), fc.constantFrom(LARGE - 1, LARGE, 1_048_576, 1_081_344, 17 * 65_536, 17 * 65_536 + 1));
  const position = fc.oneof(fc.integer({ min: 0, max: BYTES + 5_000 }), fc.constantFrom(0, 4_095, 4_096, 4_097, BYTES - 1, BYTES));
  await fc.assert(
    fc.asyncProperty(position, length, async (at, count) => {
      assert.ok((await readOld(file, at, count)).equals(bytes.subarray(at, at + count)));
    }),
    { numRuns: 150 },
  );
});

test("what was written a moment ago, and not synced, is read", async (context) => {
  const { file, bytes } = await filled(context);
  await readOld(file, 0, BYTES);
  const changed = bytesOf(LARGE - 1, 9);
  for (const at of [1, 5_000, 2_000_003]) {
    await written(file, [changed], at);
    changed.copy(bytes, at);
    assert.ok((await readOld(file, 0, BYTES)).equals(bytes));
  }
});

test("more reads at once than there is memory for: each gets its own bytes", async (context) => {
  const { file, bytes } = await filled(context);
  await readOld(file, 0, BYTES);
  const reads = Array.from({ length: 40 }, async (_, turn) => {
    const at = turn * 50_001;
    assert.ok((await readOld(file, at, 900_000)).equals(bytes.subarray(at, at + 900_000)));
  });
  await Promise.all(reads);
});

test("large old reads go past the page cache where the file system allows it, others never, and nothing stays open", async (context) => {
  if (constants.O_DIRECT === undefined) return context.skip("this system has no O_DIRECT");
  const { path } = await filled(context);
  const [file, others] = await Promise.all([nodeFiles.open(path, "read"), nodeFiles.open(path, "read")]);
  await readFully(others, Buffer.alloc(BYTES), 0);
  await readOld(others, 0, LARGE - 1);
  assert.equal(directDescriptors(path, constants.O_RDONLY), 0);
  // The first opens it, and does not wait for that.
  for (let turn = 0; turn < 200 && directDescriptors(path, constants.O_RDONLY) === 0; turn++) await readOld(file, 0, BYTES);
  const count = directDescriptors(path, constants.O_RDONLY);
  await Promise.all([file.close(), others.close()]);
  if (count === 0) return context.skip(`the file system of ${tmpdir()} has no O_DIRECT`);
  assert.equal(count, 1);
  for (let turn = 0; turn < 200 && directDescriptors(path, constants.O_RDONLY) > 0; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(directDescriptors(path, constants.O_RDONLY), 0);
});
