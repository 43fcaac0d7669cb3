import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Locked {
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
const lockfile = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Readonly<Record<string, Locked>> };

test("the lockfile has the packages of every platform: without them npm ci refuses it on all", () => {
  const missing = Object.values(lockfile.packages).flatMap(({ optionalDependencies = {} }) =>
    Object.keys(optionalDependencies).filter((name) => lockfile.packages[`node_modules/${name}`] === undefined),
  );
  assert.deepEqual(missing, []);
});

test("the lockfile names no host", () => {
  assert.deepEqual(
    Object.entries(lockfile.packages).filter(([, { resolved }]) => resolved !== undefined),
    [],
  );
});
