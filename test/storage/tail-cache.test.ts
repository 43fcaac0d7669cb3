import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Frame } from "../../src/base/frame.js";
import { frameBytes } from "../../src/base/frame-codec.js";
import { type LogIndex, logIndex } from "../../src/base/ids.js";
import { KIB } from "../../src/base/limits.js";
import { TailCache, type TailWindow } from "../../src/storage/tail-cache.js";
import { frames } from "../support/frames.js";

const at = logIndex;
const BYTES = 1_100;
const thousand = (first: number, last: number): Frame[] => frames(first, last, { bodyBytes: 1_000 });

function write(window: TailWindow, added: readonly Frame[]): void {
  for (const frame of added) window.push(frame);
  const last = added.at(-1);
  if (last !== undefined) window.writtenIndex = last.index;
}

test("one budget for all logs: the oldest frames go first, whichever log's they are", () => {
  const cache = new TailCache(40 * BYTES);
  const [a, b] = [cache.window(), cache.window()];
  for (const frame of thousand(1, 20)) write(a, [frame]);
  for (const frame of thousand(1, 20)) write(b, [frame]);
  assert.deepEqual([a.size, b.size], [20, 20], "all fit");
  for (const frame of thousand(21, 30)) write(b, [frame]);
  assert.deepEqual([a.oldest?.index, a.size, b.size], [11, 10, 30], "ten came, and the ten oldest went");
  for (const index of [11, 20]) assert.deepEqual(a.get(at(index)), thousand(index, index)[0]);
  for (const frame of thousand(31, 50)) write(b, [frame]);
  assert.deepEqual([a.size, a.oldest, b.size], [0, undefined, 40]);
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
  assert.equal(window.size, 0);
});

test("a recent frame is the one that came; a settled one is a copy, which later frames do not change", () => {
  const cache = new TailCache(8 * BYTES);
  const window = cache.window();
  const [first, ...rest] = thousand(1, 8);
  assert.ok(first);
  write(window, [first]);
  assert.equal(window.get(at(1)), first);
  for (const frame of rest.slice(0, 4)) write(window, [frame]);
  const settled = window.get(at(1));
  assert.ok(settled !== first && settled?.body.buffer !== first.body.buffer);
  assert.deepEqual(settled, first);
  for (const frame of thousand(6, 40)) write(window, [frame]);
  assert.deepEqual(settled, first, "it is the reader's own");
  assert.equal(window.get(at(1)), undefined);
});

test("small frames settle after so many writes, whatever their bytes", () => {
  const cache = new TailCache(1_000_000);
  const window = cache.window();
  const all = frames(1, 400);
  for (const frame of all) write(window, [frame]);
  assert.notEqual(window.get(at(1)), all[0]);
  assert.deepEqual(window.get(at(1)), all[0]);
  assert.equal(window.get(at(400)), all[399]);
});

test("what is in the journal alone settles too, stays whatever the budget, and is kept like the rest once it is written", () => {
  const cache = new TailCache(10 * BYTES);
  const [window, other] = [cache.window(), cache.window()];
  const all = thousand(1, 1_000);
  for (const frame of all) {
    window.push(frame);
    window.journaledIndex = frame.index;
  }
  assert.equal(window.size, 1_000);
  assert.notEqual(window.get(at(1)), all[0]);
  assert.deepEqual(window.read(at(1), at(1_000), 1e9), all);
  assert.ok(cache.behindBytes >= 900 * BYTES && cache.behindBytes <= 3 * 512 * KIB, `${cache.behindBytes} bytes in blocks`);
  window.writtenIndex = at(998);
  assert.deepEqual([window.get(at(999)), window.get(at(1_000))], all.slice(998));
  assert.ok(window.size > 2 && window.size <= 12, "what is written is kept as far as the budget goes");
  write(other, thousand(1, 20));
  window.writtenIndex = at(1_000);
  write(other, thousand(21, 40));
  assert.ok(cache.behindBytes <= 512 * KIB, "no block stays for frames that are gone");
});

test("a frame larger than the budget goes when it is written, and what comes before it too: there is no gap", () => {
  const cache = new TailCache(10 * BYTES);
  const window = cache.window();
  for (const frame of thousand(1, 5)) write(window, [frame]);
  write(window, frames(6, 6, { bodyBytes: 20_000 }));
  assert.equal(window.size, 0);
  for (const frame of thousand(7, 8)) write(window, [frame]);
  assert.deepEqual([window.oldest?.index, window.size], [7, 2]);
});

