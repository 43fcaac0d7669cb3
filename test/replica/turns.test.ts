import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../src/replica/turns.js";
import { settle } from "../support/fake-clock.js";

test("so many work at a time, the others in the order of asking, and one that fails gives its turn back", async () => {
  const turns = new Turns(2);
  const ends: ((error?: Error) => void)[] = [];
  const begun: number[] = [];
  const all = [0, 1, 2, 3].map((at) =>
    turns.take(() => {
      begun.push(at);
      return new Promise<number>((resolve, reject) => {
        ends[at] = (error) => (error === undefined ? resolve(at) : reject(error));
      });
    }),
  );
  assert.deepEqual(begun, [0, 1]);
  ends[1]?.(new Error("the disk"));
  await assert.rejects(all[1] ?? Promise.resolve(), /the disk/);
  await settle();
  assert.deepEqual(begun, [0, 1, 2]);
  ends[0]?.();
  await settle();
  assert.deepEqual(begun, [0, 1, 2, 3]);
  ends[2]?.();
  ends[3]?.();
  assert.deepEqual(await Promise.all([all[0], all[2], all[3]]), [0, 2, 3]);
  assert.equal(await turns.take(async () => "free again"), "free again");
});
