/** The contract of `scenarios.ts` on the real transport. Files of their own: no time passes outside of a simulation while it runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { scenarios } from "./scenarios.js";
import { onGrpc } from "./transports.js";

for (const { name, run, seen } of scenarios) test(name, async () => assert.deepEqual(await onGrpc(run), seen));
