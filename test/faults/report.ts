import { table } from "../../src/cli/output.js";
import type { Trial } from "./trial.js";

const count = (value: number): string => value.toLocaleString("en");
const ms = (value: number | undefined): string => (value === undefined ? "-" : `${count(Math.round(value))} ms`);

/** One line as soon as a trial is over. */
export function lineOf(trial: Trial): string {
  const { longestGapMs, servedAfterMs, backAfterMs, verdict } = trial;
  const served = servedAfterMs === undefined ? "" : `served after ${ms(servedAfterMs)}, `;
  const read = `${count(verdict.acknowledged)} acknowledged records read from every replica`;
  return `${served}back after ${ms(backAfterMs)}, longest gap ${ms(longestGapMs)}, ${read}: ${outcomeOf(trial)}`;
}

function outcomeOf({ problems, late }: Trial): string {
  if (problems.length > 0) return "WRONG";
  return late.length > 0 ? "LATE" : "ok";
}

/** Times are those of the partition that had the worst. */
export function tableOf(trials: readonly Trial[]): string {
  return table(
    ["FAULT", "BROKER", "LASTED", "LONGEST GAP", "SERVED AFTER", "BACK AFTER", "ACKNOWLEDGED", "LOST", "DUPLICATED", ""],
    trials.map((trial) => [
      trial.fault,
      trial.victim,
      ms(trial.lastedMs),
      ms(trial.longestGapMs),
      ms(trial.servedAfterMs),
      ms(trial.backAfterMs),
      count(trial.verdict.acknowledged),
      trial.verdict.lost,
      trial.verdict.duplicates,
      outcomeOf(trial),
    ]),
  );
}
