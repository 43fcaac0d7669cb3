import assert from "node:assert/strict";
import { test } from "node:test";
import { type BehindLog, WriteBehind } from "../../../src/storage/journal/write-behind.js";
import { FakeClock } from "../../support/fake-clock.js";

const limits = { bytesMax: 1_000, ageMsMax: 10_000 };
const FILE = 1;

/** Remembers which logs were asked, in order. */
class Asked {
  readonly clock = new FakeClock();
  readonly writeBehind = new WriteBehind(this.clock, limits);
  readonly keys: string[] = [];

  log(key: string): BehindLog {
    return { key, writeBehind: () => this.keys.push(key) };
  }

  add(key: string, bytes: number, file = FILE): void {
    this.writeBehind.add(this.log(key), file, bytes);
  }

  /** Those asked since the last time this was called. */
  take(): string[] {
    return this.keys.splice(0);
  }
}

const letters = (count: number): string[] => Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i));

test("nothing is asked for while little waits and nothing waits long", () => {
  const asked = new Asked();
  asked.add("a", 600);
  asked.add("b", 400);
  asked.clock.advance(limits.ageMsMax / 2 - 1);
  assert.deepEqual(asked.take(), []);
});

test("when more than the limit waits, the longest waiting are asked until what is left is within it", () => {
  const asked = new Asked();
  for (const key of ["a", "b", "c"]) asked.add(key, 300);
  asked.add("a", 50);
  assert.deepEqual(asked.take(), []);
  asked.add("d", 400);
  assert.deepEqual(asked.take(), ["a"], "1,350 less 350 is the limit");
  asked.add("e", 900);
  assert.deepEqual(asked.take(), ["b", "c", "d"]);
});

test("what a log that was asked adds meanwhile counts as asked for, and is not asked for twice", () => {
  const asked = new Asked();
  asked.add("a", 600);
  asked.add("b", 500);
  assert.deepEqual(asked.take(), ["a"]);
  asked.add("a", 5_000);
  assert.deepEqual(asked.take(), []);
  asked.writeBehind.done("a");
  asked.add("c", 500);
  assert.deepEqual(asked.take(), [], "1,000 are left");
  asked.add("c", 1);
  assert.deepEqual(asked.take(), ["b"]);
});

test("a log is asked from half of the longest wait on, counted from its first entry here, whatever was added since", () => {
  const asked = new Asked();
  asked.add("a", 1);
  asked.clock.advance(3_000);
  asked.add("b", 1);
  asked.add("a", 1);
  asked.clock.advance(1_900);
  assert.deepEqual(asked.take(), []);
  asked.clock.advance(200);
  assert.deepEqual(asked.take(), ["a"]);
  asked.clock.advance(2_800);
  assert.deepEqual(asked.take(), []);
  asked.clock.advance(200);
  assert.deepEqual(asked.take(), ["b"]);
});

test("a thousand busy logs that began to wait together are asked a few at a time, and none waits longer than the longest wait", () => {
  const asked = new Asked();
  const keys = Array.from({ length: 1_000 }, (_, i) => `log ${i}`);
  for (const key of keys) asked.add(key, 1);
  const since = new Map(keys.map((key) => [key, 0]));
  let most = 0;
  let longestMs = 0;
  for (let nowMs = 10; nowMs <= 60_000; nowMs += 10) {
    asked.clock.advance(10);
    let inThisTurn = 0;
    for (let keys = asked.take(); keys.length > 0; keys = asked.take()) {
      inThisTurn += keys.length;
      for (const key of keys) {
        longestMs = Math.max(longestMs, nowMs - (since.get(key) ?? 0));
        since.set(key, nowMs);
        asked.writeBehind.done(key);
        asked.add(key, 1 / 1_000);
      }
    }
    most = Math.max(most, inThisTurn);
  }
  assert.ok(most <= 25, `${most} at once`);
  assert.ok(longestMs <= limits.ageMsMax + 200, `${longestMs} ms`);
});

test("a log that was done and adds again waits anew, behind the others", () => {
  const asked = new Asked();
  asked.add("a", 1);
  asked.add("b", 1);
  asked.writeBehind.done("a");
  asked.clock.advance(4_000);
  asked.add("a", 1);
  asked.clock.advance(2_000);
  assert.deepEqual(asked.take(), ["b"]);
  asked.add("c", 2_000);
  assert.deepEqual(asked.take(), ["a", "c"]);
});

test("logs that keep a file alive which is to be left are asked, and no others", () => {
  const asked = new Asked();
  asked.add("a", 1, 1);
  asked.add("b", 1, 2);
  asked.add("a", 1, 3);
  asked.add("c", 1, 3);
  asked.writeBehind.leave(1);
  assert.deepEqual(asked.take(), []);
  asked.writeBehind.leave(3);
  assert.deepEqual(asked.take(), ["a", "b"]);
});

test("at most eight are asked at a time, and the next one when one of them is done", () => {
  const asked = new Asked();
  const keys = letters(12);
  for (const key of keys) asked.add(key, 1, 1);
  asked.writeBehind.leave(2);
  assert.deepEqual(asked.take(), keys.slice(0, 8));
  asked.clock.advance(60_000);
  assert.deepEqual(asked.take(), []);
  asked.writeBehind.done("c");
  assert.deepEqual(asked.take(), ["i"]);
  asked.writeBehind.done("l");
  assert.deepEqual(asked.take(), [], "it was not among those asked");
  for (const key of ["a", "b"]) asked.writeBehind.done(key);
  assert.deepEqual(asked.take(), ["j", "k"]);
});

test("a log that is done twice, or was never here, is no harm", () => {
  const asked = new Asked();
  asked.add("a", 600);
  asked.add("b", 500);
  asked.writeBehind.done("a");
  asked.writeBehind.done("a");
  asked.writeBehind.done("z");
  asked.take();
  asked.add("c", 500);
  assert.deepEqual(asked.take(), []);
  asked.add("d", 1);
  assert.deepEqual(asked.take(), ["b"]);
});

test("while nothing waits there is no timer, and closing leaves none", () => {
  const asked = new Asked();
  assert.equal(asked.clock.timers, 0);
  asked.add("a", 1);
  assert.equal(asked.clock.timers, 1);
  asked.writeBehind.done("a");
  asked.clock.advance(1_000);
  assert.equal(asked.clock.timers, 0);
  asked.add("a", 1);
  asked.add("b", 1);
  assert.equal(asked.clock.timers, 1);
  asked.writeBehind.close();
  assert.equal(asked.clock.timers, 0);
});
