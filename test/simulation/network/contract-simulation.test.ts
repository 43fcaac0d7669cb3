/** The contract of `scenarios.ts` on the simulated transport. Files of their own: no time passes outside of a simulation while it runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { onSimulation } from "./lab.js";
import { scenarios } from "./scenarios.js";

for (const { name, run, seen } of scenarios) test(name, async () => assert.deepEqual(await onSimulation(run), seen));
