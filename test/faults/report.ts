import { table } from "../../src/cli/output.js";
import type { Trial } from "./trial.js";

const count = (value: number): string => value.toLocaleString("en");
const ms = (value: number | undefined): string => (value === undefined ? "-" : `${count(Math.round(value))} ms`);

/** One line as soon as a trial is over. */
export function lineOf({ longestGapMs, servedAfterMs, backAfterMs, verdict, problems }: Trial): string {
  const served = servedAfterMs === undefined ? "" : `served after ${ms(servedAfterMs)}, `;
  const outcome = problems.length === 0 ? "ok" : `FAILED: ${problems[0]}${problems.length > 1 ? ` and ${problems.length - 1} more` : ""}`;
  return `${served}back after ${ms(backAfterMs)}, longest gap ${ms(longestGapMs)}, ${count(verdict.acknowledged)} records read from every replica: ${outcome}`;
}

/** Times are those of the partition that had the worst. */
export function tableOf(trials: readonly Trial[]): string {
  return table(
    ["FAULT", "BROKER", "LASTED", "LONGEST GAP", "SERVED AFTER", "BACK AFTER", "ACKNOWLEDGED", "LOST", "DUPLICATED", ""],
    trials.map(({ fault, victim, lastedMs, longestGapMs, servedAfterMs, backAfterMs, verdict, problems }) => [
      fault,
      victim,
      ms(lastedMs),
      ms(longestGapMs),
      ms(servedAfterMs),
      ms(backAfterMs),
      count(verdict.acknowledged),
      verdict.lost,
      verdict.duplicates,
      problems.length === 0 ? "ok" : "FAILED",
    ]),
  );
}
