import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.js";

test("an event, and all that follows from it at its time, is over before the next one", async () => {
  const world = new World({ seed: 1 });
  const seen: string[] = [];
  for (const name of ["a", "b"]) {
    world.after(1, name, () => {
      seen.push(`${name} begins`);
      process.nextTick(() => seen.push(`${name} tick`));
      void (async () => {
        for (let depth = 0; depth < 50; depth++) await Promise.resolve();
        await new Promise<void>((resolve) => process.nextTick(resolve));
        queueMicrotask(() => seen.push(`${name} ends`));
      })();
    });
  }
  world.settled = (_, kind) => seen.push(`${kind} settled`);
  await world.run(2);
  const of = (name: string): string[] => [`${name} begins`, `${name} tick`, `${name} ends`, `${name} settled`];
  assert.deepEqual(seen, [...of("a"), ...of("b")]);
});

test("time moves from event to event and ends where the run ends; what is later waits for the next run", async () => {
  const world = new World({ seed: 1 });
  const times: number[] = [];
  for (const delayMs of [30, 0, 10.25, 10.25]) world.after(delayMs, "at", () => times.push(world.nowMs));
  world.after(10.25, "chain", () => world.after(0, "chained", () => times.push(world.nowMs + 0.5)));
  await world.run(20);
  assert.deepEqual([times, world.nowMs, world.pending], [[0, 10.25, 10.25, 10.75], 20, 1]);
  await world.run(40);
  assert.deepEqual([times.at(-1), world.nowMs, world.events], [30, 40, 6]);
  assert.throws(() => world.after(-1, "never", () => undefined));
  assert.throws(() => world.after(Number.NaN, "never", () => undefined));
});

test("one step is one event", async () => {
  const world = new World({ seed: 1 });
  let count = 0;
  for (let i = 0; i < 600; i++) world.after(i, "count", () => count++);
  for (let i = 1; i <= 600; i++) {
    assert.equal(await world.step(), true);
    assert.equal(count, i);
  }
  assert.equal(await world.step(), false);
  assert.equal(world.nowMs, 599);
});

for (const [where, happen] of [
  ["an event", () => assert.fail("told")],
  ["a promise that nobody awaits", () => void Promise.reject(new Error("told"))],
  [
    "a microtask",
    () =>
      queueMicrotask(() => {
        throw new Error("told");
      }),
  ],
] as const) {
  test(`an error out of ${where} ends the run at once`, async (t) => {
    // The runner of tests listens as well, and would take the error for its own.
    const listeners = (["unhandledRejection", "uncaughtException"] as const).map((event) => ({ event, was: process.listeners(event as "exit") }));
    for (const { event } of listeners) process.removeAllListeners(event);
    t.after(() => {
      for (const { event, was } of listeners) for (const each of was) process.on(event as "exit", each);
    });
    const world = new World({ seed: 1 });
    let isLater = false;
    world.after(1, "fails", happen);
    world.after(1, "later", () => {
      isLater = true;
    });
    await assert.rejects(world.run(10), { message: "told" });
    assert.equal(isLater, false);
  });
}

test("what a check throws after an event ends the run", async () => {
  const world = new World({ seed: 1 });
  world.settled = () => assert.fail("not so");
  world.after(1, "any", () => undefined);
  await assert.rejects(world.run(10), { message: "not so" });
});

test("the hash tells what happened from what nearly happened; what is told to people is not in it", async () => {
  const run = async (change: (world: World) => void): Promise<string> => {
    const world = new World({ seed: 1, trace: { linesMax: 2 } });
    for (let i = 0; i < 10; i++) world.after(i, "same", () => world.trace.detail(i));
    change(world);
    await world.run(20);
    return world.trace.hash;
  };
  const same = await run(() => undefined);
  assert.equal(await run((world) => world.trace.tell(0, "a", "for people")), same);
  const others = [
    await run((world) => world.note("a", "a fault")),
    await run((world) => world.after(3, "more", () => undefined)),
    await run((world) => world.after(3, "more!", () => undefined)),
    await run((world) => world.after(3.000001, "more", () => undefined)),
    await run((world) => world.after(3, "more", () => world.trace.detail(1))),
    await run((world) => world.after(3, "more", () => world.trace.detail(-1))),
  ];
  assert.equal(new Set([same, ...others]).size, 7);
});

test("the last lines are kept, oldest first", async () => {
  const world = new World({ seed: 1, trace: { linesMax: 3 } });
  for (let i = 0; i < 5; i++) world.after(i, "event", () => world.note("b1", `fault ${i}`));
  await world.run(9);
  assert.deepEqual(
    world.trace.lines().map((line) => line.trim().split(/\s+/).join(" ")),
    ["2.000 b1 fault 2", "3.000 b1 fault 3", "4.000 b1 fault 4"],
  );
});

test("draws for one purpose do not disturb another's", () => {
  const [world, other] = [new World({ seed: 5 }), new World({ seed: 5 })];
  other.random("network").below(10);
  assert.equal(world.random("disk").uuid(), other.random("disk").uuid());
  assert.equal(world.random("disk"), world.random("disk"));
});
