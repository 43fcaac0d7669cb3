import assert from "node:assert/strict";
import { test } from "node:test";
import { endAll } from "../../src/node/end-all.js";

test("a part that does not end cleanly does not keep the rest from ending, and its problem is told", async () => {
  const ended: string[] = [];
  const steps = [
    () => ended.push("server"),
    () => {
      throw new Error("links");
    },
    async () => Promise.reject(new Error("replicas")),
    async () => ended.push("disk"),
  ];
  await assert.rejects(endAll(steps), { message: "links" });
  assert.deepEqual(ended, ["server", "disk"]);
  await endAll([]);
});
