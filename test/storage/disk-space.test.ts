import assert from "node:assert/strict";
import { test } from "node:test";
import { DiskSpace } from "../../src/storage/disk-space.js";
import { FaultyFiles } from "../support/faulty-files.js";

function setUp(free: number): { space: DiskSpace; files: FaultyFiles; pass: (ms: number) => Promise<void> } {
  let nowMs = 0;
  const files = new FaultyFiles();
  files.free = free;
  const clock = { wallMs: () => 0, monotonicMs: () => nowMs, after: () => ({ cancel() {} }), every: () => ({ cancel() {} }), soon: setImmediate };
  const space = new DiskSpace({ files, folder: "/data", clock, reserveBytes: 1_000 });
  const pass = async (ms: number): Promise<void> => {
    nowMs += ms;
    space.hasRoom();
    await space.look();
  };
  return { space, files, pass };
}

test("there is no room before the disk is full, and room again only well above that", async () => {
  const { space, files, pass } = setUp(2_000);
  await space.look();
  assert.equal(space.hasRoom(), true);
  files.free = 999;
  await pass(500);
  assert.equal(space.hasRoom(), false);
  files.free = 1_200;
  await pass(500);
  assert.equal(space.hasRoom(), false);
  files.free = 1_250;
  await pass(500);
  assert.equal(space.hasRoom(), true);
});

test("what was taken since the last look counts", async () => {
  const { space, files, pass } = setUp(2_000);
  await space.look();
  assert.deepEqual([space.hasRoom(600), space.hasRoom(400), space.hasRoom(1)], [true, true, false]);
  files.free = 2_000;
  await pass(500);
  assert.deepEqual([space.hasRoom(700), space.hasRoom(300), space.hasRoom(1)], [true, true, false]);
});

test("the disk is not asked more often than needed, nor at all while nobody asks", async () => {
  const { space, files, pass } = setUp(2_000);
  await space.look();
  const { calls } = files;
  for (let i = 0; i < 1_000; i++) space.hasRoom();
  assert.equal(files.calls, calls);
  await pass(500);
  assert.ok(files.calls <= calls + 2);
});

test("a file system that does not answer is taken to have room", async () => {
  const { space, files } = setUp(0);
  files.fault = () => ({ code: "EIO" });
  await space.look();
  assert.equal(space.hasRoom(1e9), true);
});
