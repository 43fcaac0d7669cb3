import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";

/** The table of architecture.md. What a folder may import as ports is given by file. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  config: ["base"],
  observe: ["base"],
  consensus: ["base"],
  wire: ["base"],
  storage: ["base", "consensus/types"],
  replica: ["base", "consensus", "storage/log"],
  cluster: ["base", "replica/types"],
  broker: ["base", "storage/log", "replica/types", "cluster/group-info", "cluster/view"],
  rpc: ["base", "wire", "broker", "cluster", "replica"],
  node: ["base", "config", "observe", "consensus", "storage", "replica", "cluster", "broker", "wire", "rpc"],
  client: ["base", "wire"],
  cli: ["base", "config", "node", "client", "observe"],
  console: ["client"],
};
const FOLDERS = Object.keys(MAY_IMPORT);
/** Files that are ports, of folders whose other files are not open to all. */
const PORTS = ["consensus/types", "storage/log", "replica/types", "cluster/group-info", "cluster/view"];

const folder = realpathSync(mkdtempSync(join(tmpdir(), "quire-lint-")));
after(() => rmSync(folder, { recursive: true, force: true }));

const TIME_AND_CHANCE = [
  `import { setTimeout as sleep } from "node:timers/promises";`,
  `import { randomInt } from "node:crypto";`,
  "export const a = Date.now();",
  "export const b = new Date();",
  "export const c = Math.random();",
  "export const d = performance.now();",
  "export const e = setTimeout(() => {}, 1);",
  "export const f = setInterval(() => {}, 1);",
  "export const g = setImmediate(() => {});",
  "export const h = globalThis.setTimeout(() => {}, 1);",
  "export const i = AbortSignal.timeout(1);",
  "export const j = crypto.randomUUID();",
  "export const k = [sleep, randomInt];",
];

function plant(path: string, lines: readonly string[]): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), `${lines.join("\n")}\n`);
}

/** One import a line, of every other folder and of every port. */
const targets = (from: string): string[] => [...FOLDERS.map((to) => `${to}/inside`), ...PORTS].filter((to) => !to.startsWith(`${from}/`));
const imports = (from: string, up: string): string[] => targets(from).map((to) => `import "${up}${to}.js";`);
const allowed = (from: string, to: string): boolean => (MAY_IMPORT[from] ?? []).some((rule) => to === rule || to.startsWith(`${rule}/`));

function lint(): { rule: string; file: string; line: number }[] {
  const biome = join(process.cwd(), "node_modules/.bin/biome");
  const { stdout } = spawnSync(biome, ["lint", "--reporter=github", "--max-diagnostics=none", "."], { cwd: folder, encoding: "utf8" });
  const found = [...stdout.matchAll(/^::error title=([^,]+),file=([^,]+),line=(\d+)/gm)];
  return found.map(([, rule, file, line]) => ({ rule: String(rule), file: relative(folder, String(file)), line: Number(line) }));
}

cpSync("biome.json", join(folder, "biome.json"));
cpSync("scripts/lint", join(folder, "scripts/lint"), { recursive: true });
for (const from of FOLDERS) {
  for (const [depth, up] of [`../`, `../../`].entries()) plant(`src/${from}/${"deep/".repeat(depth)}probe.ts`, imports(from, up));
}
plant("src/broker/clock.ts", TIME_AND_CHANCE);
plant("src/base/system-ports.ts", TIME_AND_CHANCE);
plant("test/clock.ts", TIME_AND_CHANCE);
plant("src/consensus/packages.ts", [`import "node:fs";`, `import "level";`, `import "./packages-not.js";`]);
plant("src/wire/cycle-a.ts", [`import { b } from "./cycle-b.js";`, "export const a = () => b;"]);
plant("src/wire/cycle-b.ts", [`import { a } from "./cycle-a.js";`, "export const b = () => a;"]);
plant(
  "src/wire/long.ts",
  Array.from({ length: 401 }, (_, line) => `export const line${line} = ${line};`),
);
plant("src/wire/long-function.ts", ["export function long(): void {", ...Array.from({ length: 71 }, () => `  console.log("x");`), "}"]);
plant("src/wire/floating.ts", ["const later = async (): Promise<void> => {};", "export const now = (): void => {", "  later();", "};"]);
const findings = lint();

const linesOf = (file: string, rule?: string): number[] =>
  findings
    .filter((finding) => finding.file === file && (rule === undefined || finding.rule === rule))
    .map((finding) => finding.line)
    .sort((a, b) => a - b);

for (const from of FOLDERS) {
  test(`${from} may import ${MAY_IMPORT[from]?.join(", ") || "nothing"}, and the linter refuses the rest`, () => {
    const forbidden = targets(from).flatMap((to, at) => (allowed(from, to) ? [] : [at + 1]));
    assert.deepEqual(new Set(linesOf(`src/${from}/probe.ts`, "lint/style/noRestrictedImports")), new Set(forbidden));
    assert.deepEqual(new Set(linesOf(`src/${from}/deep/probe.ts`, "lint/style/noRestrictedImports")), new Set(forbidden));
  });
}

test("time and chance are refused outside the system's ports, in every form", () => {
  assert.deepEqual(new Set(linesOf("src/broker/clock.ts")), new Set(TIME_AND_CHANCE.slice(1).map((_, at) => at + 1)));
});
test("the system's ports and tests may touch the clock", () => {
  assert.deepEqual(linesOf("src/base/system-ports.ts"), []);
  assert.deepEqual(linesOf("test/clock.ts"), []);
});
test("consensus imports no package", () => assert.deepEqual(linesOf("src/consensus/packages.ts"), [1, 2]));
test("import cycles are refused", () => assert.deepEqual(linesOf("src/wire/cycle-a.ts"), [1]));
test("a file of more than 400 lines is refused", () => assert.deepEqual(linesOf("src/wire/long.ts").length, 1));
test("a function of more than 70 lines is refused", () => assert.deepEqual(linesOf("src/wire/long-function.ts").length, 1));
test("a floating promise is refused", () => assert.deepEqual(linesOf("src/wire/floating.ts"), [3]));
