// Every check that is not a test: types, format, lint and import rules, the protocol, dead code.
import { spawnSync } from "node:child_process";
import "./build.mjs";
import { root, runTool } from "./lib/project.mjs";

step("format, lint, import rules", () =>
  runTool("biome", ["ci", "--error-on-warnings", "--log-level=error", "--colors=off", "--max-diagnostics=100", "."], { quiet: true }),
);
step("protocol: lint", () => runTool("buf", ["lint"], { quiet: true }));
step("protocol: compatible with main", checkProtocolCompatibility);
step("dead code", () => runTool("knip", ["--no-progress"], { quiet: true }));

/** @param {string} name @param {() => string | void} check Returns why it was skipped, if it was. */
function step(name, check) {
  const skipped = check();
  console.log(`${skipped ? "skipped" : "ok     "} ${name}${skipped ? `: ${skipped}` : ""}`);
}

/** Compares the protocol with the newest one that others may already use. */
function checkProtocolCompatibility() {
  const base = ["origin/main", "main"].find((ref) => git("cat-file", "-e", `${ref}:proto`).status === 0);
  if (base === undefined) return "no main branch with a protocol here to compare with";
  const commit = git("rev-parse", base).stdout.trim();
  runTool("buf", ["breaking", "--against", `.git#ref=${commit}`], { quiet: true });
}

/** @param {string[]} args */
function git(...args) {
  return spawnSync("git", args, { cwd: root, encoding: "utf8" });
}
