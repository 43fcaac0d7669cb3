/** What happened in a run, counted; figures of many runs add up. */
export interface Tally {
  events: number;
  simulatedMs: number;
  acknowledged: number;
  read: number;
  /** Records that members of consumer groups handled, and commits of groups that were applied and checked. */
  handled: number;
  commits: number;
  elections: number;
  /** Runs within the promise in which a partition halted, in doubt. */
  halted: number;
  faults: Record<string, number>;
}

export const emptyTally = (): Tally => ({ events: 0, simulatedMs: 0, acknowledged: 0, read: 0, handled: 0, commits: 0, elections: 0, halted: 0, faults: {} });

export function addTally(to: Tally, more: Tally): void {
  for (const key of ["events", "simulatedMs", "acknowledged", "read", "handled", "commits", "elections", "halted"] as const) to[key] += more[key];
  for (const [kind, count] of Object.entries(more.faults)) to.faults[kind] = (to.faults[kind] ?? 0) + count;
}
