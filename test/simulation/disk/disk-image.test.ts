import assert from "node:assert/strict";
import { test } from "node:test";
import { DiskImage } from "../../support/disk-image.js";
import { Chance } from "../kernel/chance.js";

const newDisk = (): DiskImage => {
  const image = new DiskImage({ sectorBytes: 512, capacityBytes: 1e9 });
  image.makeLastingFolder("/data");
  return image;
};

function put(image: DiskImage, path: string, text: string): void {
  const inode = image.file(path) ?? image.createFile(path);
  image.truncate(inode, 0);
  image.write(inode, [Buffer.from(text)], 0, path);
  inode.sync();
}

/** What many power cuts may leave. */
function outcomes(image: DiskImage, show: (after: DiskImage) => string): string[] {
  const found = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const chance = new Chance(seed, "crash");
    found.add(show(image.crash((bound) => chance.below(bound))));
  }
  return [...found].sort();
}

const listOf = (path: string) => (image: DiskImage) => String(image.list(path)?.sort());

test("names that were not synced are there or not, each on its own; synced ones are", () => {
  const image = newDisk();
  put(image, "/data/lasting", "x");
  image.folder("/data").sync();
  for (const name of ["a", "b"]) put(image, `/data/${name}`, "x");
  image.remove("/data/lasting");
  const expected = ["", "a", "a,b", "a,b,lasting", "a,lasting", "b", "b,lasting", "lasting"];
  assert.deepEqual(outcomes(image, listOf("/data")), expected);
  image.folder("/data").sync();
  assert.deepEqual(outcomes(image, listOf("/data")), ["a,b"]);
});

test("a folder that was not made to last is gone with all that was synced in it, or there", () => {
  const image = newDisk();
  image.makeFolder("/data/logs/one");
  put(image, "/data/logs/one/log", "x");
  image.folder("/data/logs/one").sync();
  assert.deepEqual(
    outcomes(image, (after) => after.paths().join()),
    ["", "/data/logs/one/log"],
  );
});

test("a file that takes another's name has one of its two names, and the other file is gone only when it has the new one", () => {
  const image = newDisk();
  put(image, "/data/file", "old");
  put(image, "/data/file.tmp", "new");
  image.folder("/data").sync();
  image.rename("/data/file.tmp", "/data/file");
  const show = (after: DiskImage): string =>
    after
      .paths()
      .map((path) => `${path} ${after.file(path)?.content()}`)
      .join(", ");
  assert.deepEqual(outcomes(image, show), ["/data/file new", "/data/file old, /data/file.tmp new"]);
});

test("what is moved is never lost on the way, nor there twice", () => {
  const image = newDisk();
  image.makeFolder("/data/log");
  put(image, "/data/log/1", "x");
  image.folder("/data/log").sync();
  image.folder("/data").sync();
  image.rename("/data/log", "/data/log.damaged");
  assert.deepEqual(
    outcomes(image, (after) => after.paths().join()),
    ["/data/log.damaged/1", "/data/log/1"],
  );
  image.folder("/data").sync();
  assert.deepEqual(
    outcomes(image, (after) => after.paths().join()),
    ["/data/log.damaged/1"],
  );
});

test("of a folder that is removed any part may come back, until the folder above is synced", () => {
  const image = newDisk();
  image.makeFolder("/data/log");
  for (const name of ["1", "2"]) put(image, `/data/log/${name}`, "x");
  image.folder("/data/log").sync();
  image.folder("/data").sync();
  image.removeFolder("/data/log");
  assert.deepEqual(outcomes(image, listOf("/data/log")), ["", "1", "1,2", "2", "undefined"]);
  image.folder("/data").sync();
  assert.deepEqual(outcomes(image, listOf("/data/log")), ["undefined"]);
});

test("names that a failed sync of their folder was to write are shown, and gone after a power cut, whatever is synced later", () => {
  const image = newDisk();
  put(image, "/data/a", "x");
  image.folder("/data").failSync();
  put(image, "/data/b", "x");
  image.folder("/data").sync();
  assert.deepEqual([image.paths(), outcomes(image, listOf("/data"))], [["/data/a", "/data/b"], ["b"]]);
});

test("a full disk writes what fits, then refuses; removing makes room, once", () => {
  const image = newDisk();
  image.capacityBytes = 1_000;
  put(image, "/data/a", "x".repeat(600));
  const inode = image.createFile("/data/b");
  assert.equal(image.write(inode, [Buffer.alloc(300), Buffer.alloc(300)], 0, "/data/b"), 400);
  assert.equal(image.freeBytes, 0);
  assert.throws(() => image.write(inode, [Buffer.alloc(1)], 400, "/data/b"), { code: "ENOSPC" });
  assert.throws(() => image.createFile("/data/c"), { code: "ENOSPC" });
  assert.equal(image.write(inode, [Buffer.alloc(200)], 0, "/data/b"), 200, "what is there already can be written again");
  image.rename("/data/a", "/data/b");
  assert.equal(image.freeBytes, 400);
  image.truncate(image.existingFile("/data/b"), 100);
  assert.equal(image.freeBytes, 900);
  image.remove("/data/b");
  assert.deepEqual([image.freeBytes, image.crash(() => 1).freeBytes + image.fork().freeBytes > 0], [1_000, true]);
});

test("a copy goes its own way, what is on the platter included", () => {
  const image = newDisk();
  put(image, "/data/a", "first");
  image.folder("/data").sync();
  const copy = image.clone();
  put(image, "/data/a", "other");
  put(copy, "/data/b", "x");
  assert.deepEqual(image.paths(), ["/data/a"]);
  assert.equal(
    copy
      .crash(() => 1)
      .file("/data/a")
      ?.content()
      .toString(),
    "first",
  );
});
