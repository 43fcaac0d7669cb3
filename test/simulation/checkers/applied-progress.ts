import type { ProgressEntry, ProgressLine } from "../../../src/base/progress-entry.js";
import type { GroupProgress } from "../../../src/broker/progress-table.js";

/** What a partition knows of one group; undefined offset: nothing is committed. */
export interface KnownProgress {
  readonly offset: number | undefined;
  readonly generation: number;
  readonly committedMs: number;
}

/** What one line did, told once: by the first replica that applies it. */
export interface TakenLine {
  readonly line: ProgressLine;
  readonly before: KnownProgress | undefined;
  readonly after: KnownProgress | undefined;
}

export interface ProgressProblem {
  readonly invariant: string;
  readonly expected: string;
  readonly seen: string;
}

interface Step {
  readonly index: number;
  readonly after: KnownProgress | undefined;
}

/** What one generation had committed: when it began, and at the most. */
interface Range {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

interface Group {
  readonly steps: Step[];
  readonly generations: Map<number, Range>;
  readonly resetTo: Set<number>;
  /** Where the offset may have gone back: of the newest reset, or of the group that had the name before. */
  resetGeneration: number;
}

type Table = Pick<ReadonlyMap<string, GroupProgress>, "get"> & { readonly size: number };

/**
 * What consumer groups have processed of one partition, at every log index, by the entries that were applied: the rules of `src/broker/progress-table.ts`
 * once more, written apart from them. All replicas must know the same at the same index, whatever they went through.
 */
export class AppliedProgress {
  readonly #groups = new Map<string, Group>();
  #index = 0;
  /** Of the newest entry that anybody applied: just past the last record. */
  nextOffset = 0;

  /** A replica applies an entry; `nextOffset` is the partition's after it. What a `progress` entry does is told to the first one only. */
  applied(index: number, nextOffset: number, entry?: ProgressEntry): readonly TakenLine[] {
    if (index <= this.#index) return [];
    this.#index = index;
    this.nextOffset = nextOffset;
    if (entry === undefined) return [];
    return entry.lines.map((line) => this.#take(index, line, entry.nowMs));
  }

  newest(group: string): KnownProgress | undefined {
    return this.#groups.get(group)?.steps.at(-1)?.after;
  }

  /** What the group committed in a generation; undefined while nobody of that generation was here. */
  rangeOf(group: string, generation: number): Range | undefined {
    return this.#groups.get(group)?.generations.get(generation);
  }

  /** What was processed in this generation or an older one may be processed again; 0 before any reset. */
  resetGeneration(group: string): number {
    return this.#groups.get(group)?.resetGeneration ?? 0;
  }

  wasReset(group: string, offset: number): boolean {
    return this.#groups.get(group)?.resetTo.has(offset) ?? false;
  }

  /** A client was told that its group has committed so much, in a generation. */
  problemOfAcknowledged(group: string, generation: number, offset: number): ProgressProblem | undefined {
    const to = this.rangeOf(group, generation)?.to;
    if (to !== undefined && to >= offset) return undefined;
    return {
      invariant: "an acknowledged commit is committed",
      expected: `offset ${offset} of group ${group} in generation ${generation}`,
      seen: to === undefined ? "nothing of that generation was ever applied" : `${to} at the most was ever applied of it`,
    };
  }

  /** What is wrong with what a replica knows of one group. `before`: the same replica's word before the entry of `index`, of these lines. */
  problemOf(
    index: number,
    group: string,
    known: GroupProgress | undefined,
    before?: GroupProgress,
    lines: readonly ProgressLine[] = [],
  ): ProgressProblem | undefined {
    return ruleBroken(group, before, known, lines) ?? this.#differs(index, group, known);
  }

  /** What is wrong with a whole table that has everything through `index`. */
  problemOfTable(index: number, table: Table): ProgressProblem | undefined {
    let size = 0;
    for (const name of this.#groups.keys()) {
      const problem = this.#differs(index, name, table.get(name));
      if (problem !== undefined) return problem;
      if (this.#at(name, index) !== undefined) size += 1;
    }
    return table.size === size ? undefined : { invariant: SURVIVES, expected: `${size} groups`, seen: `${table.size} groups` };
  }

  #differs(index: number, group: string, known: GroupProgress | undefined): ProgressProblem | undefined {
    const expected = this.#at(group, index);
    if (expected?.generation === known?.generation && expected?.offset === known?.offset && expected?.committedMs === known?.committedMs) return undefined;
    return { invariant: SURVIVES, expected: `group ${group} ${show(expected)}`, seen: show(known) };
  }

  #at(group: string, index: number): KnownProgress | undefined {
    return this.#groups.get(group)?.steps.findLast((step) => step.index <= index)?.after;
  }

  #take(index: number, line: ProgressLine, nowMs: number): TakenLine {
    const group = this.#of(line.group);
    const before = group.steps.at(-1)?.after;
    const after = this.#after(group, before, line, nowMs);
    if (after === before) return { line, before, after };
    group.steps.push({ index, after });
    if (after !== undefined) {
      const range = group.generations.get(after.generation);
      const to = Math.max(range?.to ?? -1, after.offset ?? -1);
      group.generations.set(after.generation, { from: range === undefined ? after.offset : range.from, to: to < 0 ? undefined : to });
    }
    return { line, before, after };
  }

  #after(group: Group, before: KnownProgress | undefined, line: ProgressLine, nowMs: number): KnownProgress | undefined {
    const { generation } = line;
    const isStale = before !== undefined && before.generation > generation;
    if (isStale) return before;
    switch (line.kind) {
      case "forget":
        return undefined;
      case "claim":
        if (before !== undefined && before.generation > line.since) return { ...before, generation };
        group.resetGeneration = Math.max(group.resetGeneration, line.since);
        return { offset: undefined, generation, committedMs: 0 };
      case "reset":
        group.resetTo.add(line.offset);
        group.resetGeneration = generation;
        break;
      default:
        break;
    }
    const offset = Math.min(line.offset, this.nextOffset);
    const moves = before?.offset === undefined || (line.kind === "reset" ? offset !== before.offset : offset > before.offset);
    return moves ? { offset, generation, committedMs: nowMs } : { ...before, generation };
  }

  #of(name: string): Group {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { steps: [], generations: new Map(), resetTo: new Set(), resetGeneration: 0 };
      this.#groups.set(name, group);
    }
    return group;
  }
}

const SURVIVES = "what is known of groups survives failover, snapshot and restart";

/** The two rules that need no other witness than the replica itself. */
function ruleBroken(
  group: string,
  before: GroupProgress | undefined,
  after: GroupProgress | undefined,
  lines: readonly ProgressLine[],
): ProgressProblem | undefined {
  const own = lines.filter((line) => line.group === group);
  if (before === undefined || after === undefined || own.some(({ kind }) => kind === "forget")) return undefined;
  const told = { expected: `group ${group} ${show(before)}, or later`, seen: show(after) };
  const newest = Math.max(before.generation, ...own.map(({ generation }) => generation));
  if (after.generation < newest) return { invariant: "a stale generation commits nothing", ...told };
  const wentBack = before.offset !== undefined && (after.offset ?? -1) < before.offset;
  if (wentBack && own.every(({ kind }) => kind === "commit")) return { invariant: "a committed offset never goes back within a generation", ...told };
  return undefined;
}

const show = (known: KnownProgress | GroupProgress | undefined): string =>
  known === undefined ? "is not known" : `is at ${known.offset ?? "no offset"} in generation ${known.generation}, since ${known.committedMs}`;
