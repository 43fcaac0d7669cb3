import assert from "node:assert/strict";
import { test } from "node:test";
import { KIB } from "../../src/base/limits.js";
import { TailBlocks } from "../../src/storage/tail-blocks.js";
import { frames } from "../support/frames.js";

const BLOCK_BYTES = 512 * KIB;
const HALF = BLOCK_BYTES / 2 - 100;

test("a block goes with its last frame, also when that went while the block was being filled", () => {
  const blocks = new TailBlocks();
  const [a, b, c, d] = frames(1, 4, { bodyBytes: HALF - 10 });
  assert.ok(a && b && c && d);
  const put = [a, b].map((frame) => blocks.put(frame) as number);
  for (const position of put) blocks.giveUp(position);
  assert.equal(blocks.bytes, BLOCK_BYTES, "it still takes what fits");
  const third = blocks.put(c) as number;
  assert.equal(blocks.bytes, BLOCK_BYTES, "the first block went when nothing more did");
  const fourth = blocks.put(d) as number;
  assert.deepEqual([blocks.frame(third), blocks.frame(fourth)], [c, d]);
  assert.equal(blocks.header(fourth).bodyBytes, d.body.length);
});

test("frames are given up in any order, and one larger than a block is not taken", () => {
  const blocks = new TailBlocks();
  const all = frames(1, 2_000, { bodyBytes: 3_000 });
  const positions = all.map((frame) => blocks.put(frame) as number);
  assert.ok(blocks.bytes >= 2_000 * 3_100 && blocks.bytes <= 2_000 * 3_100 + 2 * BLOCK_BYTES);
  for (const [at, position] of positions.entries()) if (at % 2 === 1) blocks.giveUp(position);
  for (const [at, position] of positions.entries()) if (at % 2 === 0) assert.deepEqual(blocks.frame(position), all[at]);
  for (const [at, position] of positions.entries()) if (at % 2 === 0) blocks.giveUp(position);
  assert.ok(blocks.bytes <= BLOCK_BYTES);
  const [large] = frames(1, 1, { bodyBytes: BLOCK_BYTES });
  assert.ok(large);
  assert.equal(blocks.put(large), undefined);
});
