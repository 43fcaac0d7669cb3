// `npm run model [-- --large] [--only TEXT] [--trace]`: checks test/model/Quorum.tla with TLC, every state of every run of the table in
// scripts/model/runs.mjs. Needs Java, and Maven or QUIRE_TLC_JAR for TLC itself; says so and skips otherwise.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { defaultRuns, largeRuns } from "./model/runs.mjs";
import { findTlc, runTlc } from "./model/tlc.mjs";

const { values: options } = parseArgs({
  options: { large: { type: "boolean", default: false }, only: { type: "string", default: "" }, trace: { type: "boolean", default: false } },
});
const runs = [...defaultRuns, ...(options.large ? largeRuns : [])].filter((run) => run.name.includes(options.only));
const folder = mkdtempSync(join(tmpdir(), "quire-model-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
const tlc = findTlc(folder);
if (tlc.missing !== undefined) {
  console.log(`skipped: ${tlc.missing}`);
  process.exit(0);
}
const rows = [["rules and bounds", "states", "depth", "seconds", "expected", "seen"]];
let surprises = 0;
for (const [at, run] of runs.entries()) {
  console.log(`${at + 1} of ${runs.length}: ${run.name}`);
  const result = await runTlc({ jar: tlc.jar, folder }, run, (line) => console.log(`    ${line}`));
  const expected = run.holds ? "holds" : "violated";
  const isSurprise = result.verdict !== expected;
  if (isSurprise) surprises++;
  if (isSurprise || options.trace) console.log(result.output);
  const seen = `${result.verdict}${result.invariant === undefined ? "" : `: ${result.invariant}`}`;
  rows.push([run.name, result.states, result.depth, String(result.seconds), expected, isSurprise ? `${seen}  <- SURPRISE` : seen]);
}
console.log(`\n${table(rows)}\n\n${runs.length} runs, ${surprises} not as expected`);
process.exit(surprises === 0 && runs.length > 0 ? 0 : 1);

/** @param {readonly (readonly string[])[]} lines */
function table(lines) {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const isNumber = (/** @type {number} */ column) => column >= 1 && column <= 3;
  const cell = (/** @type {string} */ text, /** @type {number} */ column) =>
    isNumber(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0);
  return lines.map((line) => line.map(cell).join("  ").trimEnd()).join("\n");
}
