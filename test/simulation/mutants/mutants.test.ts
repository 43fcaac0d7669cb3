import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ALL_MUTANTS } from "./all-mutants.js";

const built = fileURLToPath(new URL("../../..", import.meta.url));

test("every mutant changes code that stands in its file exactly once", () => {
  const stray = ALL_MUTANTS.flatMap(({ name, edits }) =>
    edits
      .filter(({ file, find }) => readFileSync(join(built, file), "utf8").split(find).length !== 2)
      .map(({ file, find }) => `${name}: ${file} has not once: ${find}`),
  );
  assert.deepEqual(stray, []);
});

test("every mutant has a name of its own, and at least 20 are of the whole code", () => {
  assert.equal(new Set(ALL_MUTANTS.map(({ name }) => name)).size, ALL_MUTANTS.length);
  assert.ok(ALL_MUTANTS.filter(({ part }) => part !== "consensus").length >= 20);
});
