import assert from "node:assert/strict";
import { test } from "node:test";
import { DiskImage } from "../../support/disk-image.js";
import { Chance } from "../kernel/chance.js";
import { MediaFaults } from "./media-faults.js";

const SECTOR = 512;
const PATH = "/data/a";

function begin(): { image: DiskImage; media: MediaFaults; counts: string[]; chance: Chance } {
  const image = new DiskImage({ sectorBytes: SECTOR, capacityBytes: 1e9 });
  image.makeLastingFolder("/data");
  const chance = new Chance(5, "media");
  const counts: string[] = [];
  const media = new MediaFaults({ chance, image: () => image, counted: (kind) => counts.push(kind) });
  image.lie = (inode, layer) => media.lie(inode, layer);
  return { image, media, counts, chance };
}

/** Writes the letter over the sectors, and syncs. */
function put(image: DiskImage, letter: string, first = 0, sectors = 4): void {
  const inode = image.file(PATH) ?? image.createFile(PATH);
  image.write(inode, [Buffer.alloc(sectors * SECTOR, letter)], first * SECTOR, PATH);
  image.sync(inode, inode.beginSync());
}

/** The first letter of each sector. */
const letters = (image: DiskImage): string => {
  const bytes = image.existingFile(PATH).content().toString("latin1");
  return Array.from({ length: Math.ceil(bytes.length / SECTOR) }, (_, at) => (bytes[at * SECTOR] === "\0" ? "-" : bytes[at * SECTOR])).join("");
};
const afterPowerCut = (image: DiskImage, chance: Chance): string => {
  image.folder("/data").sync();
  return letters(image.crash((bound) => chance.below(bound)));
};

test("a file that cannot be read stays so over a power cut, and is mended by writing it anew", () => {
  const { image, media, counts, chance } = begin();
  put(image, "a");
  image.folder("/data").sync();
  assert.equal(media.makeUnreadable(), PATH);
  assert.equal(media.makeUnreadable(), undefined);
  const after = image.crash((bound) => chance.below(bound));
  const inode = after.existingFile(PATH);
  assert.equal(inode.isUnreadable, true);
  after.truncate(inode, 0);
  assert.equal(inode.isUnreadable, false);
  assert.deepEqual(counts, ["unreadable-file"]);
});

test("one bit turns, in memory too, and stays so", () => {
  const { image, media, counts, chance } = begin();
  assert.equal(media.rot(), undefined);
  put(image, "a");
  assert.equal(
    media.rot((path) => path === "/elsewhere"),
    undefined,
  );
  assert.equal(media.rot(), PATH);
  const bits = (bytes: Buffer): number => bytes.reduce((sum, byte) => sum + (byte ^ 97).toString(2).replaceAll("0", "").length, 0);
  assert.equal(bits(image.existingFile(PATH).content()), 1);
  image.folder("/data").sync();
  assert.equal(
    bits(
      image
        .crash((bound) => chance.below(bound))
        .existingFile(PATH)
        .content(),
    ),
    1,
  );
  assert.deepEqual(counts, ["bit-rot"]);
});

test("a write that the disk lost reads as written until the page is gone, by a power cut or want of memory", () => {
  for (const isCrash of [true, false]) {
    const { image, media, counts, chance } = begin();
    put(image, "a");
    media.loseNextWrite();
    put(image, "b", 1, 2);
    put(image, "c", 3, 1);
    assert.equal(letters(image), "abbc");
    if (!isCrash) media.forgetCache();
    assert.match(isCrash ? afterPowerCut(image, chance) : letters(image), /^a(ab|ba)c$/);
    assert.deepEqual(counts, ["lost-write"]);
  }
});

test("a write that goes to another's place is missing in its own", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { image, media, counts, chance } = begin();
    for (let draws = i; draws > 0; draws--) chance.below(2);
    put(image, "a");
    media.misdirectNextWrite();
    put(image, "b", 2, 1);
    assert.equal(letters(image), "aaba");
    seen.add(afterPowerCut(image, chance));
    assert.deepEqual(counts, ["misdirected-write"]);
  }
  assert.deepEqual([...seen].sort(), ["aaaa", "aaab", "abaa", "baaa"]);
});

test("a stale sector is again what it was before it was last written", () => {
  const { image, media, counts, chance } = begin();
  put(image, "a");
  assert.equal(media.makeStale(), undefined);
  put(image, "b", 1, 1);
  assert.equal(letters(image), "abaa");
  assert.equal(media.makeStale(), PATH);
  assert.deepEqual([letters(image), afterPowerCut(image, chance), counts], ["aaaa", "aaaa", ["stale-sector"]]);
});

test("files vanish, or end early", () => {
  const { image, media, counts } = begin();
  put(image, "a");
  assert.equal(media.cutFile(), PATH);
  assert.ok(image.existingFile(PATH).length < 4 * SECTOR);
  assert.equal(media.loseFile(), PATH);
  assert.deepEqual([image.paths(), media.loseFile(), counts], [[], undefined, ["cut-file", "lost-file"]]);
});
