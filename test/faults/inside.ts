/**
 * The run itself, in namespaces of its own for mounts, networks and processes: whatever it leaves behind when it ends, in whichever way, goes
 * with them. `main.ts` starts it there, and removes the folder afterwards.
 */
import { join } from "node:path";
import { ExitCode } from "../../src/cli/exit-codes.js";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import { SeededRandom } from "../consensus/seeded-random.js";
import { Disk, powerCutter } from "./disk.js";
import { compareDisks } from "./disk-agreement.js";
import { diskFaults } from "./disk-faults.js";
import { pickFault } from "./double-fault.js";
import type { Fault, Need } from "./fault.js";
import { type Clients, connectClients, Load } from "./load.js";
import { networkFaults } from "./network-faults.js";
import type { RunOptions } from "./options.js";
import { powerFaults } from "./power-faults.js";
import { processFaults } from "./process-faults.js";
import { lineOf, tableOf } from "./report.js";
import { runTool } from "./run-tool.js";
import { Tail } from "./tail.js";
import { type Trial, tryFault } from "./trial.js";
import { World } from "./world.js";

const FORM_TIMEOUT_MS = 60_000;
const PARTITIONS = 5;
/** A topic of more records makes place for another: reading it takes time, and keeping it takes disk. */
const TOPIC_RECORDS_MAX = 40_000;
const MINUTE_MS = 60_000;
/** Of each fault; a lost segment makes thousands. */
const PROBLEMS_TOLD_MAX = 20;

const ALL_FAULTS: readonly Fault[] = [...processFaults, ...networkFaults, ...powerFaults, ...diskFaults];

/** A topic that is written to and read from while faults befall its brokers. */
interface Subject {
  readonly load: Load;
  readonly tail: Tail;
}

class Run {
  readonly trials: Trial[] = [];
  /** What is wrong beside the trials. */
  readonly problems: string[] = [];
  readonly #options: RunOptions;
  readonly #world: World;
  readonly #clients: Clients;
  readonly #chance: SeededRandom;
  readonly #startMs = performance.now();
  #topics = 0;
  #total = 0;

  constructor(options: RunOptions, world: World, clients: Clients) {
    this.#options = options;
    this.#world = world;
    this.#clients = clients;
    this.#chance = new SeededRandom(options.seed);
  }

