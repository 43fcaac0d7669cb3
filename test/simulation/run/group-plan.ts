/** What consumer groups do in a run, drawn from the seed. */
import type { Chance } from "../kernel/chance.js";

export interface GroupPlan {
  readonly name: string;
  readonly subscription: { readonly topics: readonly string[] } | { readonly pattern: string };
  readonly commit: "after" | "before" | "manual";
  readonly from: "earliest" | "latest";
  readonly strategy: "range" | "uniform" | "sticky";
  readonly members: readonly MemberPlan[];
  /** Mean time between two doings of an operator: all members leave, and the group is moved or deleted, or it is tried while they are there. */
  readonly operatedMs: number;
  /** Mean time between two requests that come much too late, or ask for what is not there. */
  readonly lateMs: number;
}

export interface MemberPlan {
  /** Static membership. */
  readonly instance: string | undefined;
  readonly sessionTimeoutMs: number;
  readonly progressTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly commitIntervalMs: number;
  readonly concurrency: number | undefined;
  /** Mean time until it leaves; and until it comes again. */
  readonly stayMs: number;
  readonly awayMs: number;
  /** Now and then its process dies. */
  readonly isFrail: boolean;
  /** Mean time that a record takes; 0: the handler does not wait at all. */
  readonly workMs: number;
  /** One record in so many: the handler never returns, or only when it is told to; the handler throws. 0: never. */
  readonly hangsOnceIn: number;
  readonly throwsOnceIn: number;
  readonly onFailure: "skip" | "stop";
}

/** Half of all plans have none. */
export function groupsOf(chance: Chance, topics: readonly string[], pace: number): readonly GroupPlan[] {
  if (chance.oneIn(2)) return [];
  return Array.from({ length: 1 + chance.below(2) }, (_, at) => groupOf(chance, `group-${at + 1}`, topics, pace));
}

function groupOf(chance: Chance, name: string, topics: readonly string[], pace: number): GroupPlan {
  const one = chance.pick(topics) ?? "";
  const subscription = chance.pick([{ topics: [one] }, { topics: [one] }, { topics }, { pattern: "topic-*" }, { pattern: "*" }]) ?? { topics };
  return {
    name,
    subscription,
    commit: chance.pick(["after", "after", "after", "before", "manual"] as const) ?? "after",
    from: chance.oneIn(6) ? "latest" : "earliest",
    strategy: chance.pick(["range", "uniform", "sticky"] as const) ?? "uniform",
    members: Array.from({ length: 1 + chance.below(4) }, (_, at) => memberOf(chance, at, pace)),
    operatedMs: chance.between(8_000, 60_000) * pace,
    lateMs: chance.between(500, 5_000) * pace,
  };
}

function memberOf(chance: Chance, at: number, pace: number): MemberPlan {
  const ms = (from: number, to: number): number => Math.round(chance.between(from, to) * pace);
  return {
    instance: chance.oneIn(3) ? `instance-${at}` : undefined,
    sessionTimeoutMs: ms(1_000, 8_000),
    progressTimeoutMs: ms(2_000, 8_000),
    drainTimeoutMs: ms(0, 2_000),
    commitIntervalMs: chance.pick([0, 20, 100, 1_000]) ?? 100,
    concurrency: chance.pick([undefined, undefined, 1, 2]),
    stayMs: ms(3_000, 40_000),
    awayMs: ms(10, 8_000),
    isFrail: chance.oneIn(3),
    workMs: chance.oneIn(2) ? 0 : ms(1, 200),
    hangsOnceIn: chance.oneIn(3) ? 100 + chance.below(300) : 0,
    throwsOnceIn: chance.oneIn(3) ? 10 + chance.below(100) : 0,
    onFailure: chance.oneIn(2) ? "skip" : "stop",
  };
}
