import type { AppliedProgress, ProgressProblem, TakenLine } from "./applied-progress.js";
import { ONE_OWNER } from "./group-ownership.js";

/** How a group's members consume. */
export interface WorkRules {
  readonly group: string;
  readonly commit: "after" | "before" | "manual";
  readonly from: "earliest" | "latest";
}

/** One time that a member had a partition in its hands, from its claim until it gave it back or lost it. */
export interface Tenure {
  readonly memberId: string;
  readonly generation: number;
  /** Whether the member was told that it is lost: then it may get it again in the same generation. */
  readonly isLost: () => boolean;
}

interface Worked {
  readonly tenure: Tenure;
  readonly first: number;
  last: number;
  attempt: number;
}

/** What the members of one group did with one partition, record by record, against what the group committed of it. */
export class GroupWork {
  readonly #rules: WorkRules;
  readonly #progress: AppliedProgress;
  /** Records below may be gone, whoever has not seen them. */
  readonly #trimmedBefore: () => number;
  readonly #worked: Worked[] = [];
  readonly #owners = new Map<number, string>();
  /** By offset, the highest generation in which it was begun, and in which it was done. */
  readonly #begun = new Map<number, number>();
  readonly #done = new Map<number, number>();

  constructor(rules: WorkRules, progress: AppliedProgress, trimmedBefore: () => number) {
    this.#rules = rules;
    this.#progress = progress;
    this.#trimmedBefore = trimmedBefore;
  }

  /** A handler is called. */
  begins(tenure: Tenure, offset: number, attempt: number): ProgressProblem | undefined {
    const { memberId, generation } = tenure;
    const owner = this.#owners.get(generation) ?? memberId;
    this.#owners.set(generation, owner);
    if (owner !== memberId) return { invariant: ONE_OWNER, expected: `${owner} in generation ${generation}`, seen: `${memberId} handles offset ${offset}` };
    const worked = this.#worked.findLast((each) => each.tenure === tenure);
    const problem = worked === undefined ? this.#first(tenure, offset) : this.#next(worked, offset, attempt);
    if (problem !== undefined) return problem;
    const again = attempt === 1 ? (this.#again(tenure, offset) ?? this.#ahead(tenure, offset)) : undefined;
    if (again !== undefined) return again;
    this.#begun.set(offset, Math.max(generation, this.#begun.get(offset) ?? 0));
    if (worked === undefined) this.#worked.push({ tenure, first: offset, last: offset, attempt });
    else {
      worked.last = offset;
      worked.attempt = attempt;
    }
    return undefined;
  }

  /** The handler has come to its end, and the record counts as processed. */
  done({ generation }: Tenure, offset: number): void {
    this.#done.set(offset, Math.max(generation, this.#done.get(offset) ?? 0));
  }

  /** What was committed must be processed, unless it is to be processed afterwards. */
  committed({ line, before, after }: TakenLine): ProgressProblem | undefined {
    const { commit, from } = this.#rules;
    const { offset } = after ?? {};
    if (line.kind !== "commit" || offset === undefined || commit === "before") return undefined;
    // A generation that found nothing began at the end, whatever somebody commits of it first.
    const begin = this.#progress.rangeOf(this.#rules.group, line.generation)?.from;
    const isJump = from === "latest" && (begin === undefined || begin < this.#trimmedBefore());
    if (isJump) return undefined;
    const reset = this.#progress.resetGeneration(this.#rules.group);
    for (let at = Math.max(before?.offset ?? 0, this.#trimmedBefore()); at < offset; at++) {
      if ((this.#done.get(at) ?? 0) > reset) continue;
      const seen = `${offset} is committed in generation ${line.generation}, and nobody has processed ${at}${this.#begun.has(at) ? " to its end" : ""}`;
      return { invariant: "what is committed is processed", expected: `every record below ${offset} processed, after generation ${reset}`, seen };
    }
    return undefined;
  }

  /** Where the group was when this generation claimed the partition, or has got since. */
  #first({ memberId, generation }: Tenure, offset: number): ProgressProblem | undefined {
    const { group, from } = this.#rules;
    const range = this.#progress.rangeOf(group, generation);
    if (range === undefined)
      return {
        invariant: "nobody works before its claim is committed",
        expected: `a claim of generation ${generation}`,
        seen: `${memberId} handles offset ${offset}`,
      };
    const trimmed = this.#trimmedBefore();
    if (from === "latest" && (range.from === undefined || range.from < trimmed)) return undefined;
    const [lowest, highest] = [range.from ?? 0, Math.max(range.to ?? 0, trimmed)];
    if (offset >= lowest && offset <= highest) return undefined;
    const expected = `from ${lowest}, committed when generation ${generation} began, to ${highest}`;
    return { invariant: "a new owner goes on where the group has got to", expected, seen: `${memberId} begins at ${offset}` };
  }

  #next({ last, attempt: former, tenure }: Worked, offset: number, attempt: number): ProgressProblem | undefined {
    const isAgain = offset === last && attempt === former + 1;
    const trimmed = this.#trimmedBefore();
    // Whose place was trimmed goes on behind it, or at the end if that is where it was to begin.
    const mayLeap = offset > last && (offset <= trimmed || (this.#rules.from === "latest" && last + 1 < trimmed));
    const isNext = attempt === 1 && (offset === last + 1 || mayLeap);
    if (isAgain || isNext) return undefined;
    const expected = `offset ${last + 1}, after attempt ${former} at ${last}`;
    return {
      invariant: "a partition's records are handled in order, each once",
      expected,
      seen: `${tenure.memberId} handles offset ${offset}, attempt ${attempt}`,
    };
  }

  /** What goes first has gone first. */
  #ahead({ memberId, generation }: Tenure, offset: number): ProgressProblem | undefined {
    const { group, commit } = this.#rules;
    const to = this.#progress.rangeOf(group, generation)?.to ?? 0;
    if (commit !== "before" || to > offset) return undefined;
    const expected = `offset ${offset} committed in generation ${generation}`;
    return { invariant: "what is committed before is handled afterwards", expected, seen: `${memberId} handles it, and ${to} is committed` };
  }

  /** Duplicates that no delivery promise allows. */
  #again(tenure: Tenure, offset: number): ProgressProblem | undefined {
    const { group, commit } = this.#rules;
    const { memberId, generation } = tenure;
    const twice = this.#worked.find(
      (each) => each.tenure !== tenure && each.tenure.generation === generation && each.first <= offset && offset < each.last && !each.tenure.isLost(),
    );
    const seen = `${memberId} handles offset ${offset} again`;
    // By hand nothing need be committed when it is given back, and the last record may not have come to its end.
    if (twice !== undefined && commit !== "manual")
      return { invariant: "a member that keeps a partition handles each record once", expected: `once in generation ${generation}`, seen };
    const reset = this.#progress.resetGeneration(group);
    const isTwice = commit === "before" && generation > reset && (this.#begun.get(offset) ?? 0) > reset;
    if (isTwice) return { invariant: "what is committed before is handled at most once", expected: `once after generation ${reset}`, seen };
    return undefined;
  }
}
