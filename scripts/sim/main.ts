import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { FOUND } from "../../test/simulation/run/found.js";
import { Simulation } from "../../test/simulation/run/simulation.js";
import { emptyTally } from "../../test/simulation/run/tally.js";
import { addTotal, type Mode, reportOf, type SeedRange, summaryOf, type Total } from "./report.js";
import { runSeeds } from "./run-seeds.js";

const HELP = `Runs whole clusters, clients included, in simulated time. One seed determines everything.

A run ends with its violation, if there is one: the seed, the command that repeats it, the invariant and the last events that matter.`;

const options = await yargs(hideBin(process.argv))
  .scriptName("npm run sim --")
  .usage(HELP)
  .options({
    seed: { type: "number", requiresArg: true, describe: "Replay one run, with a readable trace" },
    seeds: {
      type: "string",
      requiresArg: true,
      default: "1..20",
      describe: "Run many: FIRST..LAST, random:COUNT for new ones each time, found for all that ever found a bug; or several of these with commas",
    },
    minutes: { type: "number", requiresArg: true, default: 2, describe: "How long faults go on in each run, simulated" },
    mode: { choices: ["within", "beyond", "both"] as const, default: "both" as const, describe: "Faults within the promise, beyond it, or by turns" },
    pace: { type: "number", requiresArg: true, describe: "Slow every cluster down so many times (1 to 20), instead of what the seed says" },
    brokers: { type: "number", requiresArg: true, describe: "Brokers of every cluster (3 to 7), instead of what the seed says" },
    jobs: { type: "number", requiresArg: true, default: 2, describe: "Processes" },
    lines: { type: "number", requiresArg: true, default: 400, describe: "With --seed: how many of the trace's last lines are shown" },
  })
  .example("$0 --seed 42", "replay one run")
  .example("$0 --seeds 1..500 --minutes 5 --jobs 2", "run many")
  .strict()
  .version(false)
  .parseAsync();

if (options.seed !== undefined) await replay(options.seed);
else await runMany(options.seeds.split(",").flatMap(rangesOf));

async function replay(seed: number): Promise<void> {
  const { minutes, pace, brokers } = options;
  const mode = options.mode === "both" ? modeOf(seed) : options.mode;
  const outcome = await new Simulation({ seed, mode, minutes, pace, brokers, linesMax: Math.max(0, options.lines) }).run();
  for (const line of outcome.lines) console.log(line);
  console.log(`seed ${seed}, ${mode} the promise, trace hash ${outcome.hash}`);
  console.log(summaryOf({ seeds: 1, tally: outcome.tally, violations: outcome.violation === undefined ? 0 : 1 }));
  if (outcome.violation === undefined) return;
  console.error(reportOf({ seed, mode, minutes, pace, brokers, report: outcome.violation.report() }));
  process.exitCode = 1;
}

async function runMany(ranges: readonly SeedRange[]): Promise<void> {
  const { mode, minutes, pace, brokers, jobs } = options;
  const sum: Total = { seeds: 0, violations: 0, tally: emptyTally(), realMs: 0 };
  for (const range of ranges) {
    const total = await runSeeds({ range, jobs, minutes, pace, brokers, mode: mode === "both" ? modeOf : () => mode }, (failure) =>
      console.error(`${reportOf(failure)}\n`),
    );
    addTotal(sum, total);
  }
  console.log(summaryOf(sum));
  if (sum.violations > 0) process.exitCode = 1;
}

/** Of three seeds one is beyond the promise. */
function modeOf(seed: number): Mode {
  return seed % 3 === 0 ? "beyond" : "within";
}

function rangesOf(text: string): SeedRange[] {
  if (text === "found") return FOUND.map((seed) => ({ first: seed, count: 1 }));
  const random = /^random:(\d+)$/.exec(text);
  if (random !== null) return [{ first: Math.floor(Math.random() * 2 ** 31), count: Number(random[1]) }];
  const range = /^(\d+)\.\.(\d+)$/.exec(text);
  const [first, last] = [Number(range?.[1] ?? text), Number(range?.[2] ?? text)];
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || last < first) {
    console.error(`--seeds has ${JSON.stringify(text)}; use FIRST..LAST, random:COUNT or found`);
    process.exit(2);
  }
  return [{ first, count: last - first + 1 }];
}
