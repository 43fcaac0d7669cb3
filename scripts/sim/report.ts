import type { Mode, PlanOptions } from "../../test/simulation/run/plan.js";
import { addTally, type Tally } from "../../test/simulation/run/tally.js";

export type { Mode };

export interface SeedRange {
  readonly first: number;
  readonly count: number;
}

export interface Total {
  seeds: number;
  violations: number;
  readonly tally: Tally;
  realMs?: number;
}

export function addTotal(to: Total, { seeds, violations, tally, realMs = 0 }: Total): void {
  to.seeds += seeds;
  to.violations += violations;
  to.realMs = (to.realMs ?? 0) + realMs;
  addTally(to.tally, tally);
}

const HOUR_MS = 3_600_000;
const figure = (value: number): string => Math.round(value).toLocaleString("en");

/** One line of what was done. */
export function summaryOf({ seeds, violations, tally, realMs }: Total): string {
  const faults = Object.entries(tally.faults).sort(([, a], [, b]) => b - a);
  const injected = faults.reduce((sum, [, count]) => sum + count, 0);
  const byKind = faults.map(([kind, count]) => `${kind} ${figure(count)}`).join(", ");
  const hours = tally.simulatedMs / HOUR_MS;
  const pace = realMs === undefined ? "" : ` in ${figure(realMs / 1_000)} s`;
  return (
    `${figure(seeds)} seeds, ${hours.toFixed(2)} simulated hours${pace}, ${figure(tally.events)} events, ${figure(tally.elections)} elections, ` +
    `${figure(injected)} faults (${byKind}), ${figure(tally.acknowledged)} acknowledgements checked, ${figure(tally.read)} records read, ${figure(tally.handled)} handled in groups with ${figure(tally.commits)} commits, ${figure(tally.halted)} halted in doubt, ${figure(violations)} violations`
  );
}

export interface Failure extends PlanOptions {
  readonly seed: number;
  readonly report: string;
}

export function reportOf({ seed, mode, minutes, pace, brokers, report }: Failure): string {
  const fixed = `${pace === undefined ? "" : ` --pace ${pace}`}${brokers === undefined ? "" : ` --brokers ${brokers}`}`;
  return `VIOLATION in seed ${seed}\nreplay: npm run sim -- --seed ${seed} --mode ${mode} --minutes ${minutes}${fixed}\n${report}`;
}