  async run(faults: readonly Fault[]): Promise<void> {
    let subject = await this.#begin();
    for (const fault of this.#plan(faults)) {
      if (subject.load.ledger.size > TOPIC_RECORDS_MAX) {
        await this.#end(subject);
        await subject.load.topic.delete();
        subject = await this.#begin();
      }
      say(`${this.#at()} ${fault.name} …`);
      const { patience, stopAtFailure } = this.#options;
      const trial = await tryFault({ world: this.#world, ...subject, fault, chance: this.#chance, patience });
      this.trials.push(trial);
      say(`${this.#at()}   broker ${trial.victim}: ${lineOf(trial)}`);
      for (const problem of [...trial.problems, ...trial.late].slice(0, PROBLEMS_TOLD_MAX)) say(`           ${problem}`);
      if (trial.verdict.lost > 0 || (trial.problems.length > 0 && stopAtFailure)) break;
    }
    await this.#end(subject);
    await this.#compareDisks();
  }

  summary(): string {
    return `${this.#total.toLocaleString("en")} records acknowledged in ${this.#topics} topics; seed ${this.#options.seed}`;
  }

  /** Every fault once, or faults at random while there is time. */
  *#plan(faults: readonly Fault[]): Generator<Fault> {
    if (this.#options.minutes === undefined) return yield* faults;
    const untilMs = this.#startMs + this.#options.minutes * MINUTE_MS;
    while (performance.now() < untilMs) {
      const fault = pickFault(faults, this.#chance);
      // A fault that ends sooner or later than planned meets the cluster in another state.
      if (fault !== undefined) yield { ...fault, lastsMs: Math.round(fault.lastsMs * (0.1 + this.#chance.below(200) / 100)) };
    }
  }

  async #begin(): Promise<Subject> {
    this.#topics += 1;
    const name = `faults-${this.#topics}`;
    // By turns the default of three replicas and, where there are brokers enough, five.
    const replicas = this.#topics % 2 === 0 ? Math.min(5, this.#world.nodeIds.length) : 3;
    await this.#clients["at-least-once"].topic(name).create({ partitions: PARTITIONS, replicas, settings: { segmentBytes: 1024 * 1024 } });
    const load = new Load(this.#clients, name, PARTITIONS);
    return { load, tail: Tail.of(load.topic, PARTITIONS) };
  }

  /** Everybody has an answer; nothing but what may be unknown was refused. */
  async #end({ load, tail }: Subject): Promise<void> {
    await load.stop();
    await tail.stop();
    this.#total += load.ledger.acknowledgedCount;
    if (load.ledger.refusedCount > 0) this.problems.push(`${load.ledger.refusedCount} sends were refused: ${load.ledger.refusals.join(", ")}`);
  }

  async #compareDisks(): Promise<void> {
    const { nodeIds } = this.#world;
    await Promise.all(Object.values(this.#clients).map((client) => client.close()));
    const politely = await Promise.all(nodeIds.map((nodeId) => this.#world.broker(nodeId).stop()));
    if (!politely.every(Boolean)) this.problems.push("not every broker ended when it was asked to");
    const compared = await compareDisks(new Map(nodeIds.map((nodeId) => [nodeId, this.#world.dataFolder(nodeId)])));
    say(`${this.#at()} disks compared: ${compared.replicaSets} replica sets, ${compared.entries.toLocaleString("en")} entries`);
    this.problems.push(...compared.differences);
  }

  #at(): string {
    return `[${((performance.now() - this.#startMs) / 1000).toFixed(1).padStart(6)} s]`;
  }
}

/** What this machine has of what faults need; tells which are left out. */
async function possibleFaults(options: RunOptions, cutter: string | undefined): Promise<Fault[]> {
  const strace = await runTool("strace", ["-o", "/dev/null", "-e", "inject=fdatasync:error=EIO", "true"]).then(
    () => true,
    () => false,
  );
  const missing: Partial<Record<Need, string>> = {
    ...(cutter === undefined && { "power-cut": "neither perl nor python3 can shut down an ext4 here" }),
    ...(!strace && { strace: "strace cannot make calls fail here" }),
  };
  return ALL_FAULTS.filter((fault) => {
    if (!fault.name.includes(options.only)) return false;
    const why = fault.needs === undefined ? undefined : missing[fault.needs];
    const fewBrokers = (fault.brokersMin ?? 1) > options.brokers ? `needs ${fault.brokersMin} brokers` : undefined;
    if ((why ?? fewBrokers) === undefined) return true;
    say(`skipped: ${fault.name} (${why ?? fewBrokers})`);
    return false;
  });
}

/** Makes a disk, mounts it and cuts its power; why that cannot be done here, or what cut it. */
async function tryDisks(folder: string): Promise<{ readonly cutter: string | undefined } | string> {
  const disk = new Disk(folder, "disk-probe");
  try {
    await disk.format();
    await disk.mount();
    const cutter = await powerCutter(disk);
    await disk.unmount();
    return { cutter };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function main(options: RunOptions): Promise<boolean> {
  let run: Run | undefined;
  const stop = (): void => {
    say("interrupted");
    if (run !== undefined) console.log(tableOf(run.trials));
    process.exit(ExitCode.interrupted);
  };
  process.once("message", stop).once("disconnect", stop);
  const disks = await tryDisks(options.folder);
  if (typeof disks === "string") {
    console.log(`skipped: all faults (this machine mounts no ext4 from a file: ${disks})`);
    return true;
  }
  const { cutter } = disks;
  const faults = await possibleFaults(options, cutter);
  if (faults.length === 0) throw new Error(`no fault that is possible here has "${options.only}" in its name`);
  say(`starting ${options.brokers} brokers; their logs: ${join(options.folder, "broker-*.log")}`);
  const world = await World.create({ folder: options.folder, brokers: options.brokers, powerCutter: cutter });
  await untilWhole(world.addresses, options.brokers, FORM_TIMEOUT_MS);
  run = new Run(options, world, await connectClients(world.addresses));
  const { problems } = run;
  await run.run(faults).catch((error: unknown) => problems.push(error instanceof Error ? error.message : String(error)));
  console.log(`\n${tableOf(run.trials)}\n\n${run.summary()}`);
  for (const problem of run.problems) console.log(`FAILED: ${problem}`);
  const wrong = run.trials.filter(({ problems }) => problems.length > 0).length;
  const late = run.trials.filter(({ problems, late }) => problems.length === 0 && late.length > 0).length;
  const isWell = wrong === 0 && late === 0 && run.problems.length === 0;
  console.log(isWell ? `all is well after ${run.trials.length} faults` : `of ${run.trials.length} faults, ${wrong} ended wrong and ${late} late`);
  return isWell;
}

function say(text: string): void {
  console.error(text);
}

const isWell = await main(JSON.parse(process.argv[2] ?? "{}") as RunOptions).catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  return false;
});
// Being the first process of its namespace, it takes whatever still runs there with it.
process.exit(isWell ? 0 : 1);
