import assert from "node:assert/strict";
import { test } from "node:test";
import { DiskSpace } from "../../src/storage/disk-space.js";
import { FakeClock, settle } from "../support/fake-clock.js";
import { FaultyFiles } from "../support/faulty-files.js";

interface Fixture {
  readonly space: DiskSpace;
  readonly files: FaultyFiles;
  readonly clock: FakeClock;
  /** Time passes, and what is found on the disk then is known. */
  readonly pass: (ms: number) => Promise<void>;
}

function setUp(free: number): Fixture {
  const files = new FaultyFiles();
  files.free = free;
  const clock = new FakeClock();
  const space = new DiskSpace({ files, folder: "/data", clock, reserveBytes: 1_000 });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    space.takes(0);
    await space.look();
  };
  return { space, files, pass, clock };
}

test("nothing is admitted before the disk is full, and again only well above that", async () => {
  const { space, files, pass } = setUp(2_000);
  await space.look();
  assert.equal(space.admits(0), true);
  files.free = 999;
  await pass(500);
  assert.equal(space.admits(0), false);
  files.free = 1_200;
  await pass(500);
  assert.equal(space.admits(0), false);
  files.free = 1_250;
  await pass(500);
  assert.equal(space.admits(0), true);
});

test("what other leaders have admitted is taken down to half the reserve", async () => {
  const { space, files, pass } = setUp(999);
  await space.look();
  assert.deepEqual([space.room, space.admits(1), space.takes(499), space.takes(1)], ["low", false, true, false]);
  assert.equal(space.room, "none");
  files.free = 600;
  await pass(500);
  assert.equal(space.takes(1), false);
  files.free = 626;
  await pass(500);
  assert.deepEqual([space.takes(1), space.room], [true, "low"]);
});

test("what was taken since the last look counts", async () => {
  const { space, files, pass } = setUp(2_000);
  await space.look();
  assert.deepEqual([space.admits(600), space.takes(400), space.admits(1)], [true, true, false]);
  files.free = 2_000;
  await pass(500);
  assert.deepEqual([space.admits(700), space.admits(300), space.admits(1)], [true, true, false]);
});

test("the disk is not asked more often than needed, nor at all while nobody asks", async () => {
  const { space, files, pass } = setUp(2_000);
  space.watch(() => undefined);
  await space.look();
  const { calls } = files;
  for (let i = 0; i < 1_000; i++) space.admits(0);
  assert.equal(files.calls, calls);
  await pass(500);
  assert.ok(files.calls <= calls + 2);
});

test("changes are told, and that there is room again also when nobody asks", async () => {
  const { space, files, pass, clock } = setUp(2_000);
  const told: string[] = [];
  space.watch((room) => told.push(room));
  await space.look();
  files.free = 100;
  await pass(500);
  assert.deepEqual(told, ["none"]);
  files.free = 2_000;
  clock.advance(500);
  await settle();
  assert.deepEqual(told, ["none", "enough"]);
});

test("who begins to listen when the disk is full already is told of room, too", async () => {
  const { space, files, clock } = setUp(100);
  await space.look();
  const told: string[] = [];
  space.watch((room) => told.push(room));
  files.free = 2_000;
  clock.advance(500);
  await settle();
  assert.deepEqual(told, ["enough"]);
});

test("a file system that does not answer is taken to have room", async () => {
  const { space, files } = setUp(0);
  files.fault = () => ({ code: "EIO" });
  await space.look();
  assert.equal(space.admits(1e9), true);
});
