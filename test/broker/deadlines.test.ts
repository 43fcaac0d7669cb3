import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Deadlines } from "../../src/broker/deadlines.js";
import { FakeClock } from "../support/fake-clock.js";

test("an entry expires once, never early and at most one period late; a removed one never", () => {
  const entries = fc.array(fc.record({ atMs: fc.nat(3_000), delayMs: fc.nat(2_000), removed: fc.boolean() }), { maxLength: 40 });
  fc.assert(
    fc.property(entries, (planned) => {
      const clock = new FakeClock(0);
      const deadlines = new Deadlines(clock, 50);
      for (const { atMs, delayMs, removed } of planned.sort((a, b) => a.atMs - b.atMs)) {
        clock.advance(atMs - clock.monotonicMs());
        let expired = 0;
        const entry = {
          expire: () => {
            expired += 1;
            assert.ok(!removed && expired === 1);
            const lateMs = clock.monotonicMs() - (atMs + delayMs);
            assert.ok(lateMs >= 0 && lateMs <= 100, `late by ${lateMs}`);
          },
        };
        const slot = deadlines.add(entry, delayMs);
        if (removed) slot.delete(entry);
        else clock.after(delayMs + 200, () => assert.equal(expired, 1));
      }
      clock.advance(10_000);
      assert.equal(clock.timers, 0, "no timer while nothing waits");
    }),
  );
});

test("a long pause of the process expires everything that is over, and nothing else", () => {
  const clock = new FakeClock(0);
  const deadlines = new Deadlines(clock, 50);
  const expired: number[] = [];
  for (const delayMs of [100, 5_000, 20_000]) deadlines.add({ expire: () => expired.push(delayMs) }, delayMs);
  clock.advance(6_000);
  assert.deepEqual(expired, [100, 5_000]);
});
