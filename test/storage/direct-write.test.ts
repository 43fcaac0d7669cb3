import assert from "node:assert/strict";
import { constants } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import fc from "fast-check";
import { DIRECT_BYTES_MIN as LARGE } from "../../src/storage/direct-write.js";
import { nodeFiles } from "../../src/storage/node-files.js";
import { bytesOf, directDescriptors, opened, temporaryFolder, written } from "../support/direct-files.js";

/** In pieces of these lengths, again and again. */
function chunksOf(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? bytes.length;
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

test("what is appended in groups of any size is in the file, byte for byte, and the file is as long as that", async (context) => {
  const { path, file } = await opened(context, "log");
  const group = fc.record({
    bytes: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: LARGE - 2, max: 3_000_000 }), fc.constantFrom(4_096, LARGE, 1_048_576)),
    lengths: fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 4 }).filter((each) => each.some((length) => length > 10_000)),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(group, { minLength: 1, maxLength: 6 }), async (groups) => {
      await file.truncate(0);
      const all: Buffer[] = [];
      let position = 0;
      for (const [seed, { bytes, lengths }] of groups.entries()) {
        const body = bytesOf(bytes, seed);
        await written(file, chunksOf(body, lengths), position);
        all.push(body);
        position += bytes;
      }
      await new Promise((resolve) => file.sync(resolve));
      assert.ok((await nodeFiles.readAll(path))?.equals(Buffer.concat(all)));
    }),
    { numRuns: 25 },
  );
});

test("several files at once, more than there is memory for: each gets its own bytes", async (context) => {
  const folder = await temporaryFolder(context);
  const files = await Promise.all(Array.from({ length: 24 }, (_, at) => nodeFiles.open(`${folder}/${at}`, "create")));
  context.after(() => Promise.all(files.map((file) => file.close())));
  const bodies = files.map((_, seed) => bytesOf(2_500_001, seed));
  for (let round = 0; round < 2; round++)
    await Promise.all(files.map((file, at) => written(file, chunksOf(bodies[at] ?? Buffer.alloc(0), [65_536]), round * 2_500_001)));
  for (const [at, body] of bodies.entries()) assert.ok((await nodeFiles.readAll(`${folder}/${at}`))?.equals(Buffer.concat([body, body])));
});

test("a cut in what was written past the cache, and other bytes behind it", async (context) => {
  const { path, file } = await opened(context, "log");
  const [first, second] = [bytesOf(1_000_000, 1), bytesOf(700_000, 2)];
  await written(file, [bytesOf(LARGE, 0)], 0);
  await written(file, [first], LARGE);
  await file.truncate(500_001);
  await written(file, [second], 500_001);
  const whole = await nodeFiles.readAll(path);
  assert.ok(whole?.equals(Buffer.concat([bytesOf(LARGE, 0), first.subarray(0, 500_001 - LARGE), second])));
});

test("large writes go past the page cache where the file system allows it, and nothing stays open", async (context) => {
  const { path, file } = await opened(context, "log");
  if (constants.O_DIRECT === undefined) return context.skip("this system has no O_DIRECT");
  let position = 0;
  // The first opens it, and does not wait for that.
  for (let turn = 0; turn < 200 && directDescriptors(path, constants.O_WRONLY) === 0; turn++, position += LARGE)
    await written(file, [bytesOf(LARGE, turn)], position);
  const count = directDescriptors(path, constants.O_WRONLY);
  await file.close();
  if (count === 0) return context.skip(`the file system of ${tmpdir()} has no O_DIRECT`);
  assert.equal(count, 1);
  // The second descriptor is closed beside the first, which alone is waited for.
  for (let turn = 0; turn < 200 && directDescriptors(path, constants.O_WRONLY) > 0; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(directDescriptors(path, constants.O_WRONLY), 0);
});
