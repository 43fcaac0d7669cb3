// `npm test -- [part of a path …]`: builds, then runs the tests as one run with one count at its end: first everything that
// is not a system test, two files at a time, then the system tests, which start real clusters, one at a time.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { compose } from "node:stream";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import "./build.mjs";
import { root } from "./lib/project.mjs";

const MINUTE_MS = 60_000;
const SUMMARY = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/;

const wanted = process.argv.slice(2);
const compiled = join(root, "dist", "test");
const files = readdirSync(compiled, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.js") && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .sort();
if (files.length === 0) {
  console.error(wanted.length === 0 ? "no tests were found" : `no test's path contains ${wanted.join(" or ")}`);
  process.exit(1);
}

const isSystem = (file) => file.startsWith("system/");
compose(events(), new spec()).pipe(process.stdout);

/** The events of both phases, as of one run: the two summaries are replaced by their sum. */
async function* events() {
  const sums = new Map();
  const phases = [
    { chosen: files.filter((file) => !isSystem(file)), concurrency: 2, timeout: 5 * MINUTE_MS },
    { chosen: files.filter(isSystem), concurrency: 1, timeout: 20 * MINUTE_MS },
  ];
  for (const { chosen, concurrency, timeout } of phases) {
    if (chosen.length === 0) continue;
    for await (const event of run({ files: chosen.map((file) => join(compiled, file)), concurrency, timeout })) {
      if (event.type === "test:fail" && event.data.todo === undefined) process.exitCode = 1;
      const summary = event.type === "test:diagnostic" && event.data.nesting === 0 ? SUMMARY.exec(event.data.message) : null;
      if (summary === null) yield event;
      else sums.set(summary[1], (sums.get(summary[1]) ?? 0) + Number(summary[2]));
    }
  }
  for (const [name, sum] of sums) yield { type: "test:diagnostic", data: { nesting: 0, message: `${name} ${sum}` } };
}
