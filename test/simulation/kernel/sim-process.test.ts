import assert from "node:assert/strict";
import { test } from "node:test";
import { Machine } from "./machine.js";
import type { SimProcess } from "./sim-process.js";
import { World } from "./world.js";

function begin(): { world: World; machine: Machine; process: SimProcess } {
  const world = new World({ seed: 11 });
  const machine = new Machine({ world, name: "b1" });
  return { world, machine, process: machine.start() };
}

test("timers are late by less than a millisecond and never early; delays are whole and at least 1 ms, as Node's", async () => {
  const { world, process } = begin();
  const ends: number[] = [];
  const delays = [0, 0.4, 1, 7.9, 50, 2 ** 31, Number.POSITIVE_INFINITY];
  for (const [at, delayMs] of delays.entries()) {
    process.clock.after(delayMs, () => {
      ends[at] = world.nowMs;
    });
  }
  await world.run(100);
  for (const [at, least] of [1, 1, 1, 7, 50, 1, 1].entries()) {
    const late = (ends[at] ?? Number.NaN) - least;
    assert.ok(late >= 0 && late < 1, `the timer of ${delays[at]} ms ended ${late} ms late`);
  }
});

test("a periodic timer goes on until it is cancelled, also from within", async () => {
  const { world, process } = begin();
  let count = 0;
  const timer = process.clock.every(10, () => {
    count += 1;
    if (count === 3) timer.cancel();
  });
  const other = process.clock.every(10, () => assert.fail("it was cancelled"));
  other.cancel();
  await world.run(200);
  assert.equal(count, 3);
});

test("a clock that runs fast or slow takes its timers with it, and none ends early by it", async () => {
  const { world, machine, process } = begin();
  const begun = process.clock.monotonicMs();
  machine.setRate(2);
  const ends: number[] = [];
  process.clock.after(100, () => ends.push(world.nowMs));
  await world.run(60);
  assert.ok((ends[0] ?? 0) >= 50 && (ends[0] ?? 0) < 51, `${ends[0]}`);
  assert.equal(Math.round(process.clock.monotonicMs() - begun), 120);
  process.clock.after(100, () => ends.push(process.clock.monotonicMs() - begun));
  await world.run(70);
  machine.setRate(0.5);
  await world.run(1_000);
  assert.ok((ends[1] ?? 0) >= 220 - 1e-6 && (ends[1] ?? 0) < 222, `${ends[1]}`);
});

test("the time of day jumps, both ways; durations do not feel it", async () => {
  const { world, machine, process } = begin();
  await world.run(1_000);
  const [wall, monotonic] = [process.clock.wallMs(), process.clock.monotonicMs()];
  assert.ok(Number.isInteger(wall) && Math.abs(wall - 1_700_000_001_000) <= 51);
  assert.equal(Math.round(monotonic), 1_000);
  machine.jumpWall(-60_000);
  assert.deepEqual([process.clock.wallMs() - wall, process.clock.monotonicMs()], [-60_000, monotonic]);
  await world.run(2_000);
  assert.equal(machine.start().clock.monotonicMs(), 0);
});

test("what is due soon happens at the same time, after all that is due already", async () => {
  const { world, process } = begin();
  const seen: string[] = [];
  world.after(5, "first", () => {
    process.clock.soon(() => seen.push(`soon at ${world.nowMs}`));
    void Promise.resolve().then(() => seen.push("promise"));
  });
  world.after(5, "second", () => seen.push("second"));
  await world.run(10);
  assert.deepEqual(seen, ["promise", "second", "soon at 5"]);
});

test("nothing enters a paused process; then all of it does, once, in order, before anything newer", async () => {
  const { world, process } = begin();
  const seen: string[] = [];
  const beats: number[] = [];
  process.clock.every(10, () => beats.push(world.nowMs));
  process.pause();
  for (let i = 0; i < 4; i++) world.after(20 + i, "message", () => process.enter(() => void Promise.resolve().then(() => seen.push(`held ${i}`))));
  const timer = process.clock.after(30, () => assert.fail("cancelled by what was held before it"));
  world.after(25, "message", () => process.enter(() => timer.cancel()));
  world.after(100, "resume", () => process.resume());
  world.after(100, "message", () => process.enter(() => seen.push("newer")));
  await world.run(99);
  assert.deepEqual([seen, beats], [[], []]);
  await world.run(105);
  assert.deepEqual([seen, beats], [["held 0", "held 1", "held 2", "held 3", "newer"], [100]]);
});

test("a process that is paused again while it catches up stays where it is", async () => {
  const { world, process } = begin();
  const seen: number[] = [];
  process.pause();
  for (let i = 0; i < 3; i++) {
    process.enter(() => {
      seen.push(i);
      if (i === 1) process.pause();
    });
  }
  process.resume();
  await world.run(10);
  assert.deepEqual(seen, [0, 1]);
  process.resume();
  await world.run(20);
  assert.deepEqual(seen, [0, 1, 2]);
});

test("of a dead process nothing enters or leaves, and no timer ends; everyone is told once", async () => {
  const { world, machine, process } = begin();
  const deaths: string[] = [];
  process.onDeath((death) => deaths.push(death));
  process.clock.after(5, () => assert.fail("a dead process has no timers"));
  process.clock.every(5, () => assert.fail("a dead process has no timers"));
  process.clock.soon(() => assert.fail("a dead process has no events"));
  process.pause();
  process.enter(() => assert.fail("what was held back dies with it"));
  process.die();
  process.die();
  process.resume();
  process.clock.after(1, () => assert.fail("a dead process sets no timers"));
  process.clock.soon(() => assert.fail("a dead process sets no timers"));
  process.act(() => assert.fail("nothing leaves a dead process"));
  process.enter(() => assert.fail("nothing enters a dead process"));
  process.uncaught(new Error("a dead process fails nobody"));
  await world.run(50);
  assert.deepEqual([deaths, process.isAlive, machine.processes], [["kill"], false, []]);
});

test("a process dies at the act that it was told, just before or just after beginning it", async () => {
  const begun = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const world = new World({ seed });
    const process = new Machine({ world, name: "b1" }).start();
    process.dieAfter(3);
    let acts = 0;
    for (let i = 0; i < 5; i++) process.act(() => acts++);
    assert.equal(process.isAlive, false);
    begun.add(acts);
  }
  assert.deepEqual([...begun].sort(), [2, 3]);
});

test("a loss of power ends all processes of the machine, then tells the rest of it, and the next boot is another", async () => {
  const { machine, process } = begin();
  const [boot, other, told] = [machine.bootId, machine.start(), [] as string[]];
  for (const each of [process, other]) each.onDeath((death) => told.push(`${each.pid} ${death}`));
  machine.onPowerLoss(() => told.push("disk"));
  machine.losePower();
  assert.deepEqual(told, ["1 power", "2 power", "disk"]);
  assert.notEqual(machine.bootId, boot);
  assert.equal(machine.start().pid, 3);
});

test("an error that nobody caught is its process's, and the run fails unless somebody takes it", async () => {
  const { world, process } = begin();
  process.clock.after(1, () => assert.fail("a bug"));
  await assert.rejects(world.run(10), { message: "a bug" });
  const second = begin();
  const caught: unknown[] = [];
  second.process.onUncaught = (error) => caught.push((error as Error).message);
  second.process.clock.every(10, () => assert.fail("again"));
  second.process.pause();
  second.process.enter(() => assert.fail("held back"));
  second.process.resume();
  await second.world.run(25);
  assert.deepEqual(caught, ["held back", "again", "again"]);
});
