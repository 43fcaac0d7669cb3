import assert from "node:assert/strict";
import { test } from "node:test";
import { Simulation, type SimulationOptions, type SimulationResult } from "./simulation.js";

/** `SEED=7 RUNS=1 node --test …/simulation.test.js` replays one run; more runs look further. */
const FIRST_SEED = Number(process.env["SEED"] ?? 1);
const RUNS = Number(process.env["RUNS"] ?? 60);

function runAll(options: Omit<SimulationOptions, "seed">): SimulationResult {
  const total = { committed: 0, elections: 0, reads: 0, doubts: 0, snapshots: 0, changes: 0, transfers: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
    const simulation = new Simulation({ seed, ...options });
    try {
      const result = simulation.run();
      for (const key of Object.keys(total) as (keyof SimulationResult)[]) total[key] += result[key];
    } catch (error) {
      throw new Error(
        `seed ${seed} of ${JSON.stringify(options)}: replay with SEED=${seed} RUNS=1\n${error instanceof Error ? error.stack : error}\n${simulation.describe()}`,
      );
    }
  }
  return total;
}

test("crashes, losses, repeats and partitions never break an invariant, and peace brings agreement", () => {
  const total = runAll({ steps: 4_000, damage: false, reconfigure: false });
  if (RUNS >= 60)
    assert.ok(total.committed > 2_000 && total.elections > 100 && total.reads > 200 && total.snapshots > 20 && total.transfers > 1, JSON.stringify(total));
});

test("the same while members, W and R change", () => {
  const total = runAll({ steps: 4_000, damage: false, reconfigure: true });
  if (RUNS >= 60) assert.ok(total.changes > 20 && total.committed > 2_000, JSON.stringify(total));
});

test("the same while disks are torn, and fewer than W lose what they had synced", () => {
  const total = runAll({ steps: 4_000, damage: true, reconfigure: false });
  if (RUNS >= 60) assert.ok(total.doubts > 30 && total.committed > 1_000, JSON.stringify(total));
});
