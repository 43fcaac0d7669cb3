import assert from "node:assert/strict";
import { test } from "node:test";
import { Inode, type Layer } from "../../support/inode.js";
import { Chance } from "../kernel/chance.js";

const SECTOR = 16;

/** A file kept as all that it ever was, whole. */
class Model {
  /** What the file showed after each change. */
  readonly versions: Buffer[] = [Buffer.alloc(0)];
  /** The oldest of them that a power cut may bring back. */
  durable = 0;

  get now(): Buffer {
    return this.versions.at(-1) ?? Buffer.alloc(0);
  }

  write(bytes: Buffer, position: number): void {
    const next = Buffer.alloc(Math.max(this.now.length, position + bytes.length));
    this.now.copy(next);
    bytes.copy(next, position);
    this.versions.push(next);
  }

  truncate(length: number): void {
    const next = Buffer.alloc(length);
    this.now.copy(next, 0, 0, length);
    this.versions.push(next);
  }

  /** Whether each sector of what a power cut left is as it was at some time since the last sync; likewise the length. */
  allows(found: Buffer): boolean {
    const since = this.versions.slice(this.durable);
    const lengths = since.map(({ length }) => length);
    if (found.length < Math.min(...lengths) || found.length > Math.max(...lengths)) return false;
    const isSectorOf = (version: Buffer, start: number, end: number): boolean => {
      const padded = Buffer.alloc(end);
      version.copy(padded);
      return padded.subarray(start).equals(found.subarray(start, end));
    };
    for (let start = 0; start < found.length; start += SECTOR) {
      const end = Math.min(found.length, start + SECTOR);
      if (!since.some((version) => isSectorOf(version, start, end))) return false;
    }
    return true;
  }
}

/** One file's life by chance; a failed sync ends the life of the model, which does not know what is clean. */
function live(chance: Chance, inode: Inode, model: Model): void {
  const syncs: { layer: Layer; at: number }[] = [];
  for (let step = 0; step < 40; step++) {
    const what = chance.below(8);
    if (what < 4) {
      const bytes = Buffer.alloc(1 + chance.below(3 * SECTOR), step + 1);
      const position = chance.oneIn(2) ? inode.length : chance.below(inode.length + 1);
      inode.write(bytes, position);
      model.write(bytes, position);
    } else if (what === 4) {
      const length = chance.below(inode.length + 1);
      inode.truncate(length);
      model.truncate(length);
    } else if (what === 5) syncs.push({ layer: inode.beginSync(), at: model.versions.length - 1 });
    else {
      const [ended] = syncs.splice(chance.below(syncs.length + 1), 1);
      if (ended === undefined) continue;
      inode.endSync(ended.layer);
      model.durable = Math.max(model.durable, ended.at);
    }
  }
}

test("memory shows what was written; after a power cut every sector is as it was at some time since the last sync", () => {
  let different = 0;
  for (let seed = 0; seed < 1_500; seed++) {
    const chance = new Chance(seed, "inode");
    const inode = new Inode(SECTOR);
    const model = new Model();
    live(chance, inode, model);
    assert.deepEqual(inode.content(), model.now, `seed ${seed}`);
    const durableTo = Array.from({ length: inode.length + 1 }, (_, to) => to).findLast((to) => inode.isDurable(0, to)) ?? 0;
    for (let cut = 0; cut < 4; cut++) {
      const found = inode.crash((bound) => chance.below(bound)).content();
      assert.ok(model.allows(found), `seed ${seed}: ${found.toString("hex")}`);
      assert.deepEqual(found.subarray(0, durableTo), model.now.subarray(0, durableTo), `seed ${seed}: ${durableTo} bytes were durable`);
      if (!found.equals(model.now)) different += 1;
    }
    assert.deepEqual(inode.content(), model.now, `seed ${seed}: a power cut leaves the former disk as it is`);
    inode.sync();
    assert.ok(inode.isDurable(0, inode.length));
    assert.deepEqual(inode.crash((bound) => chance.below(bound)).content(), model.now, `seed ${seed}: all was synced`);
  }
  assert.ok(different > 1_000, `${different} power cuts lost something`);
});

test("a write that comes while a sync is under way is not synced by it", () => {
  const inode = new Inode(SECTOR);
  inode.write(Buffer.from("first"), 0);
  const layer = inode.beginSync();
  inode.write(Buffer.from("FIRST and more than a sector"), 0);
  inode.endSync(layer);
  assert.deepEqual([inode.isDurable(0, 5), inode.content().toString()], [false, "FIRST and more than a sector"]);
  const none = (bound: number): number => Math.min(1, bound - 1);
  assert.equal(
    inode
      .crash((bound) => (bound === 3 ? 0 : none(bound)))
      .content()
      .toString(),
    "first",
  );
});

