import { setTimeout as sleep } from "node:timers/promises";
import { ExitCode } from "../../src/cli/exit-codes.js";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import type { SeededRandom } from "../consensus/seeded-random.js";
import { judgeReplicas } from "./agreement.js";
import type { Fault } from "./fault.js";
import type { Verdict } from "./ledger.js";
import type { Load } from "./load.js";
import type { Tail } from "./tail.js";
import type { World } from "./world.js";

const POLL_MS = 10;
/** Before the first fault, and between two: acknowledgements flow. */
const CALM_MS = 300;
/** Whoever is not back by then does not come back. */
const GIVE_UP_MS = 60_000;

export interface Trial {
  readonly fault: string;
  readonly victim: number;
  readonly lastedMs: number;
  /** In the partition that had the longest, from its beginning until all was back. */
  readonly longestGapMs: number;
  /** While it lasted; undefined where that was not promised. */
  readonly servedAfterMs: number | undefined;
  readonly backAfterMs: number;
  readonly verdict: Verdict;
  /** Stated times that were not kept. */
  readonly late: readonly string[];
  /** What must not be, at whatever speed; empty when all is well. */
  readonly problems: readonly string[];
}

export interface TrialOptions {
  readonly world: World;
  readonly load: Load;
  readonly tail: Tail;
  readonly fault: Fault;
  readonly chance: SeededRandom;
  /** Stated times are multiplied by this, for machines that are slow or busy. */
  readonly patience: number;
}

/** One fault, from its beginning until all is whole and every replica was read. @throws Error when service does not come back */
export async function tryFault({ world, load, tail, fault, chance, patience }: TrialOptions): Promise<Trial> {
  await sleep(CALM_MS);
  const victim = await leaderOf(load, chance.below(load.partitions));
  load.forgetGaps();
  const late: string[] = [];
  const beginMs = performance.now();
  const heal = await fault.begin({ world, victim, chance });
  const begunMs = performance.now();
  let servedAfterMs: number | undefined;
  if (fault.servedMs !== undefined) {
    servedAfterMs = await untilServed(load, begunMs);
    if (servedAfterMs > fault.servedMs * patience) late.push(`served again after ${ms(servedAfterMs)} instead of ${ms(fault.servedMs * patience)}`);
  }
  await sleep(Math.max(0, begunMs + fault.lastsMs - performance.now()));
  const healMs = performance.now();
  await heal();
  await untilWhole(world.addresses, world.nodeIds.length, GIVE_UP_MS);
  await untilServed(load, healMs);
  const backAfterMs = performance.now() - healMs;
  if (backAfterMs > fault.backMs * patience) late.push(`back after ${ms(backAfterMs)} instead of ${ms(fault.backMs * patience)}`);
  const longestGapMs = load.longestGapMs;
  const verdict = await judgeReplicas({ load, tail, patience });
  const problems = [...verdict.differences, ...bugsOf(world)];
  return { fault: fault.name, victim, lastedMs: healMs - beginMs, longestGapMs, servedAfterMs, backAfterMs, verdict, late, problems };
}

/** Resolves to how long after `sinceMs` every partition had acknowledged something sent since then. */
async function untilServed(load: Load, sinceMs: number): Promise<number> {
  for (;;) {
    const missing = load.notServedSince(sinceMs);
    const passedMs = performance.now() - sinceMs;
    if (missing.length === 0) return passedMs;
    if (passedMs > GIVE_UP_MS) throw new Error(`partitions ${missing.join(", ")} acknowledged nothing for ${ms(passedMs)}`);
    await sleep(POLL_MS);
  }
}

async function leaderOf(load: Load, partition: number): Promise<number> {
  for (;;) {
    const leader = (await load.topic.partitions())[partition]?.leader;
    if (leader !== undefined) return leader;
    await sleep(POLL_MS);
  }
}

/** Brokers that ended because an invariant broke or an error was left to nobody. Told once. */
function bugsOf(world: World): string[] {
  const bugs = world.deaths.filter(({ how }) => how === `exit code ${ExitCode.bug}`);
  world.deaths.length = 0;
  return bugs.map(({ nodeId }) => `broker ${nodeId} ended by a bug; see its log`);
}

const ms = (value: number): string => `${Math.round(value).toLocaleString("en")} ms`;
