import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { MUTATIONS, type Mutation } from "./mutations.js";

/** Every mistake is found within so many seeds, most of them within ten; committing by counting older entries takes five steps in a row, and 306. */
const SEEDS = 400;

const built = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "quire-mutations-"));
after(() => rmSync(folder, { recursive: true, force: true }));

type Simulations = typeof import("./simulation.js");

/** A copy of the core and its simulation with one mistake in it. */
async function broken({ file, find, replace }: Mutation, at: number): Promise<Simulations> {
  const copy = join(folder, String(at));
  mkdirSync(copy);
  writeFileSync(join(copy, "package.json"), '{ "type": "module" }');
  for (const part of ["src/base", "src/consensus", "test/consensus"]) cpSync(join(built, part), join(copy, part), { recursive: true });
  const path = join(copy, "src/consensus", file);
  const code = readFileSync(path, "utf8");
  assert.equal(code.split(find).length, 2, `${file} has \`${find}\` once`);
  writeFileSync(
    path,
    code.replace(find, () => replace),
  );
  return (await import(pathToFileURL(join(copy, "test/consensus/simulation.js")).href)) as Simulations;
}

/** The first seed that finds something wrong. */
function firstFinding({ Simulation }: Simulations, under: Mutation["under"]): number | undefined {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      new Simulation({ seed, steps: 4_000, damage: under === "damage", reconfigure: under === "changes" }).run();
    } catch {
      return seed;
    }
  }
  return undefined;
}

for (const [at, mutation] of MUTATIONS.entries()) {
  test(`the simulation finds it when ${mutation.name}`, async () => {
    assert.notEqual(firstFinding(await broken(mutation, at), mutation.under), undefined, `${SEEDS} seeds found nothing`);
  });
}
