import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkQueue } from "../../src/cluster/work-queue.js";
import { ManualClock } from "./manual-clock.js";

function setUp(concurrency = 2) {
  const clock = new ManualClock();
  const log: string[] = [];
  const ends = new Map<string, (outcome: "done" | "again") => void>();
  const queue = new WorkQueue<string>({
    clock,
    concurrency,
    retryMsMin: 100,
    retryMsMax: 400,
    run: (key) => {
      log.push(key);
      return new Promise((resolve) => ends.set(key, resolve));
    },
  });
  const end = async (key: string, outcome: "done" | "again"): Promise<void> => {
    ends.get(key)?.(outcome);
    await clock.settle();
  };
  return { clock, log, queue, end };
}

test("few keys at a time, each once, in order", async () => {
  const { log, queue, end } = setUp();
  for (const key of ["a", "b", "c", "a"]) queue.add(key);
  assert.deepEqual(log, ["a", "b"]);
  await end("b", "done");
  assert.deepEqual(log, ["a", "b", "c"], "a is still under way");
  await end("a", "done");
  assert.deepEqual(log, ["a", "b", "c", "a"], "what changed meanwhile is looked at again");
  await end("c", "done");
  await end("a", "done");
  assert.equal(queue.size, 0);
});

test("a key is not worked on twice at the same time, even when there is room", async () => {
  const { log, queue, end } = setUp();
  queue.add("a");
  queue.add("a");
  assert.deepEqual(log, ["a"]);
  await end("a", "done");
  assert.deepEqual(log, ["a", "a"]);
});

test("an unfinished key comes back later and later, with one timer for all, at the time of the earliest", async () => {
  const { clock, log, queue, end } = setUp();
  queue.add("a");
  await end("a", "again");
  await clock.advance(100);
  await end("a", "again");
  queue.add("b");
  await end("b", "again");
  assert.equal(clock.timers, 1);
  await clock.advance(100);
  assert.deepEqual(log, ["a", "a", "b", "b"], "b waits 100 ms although a waits 200");
  await end("b", "done");
  await clock.advance(100);
  assert.deepEqual(log, ["a", "a", "b", "b", "a"]);
  await end("a", "done");
  assert.equal(clock.timers, 0);
});

test("a change ends the waiting, and with it the memory of failures", async () => {
  const { clock, log, queue, end } = setUp();
  queue.add("a");
  await end("a", "again");
  await clock.advance(100);
  await end("a", "again");
  queue.add("a");
  assert.equal(log.length, 3);
  await end("a", "again");
  await clock.advance(100);
  assert.equal(log.length, 4);
});

test("stopping waits for what is under way and begins nothing more", async () => {
  const { clock, log, queue, end } = setUp(1);
  queue.add("a");
  queue.add("b");
  let stopped = false;
  const stopping = queue.stop().then(() => {
    stopped = true;
  });
  await clock.settle();
  assert.equal(stopped, false);
  await end("a", "again");
  await stopping;
  queue.add("c");
  assert.deepEqual(log, ["a"]);
  assert.equal(clock.timers, 0);
});
