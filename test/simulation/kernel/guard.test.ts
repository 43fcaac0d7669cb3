import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { World } from "./world.js";

const FORBIDDEN: readonly (readonly [string, () => unknown])[] = [
  ["Date.now", () => Date.now()],
  ["new Date()", () => new Date()],
  ["Date()", () => Date()],
  ["setTimeout", () => setTimeout(() => undefined, 0)],
  ["setInterval", () => clearInterval(setInterval(() => undefined, 1))],
  ["setImmediate", () => setImmediate(() => undefined)],
  ["timers/promises", () => sleep(0)],
  ["performance.now", () => performance.now()],
  ["process.hrtime", () => process.hrtime()],
  ["process.uptime", () => process.uptime()],
  ["AbortSignal.timeout", () => AbortSignal.timeout(1)],
  ["Math.random", () => Math.random()],
  ["crypto.randomUUID", () => crypto.randomUUID()],
  ["crypto.getRandomValues", () => crypto.getRandomValues(new Uint8Array(1))],
  ["an imported randomUUID", () => randomUUID()],
  ["an imported randomBytes", () => randomBytes(1)],
];

for (const [name, use] of FORBIDDEN) {
  test(`${name} throws while a simulation runs, and works before and after`, async () => {
    use();
    const world = new World({ seed: 1 });
    world.after(1, "use", () => void assert.throws(use, /in a simulation/));
    await world.run(2);
    use();
  });
}

test("dates that do not ask for now can be made", async () => {
  const world = new World({ seed: 1 });
  world.after(1, "use", () => {
    assert.equal(new Date(0).toISOString(), "1970-01-01T00:00:00.000Z");
    assert.equal(Date.UTC(1970, 0, 1), 0);
    assert.ok(new Date(5) instanceof Date);
  });
  await world.run(2);
});

test("a run that fails gives reality back", async () => {
  const world = new World({ seed: 1 });
  world.after(1, "fail", () => assert.fail("it"));
  await assert.rejects(world.run(2), { message: "it" });
  assert.ok(Date.now() > 0);
  await new Promise((resolve) => setTimeout(resolve, 0));
});