test("what was written twice since the last sync may be neither", () => {
  const inode = new Inode(SECTOR);
  inode.write(Buffer.alloc(SECTOR, "a"), 0);
  inode.sync();
  for (const letter of ["b", "c"]) inode.write(Buffer.alloc(SECTOR, letter), 0);
  const found = new Set(
    [0, 1, 2].map((luck) =>
      inode
        .crash((bound) => luck % bound)
        .content()
        .toString("latin1", 0, 1),
    ),
  );
  assert.deepEqual(found, new Set(["a", "c"]));
});

test("a failed sync leaves the length on the platter as it was", () => {
  const inode = new Inode(SECTOR);
  inode.write(Buffer.alloc(SECTOR, "a"), 0);
  inode.sync();
  inode.write(Buffer.alloc(2 * SECTOR, "b"), SECTOR);
  inode.failSync(inode.beginSync());
  const left = [0, 1].map((luck) => inode.crash((bound) => luck % bound).content());
  assert.deepEqual(
    left.map(({ length }) => length),
    [SECTOR, 3 * SECTOR],
  );
  assert.deepEqual(left[1]?.subarray(SECTOR), Buffer.alloc(2 * SECTOR));
});

test("after a failed sync the page reads clean, the next sync does not mend it, and a power cut takes it", () => {
  const inode = new Inode(SECTOR);
  inode.write(Buffer.alloc(3 * SECTOR, "a"), 0);
  inode.sync();
  inode.write(Buffer.alloc(SECTOR, "b"), SECTOR);
  inode.failSync(inode.beginSync());
  inode.write(Buffer.alloc(SECTOR, "c"), 2 * SECTOR);
  inode.sync();
  assert.equal(inode.content().toString(), "a".repeat(SECTOR) + "b".repeat(SECTOR) + "c".repeat(SECTOR));
  assert.ok(!inode.isDurable(SECTOR, 2 * SECTOR) && inode.isDurable(2 * SECTOR, 3 * SECTOR));
  const left = "a".repeat(2 * SECTOR) + "c".repeat(SECTOR);
  for (const luck of [0, 1, 2])
    assert.equal(
      inode
        .crash((bound) => luck % bound)
        .content()
        .toString(),
      left,
    );
  inode.write(Buffer.from("d"), SECTOR);
  inode.sync();
  assert.equal(
    inode
      .crash(() => 0)
      .content()
      .toString(),
    `${"a".repeat(SECTOR)}d${"b".repeat(SECTOR - 1)}${"c".repeat(SECTOR)}`,
    "written again, the whole page is",
  );
});

test("forgetting what is clean shows what the platter has, and keeps what is still to be written", () => {
  const inode = new Inode(SECTOR);
  inode.write(Buffer.alloc(2 * SECTOR, "a"), 0);
  inode.sync();
  inode.stray(0, Buffer.alloc(SECTOR, "x"));
  inode.stray(1, Buffer.alloc(SECTOR, "x"));
  inode.stray(2, Buffer.alloc(SECTOR, "x"));
  inode.write(Buffer.from("b"), SECTOR);
  inode.write(Buffer.alloc(SECTOR, "c"), 2 * SECTOR);
  assert.equal(inode.content().toString("latin1", 0, 3), "aaa");
  inode.forgetClean();
  assert.equal(inode.content().toString(), `${"x".repeat(SECTOR)}b${"a".repeat(SECTOR - 1)}${"c".repeat(SECTOR)}`);
});

test("bytes on both sides of a page's end, and holes, are as in one piece", () => {
  const inode = new Inode(SECTOR);
  inode.write(Buffer.from("begin"), 0);
  inode.write(Buffer.alloc(200_000, "x"), 65_536 - 100);
  inode.write(Buffer.from("end"), 400_000);
  const expected = Buffer.alloc(400_003);
  for (const [text, at] of [
    ["begin", 0],
    ["x".repeat(200_000), 65_436],
    ["end", 400_000],
  ] as const)
    expected.write(text, at);
  assert.ok(inode.content().equals(expected));
  inode.sync();
  inode.truncate(65_536 + 10);
  inode.truncate(300_000);
  assert.ok(inode.content().equals(Buffer.concat([expected.subarray(0, 65_546), Buffer.alloc(300_000 - 65_546)])));
  assert.ok(
    inode
      .crash((bound) => (bound === 4 ? 1 : 0))
      .content()
      .equals(expected),
    "the power went before the cut was synced",
  );
});

test("appending megabytes copies each byte a few times at most", () => {
  const inode = new Inode(4096);
  const chunk = Buffer.alloc(10_000, 1);
  const begun = performance.now();
  for (let i = 0; i < 3_000; i++) {
    inode.write(chunk, inode.length);
    if (i % 10 === 0) inode.sync();
  }
  // Copying the whole file at each write would take more than ten seconds.
  assert.ok(performance.now() - begun < 2_000);
  assert.equal(inode.length, 30_000_000);
});
