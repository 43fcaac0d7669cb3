import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex } from "../../src/base/ids.js";
import { TailCache } from "../../src/storage/tail-cache.js";
import { frames } from "../support/frames.js";

const at = logIndex;

test("one budget for all logs: the oldest frames go first, whichever log's they are", () => {
  const cache = new TailCache(10 * 1_400);
  const [a, b] = [cache.window(), cache.window()];
  for (const window of [a, b]) window.writtenIndex = at(100);
  for (const frame of frames(1, 6, { bodyBytes: 1_000 })) a.push(frame);
  for (const frame of frames(1, 8, { bodyBytes: 1_000 })) b.push(frame);
  assert.deepEqual([a.oldest?.index, b.oldest?.index, a.size + b.size, cache.bytes], [5, 1, 10, 14_000]);
  b.cut(at(5));
  for (const frame of frames(7, 12, { bodyBytes: 1_000 })) a.push(frame);
  assert.ok(cache.bytes <= cache.bytesMax);
  assert.deepEqual(a.get(at(12)), frames(12, 12, { bodyBytes: 1_000 })[0]);
  a.clear();
  b.clear();
  assert.equal(cache.bytes, 0);
});

test("frames that are not written stay whatever the budget, and go when they are", () => {
  const cache = new TailCache(0);
  const window = cache.window();
  for (const frame of frames(1, 100)) window.push(frame);
  assert.equal(window.size, 100);
  window.writtenIndex = at(60);
  assert.equal(window.oldest?.index, 61);
  window.cut(at(50));
  for (const frame of frames(50, 70)) window.push(frame);
  assert.equal(window.size, 21);
  window.writtenIndex = at(70);
  assert.deepEqual([window.size, cache.bytes], [0, 0]);
});

test("a million small frames through a small cache leave nothing behind", () => {
  const cache = new TailCache(50_000);
  const window = cache.window();
  const [one] = frames(1, 1);
  assert.ok(one);
  for (let index = 1; index <= 200_000; index++) {
    window.push({ ...one, index: at(index) });
    window.writtenIndex = at(index);
  }
  assert.ok(cache.bytes <= 50_000 && window.size > 100);
});

test("frames that nobody is expected to read go once they are written, and leave nothing behind", () => {
  const cache = new TailCache(1_000_000);
  const [follower, leader] = [cache.window(), cache.window()];
  for (const frame of frames(1, 10)) follower.push(frame);
  follower.release(at(8));
  assert.equal(follower.size, 10, "nothing is written yet");
  follower.writtenIndex = at(6);
  assert.equal(follower.oldest?.index, 7);
  follower.writtenIndex = at(10);
  assert.deepEqual([follower.oldest?.index, follower.size], [9, 2], "what was not released stays");
  follower.cut(at(8));
  for (const frame of frames(8, 12)) follower.push(frame);
  follower.writtenIndex = at(12);
  assert.equal(follower.size, 5, "what was released before it was cut says nothing of what took its place");
  follower.clear();
  assert.equal(cache.bytes, 0);
  for (const frame of frames(1, 3)) leader.push(frame);
  leader.writtenIndex = at(3);
  assert.equal(leader.size, 3);
});

test("what goes out of turn takes no other frame with it, and its tokens do not pile up", () => {
  const cache = new TailCache(20 * 1_400);
  const [busy, kept] = [cache.window(), cache.window()];
  for (const frame of frames(1, 10, { bodyBytes: 1_000 })) kept.push(frame);
  kept.writtenIndex = at(10);
  const [one] = frames(1, 1, { bodyBytes: 1_000 });
  assert.ok(one);
  for (let index = 1; index <= 10_000; index++) {
    busy.push({ ...one, index: at(index) });
    busy.writtenIndex = at(index);
    if (index % 3 !== 0) continue;
    busy.release(at(index - 2));
    assert.ok(busy.get(at(index - 1)) !== undefined && busy.get(at(index)) !== undefined && busy.size === 2);
    assert.equal(kept.size, 10);
  }
  assert.ok(busy.orphans <= 2_100, `${busy.orphans} tokens stand for nothing`);
  for (const frame of frames(11, 28, { bodyBytes: 1_000 })) kept.push(frame);
  assert.deepEqual([busy.size, kept.oldest?.index], [2, 11], "the oldest go first: ten of the one, one of the other");
});
