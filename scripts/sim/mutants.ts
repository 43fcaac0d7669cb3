import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { ALL_MUTANTS } from "../../test/simulation/mutants/all-mutants.js";
import { type Mutant, PARTS } from "../../test/simulation/mutants/mutant.js";
import { MutantBuild } from "./mutant-build.js";
import type { Failure, SeedRange } from "./report.js";
import { runSeeds } from "./run-seeds.js";

const HELP = `Breaks the code on purpose, one mistake at a time, and runs the simulation until it finds it.

Ends with a table of the mistakes, and with exit code 1 when one was not found.`;

const options = await yargs(hideBin(process.argv))
  .scriptName("npm run sim:mutants --")
  .usage(HELP)
  .options({
    only: { type: "string", requiresArg: true, describe: `Mistakes with this in their name, or of one part: ${PARTS.join(", ")}` },
    seeds: { type: "number", requiresArg: true, default: 200, describe: "Each mistake must be found within so many seeds" },
    minutes: { type: "number", requiresArg: true, default: 0.5, describe: "How long faults go on in each run, simulated" },
    jobs: { type: "number", requiresArg: true, default: 2, describe: "Processes" },
  })
  .example("$0 --only storage --jobs 2", "those of the storage")
  .strict()
  .version(false)
  .parseAsync();

/** What something else is held to find is not looked for long. */
const SEEDS_IF_LEFT = 20;

interface Finding {
  readonly mutant: Mutant;
  /** The first seed that found it. */
  readonly seed: number | undefined;
  /** What the seed found to be violated. */
  readonly invariant: string;
}

const { only, seeds, minutes, jobs } = options;
const chosen = ALL_MUTANTS.filter(({ part, name }) => only === undefined || part === only || name.includes(only));
if (chosen.length === 0) {
  console.error(`no mistake is called ${JSON.stringify(only)}, nor is a part; parts are ${PARTS.join(", ")}`);
  process.exit(2);
}
const findings: Finding[] = [];
const soundSeeds = new Map<number, boolean>();
for (const mutant of chosen) {
  const finding = await find(mutant);
  findings.push(finding);
  console.error(`${findings.length} of ${chosen.length}  ${rowOf(finding)}`);
}
conclude();

/** Seeds are tried one after the other until one finds something that it does not find in the code as it is. */
async function find(mutant: Mutant): Promise<Finding> {
  const build = new MutantBuild(mutant, ALL_MUTANTS.indexOf(mutant));
  try {
    const last = mutant.leftTo === undefined ? seeds : Math.min(seeds, SEEDS_IF_LEFT);
    for (let first = 1; first <= last; ) {
      const failure = await firstFailure({ first, count: last - first + 1 }, build.worker);
      if (failure === undefined) break;
      if (await isSound(failure.seed)) return { mutant, seed: failure.seed, invariant: failure.report.split(":")[0] ?? "" };
      first = failure.seed + 1;
    }
    return { mutant, seed: undefined, invariant: "" };
  } finally {
    build.remove();
  }
}

/** Whether the code as it is passes the seed. */
async function isSound(seed: number): Promise<boolean> {
  const known = soundSeeds.get(seed) ?? (await firstFailure({ first: seed, count: 1 })) === undefined;
  if (!known && !soundSeeds.has(seed)) console.error(`seed ${seed} finds something in the code as it is, so it proves nothing here`);
  soundSeeds.set(seed, known);
  return known;
}

/** Of the lowest seed: seeds are begun in order, and all that were begun are ended. */
async function firstFailure(range: SeedRange, worker?: string): Promise<Failure | undefined> {
  const failures: Failure[] = [];
  await runSeeds({ range, jobs, minutes, mode: () => "within", stopAtFirst: true, ...(worker !== undefined && { worker }) }, (failure) =>
    failures.push(failure),
  );
  return failures.sort((a, b) => a.seed - b.seed)[0];
}

function conclude(): void {
  const isRequired = ({ mutant }: Finding): boolean => mutant.leftTo === undefined;
  const found = findings.filter(({ seed }) => seed !== undefined);
  const missed = findings.filter((finding) => finding.seed === undefined && isRequired(finding));
  console.log(`| part | mistake | found by | seeds needed, of ${seeds} |\n| --- | --- | --- | --- |`);
  for (const finding of findings) console.log(rowOf(finding));
  console.log(`\n${found.length} of ${findings.length} mistakes found, ${missed.length} missed`);
  if (missed.length > 0) process.exitCode = 1;
}

function rowOf({ mutant: { part, name, leftTo }, seed, invariant }: Finding): string {
  const by = seed !== undefined ? invariant : leftTo === undefined ? "NOTHING" : `left to ${leftTo}`;
  return `| ${part} | ${name} | ${by} | ${seed ?? "none"} |`;
}