test("a quiet log keeps no place of a frame that is gone", () => {
  const cache = new TailCache(50_000);
  const quiet = cache.window();
  for (const frame of frames(1, 300)) write(quiet, [frame]);
  assert.ok(quiet.size > 100);
  const busy = cache.window();
  for (const frame of thousand(1, 400)) write(busy, [frame]);
  assert.equal(quiet.places, 0);
  assert.deepEqual([quiet.size, quiet.oldest], [0, undefined]);
  write(quiet, frames(301, 303));
  assert.deepEqual([quiet.size, quiet.oldest?.index], [3, 301]);
});

test("frames that nobody is expected to read go once they are written", () => {
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
  assert.equal(follower.size, 0);
  for (const frame of frames(1, 3)) leader.push(frame);
  leader.writtenIndex = at(3);
  assert.equal(leader.size, 3);
});

/** A log's tail without any bound. */
interface Model {
  readonly window: TailWindow;
  frames: Frame[];
  written: number;
  journaled: number;
  released: number;
}

const step = fc.record({
  log: fc.nat(2),
  what: fc.constantFrom("push", "push", "push", "journal", "journal", "write", "release", "cut", "clear", "settle"),
  size: fc.nat(3_000),
});

test("whatever happens, what is there is what was appended, without a gap up to the last, and nothing unwritten is missing", () => {
  fc.assert(
    fc.property(fc.nat(30_000), fc.array(step, { minLength: 50, maxLength: 200 }), (budget, steps) => {
      const cache = new TailCache(budget);
      const models: Model[] = [0, 1, 2].map(() => ({ window: cache.window(), frames: [], written: 0, journaled: 0, released: 0 }));
      for (const { log, what, size } of steps) {
        carryOut(models[log] as Model, what, size);
        for (const model of models) check(model, budget);
      }
      for (const { window } of models) window.clear();
      assert.ok(cache.behindBytes <= 512 * KIB, "no block stays for frames that are gone");
    }),
    { numRuns: 300 },
  );
});

function carryOut(model: Model, what: (typeof step extends fc.Arbitrary<infer Step> ? Step : never)["what"], size: number): void {
  const { window } = model;
  const last = model.frames.length;
  if (what === "push") {
    const [frame] = frames(last + 1, last + 1, { bodyBytes: size, term: size + 1 });
    if (frame === undefined) return;
    model.frames.push(frame);
    window.push(frame);
  } else if (what === "write") {
    model.written = Math.max(model.written, last - (size % 3));
    window.writtenIndex = at(model.written);
  } else if (what === "journal") {
    model.journaled = Math.max(model.journaled, last - (size % 2));
    window.journaledIndex = at(model.journaled);
  } else if (what === "settle") window.settle(at(last));
  else if (what === "release") {
    model.released = Math.max(model.released, last - (size % 5));
    window.release(at(model.released));
  } else {
    const from = what === "clear" ? 1 : Math.max(1, last - (size % 4));
    model.frames.length = Math.min(last, from - 1);
    model.written = Math.min(model.written, from - 1);
    model.journaled = Math.min(model.journaled, from - 1);
    model.released = Math.min(model.released, from - 1);
    if (what === "clear") window.clear();
    else window.cut(at(from));
  }
}

function check({ window, frames: all, written, released }: Model, budget: number): void {
  const { size, oldest } = window;
  const first = all.length - size + 1;
  assert.equal(oldest?.index, size === 0 ? undefined : first);
  assert.ok(first <= Math.max(written, 0) + 1, "what is not written is there");
  assert.ok(size === 0 || first > Math.min(released, written), "what is released and written is not");
  let keptBytes = 0;
  for (let index = 1; index <= all.length; index++) {
    const expected = index < first ? undefined : all[index - 1];
    assert.deepEqual(window.get(at(index)), expected);
    if (expected !== undefined && index <= written) keptBytes += frameBytes(expected);
  }
  assert.ok(keptBytes <= budget, `${keptBytes} bytes of written frames within ${budget}`);
  const through = at(all.length) as LogIndex;
  if (size === 0) return;
  const read = window.read(at(first), through, 4_000);
  assert.deepEqual(read, all.slice(first - 1, first - 1 + (read?.length ?? 0)));
  const bytes = (read ?? []).reduce((sum, frame) => sum + frameBytes(frame), 0);
  const next = all[first - 1 + (read?.length ?? 0)];
  assert.ok(read?.length === 1 || bytes <= 4_000);
  assert.ok(next === undefined || bytes + frameBytes(next) > 4_000, "as many as fit");
}
