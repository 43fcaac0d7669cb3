import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runDemo } from "../../scripts/demo/run.js";

test("every acknowledged line survives two killed brokers, in order for each key, byte for byte", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quire-demo-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const lines = Array.from({ length: 1_500 }, (_, number) => Buffer.from(number % 100 === 0 ? "" : `line ${number} \u00e4 ${"x".repeat(number % 300)}`));
  const said: string[] = [];
  const result = await runDemo({ lines, folder, sendForMs: 3_000, say: (text) => said.push(text) });
  assert.deepEqual(result.differences, [], said.join("\n"));
  assert.deepEqual([result.sent, result.acknowledged, result.refused], [1_500, 1_500, 0]);
  assert.ok(result.readersAgree, "both readers saw the same");
  assert.equal(new Set(result.kills.map((kill) => kill.nodeId)).size, 2, "two different brokers were killed");
});
