import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { Simulation } from "./simulation.js";

const RUN = { seed: 7, mode: "within", minutes: 0.5 } as const;

test("the same seed gives the same trace, twice in one process and in another one", async () => {
  const first = await new Simulation(RUN).run();
  const again = await new Simulation({ ...RUN, linesMax: 100 }).run();
  const script = `const { Simulation } = await import(${JSON.stringify(new URL("./simulation.js", import.meta.url).href)});
    console.log((await new Simulation(${JSON.stringify(RUN)}).run()).hash);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  assert.equal(first.violation, undefined);
  assert.equal(again.hash, first.hash);
  assert.equal(stdout.trim(), first.hash);
  assert.ok(first.tally.acknowledged > 0 && first.tally.elections > 0, JSON.stringify(first.tally));
});

test("another seed gives another trace", async () => {
  const [one, other] = [await new Simulation(RUN).run(), await new Simulation({ ...RUN, seed: 8 }).run()];
  assert.notEqual(one.hash, other.hash);
});
