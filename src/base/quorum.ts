import { QuireError } from "./errors.js";
import { limits } from "./limits.js";

/** N replicas, W to commit, R to elect and to read. */
export interface QuorumSettings {
  readonly n: number;
  readonly w: number;
  readonly r: number;
}

/** The majority of `n`: the default for both W and R. */
export const majority = (n: number): number => Math.floor(n / 2) + 1;

/** Why the settings are unsafe, or undefined when they are valid. Rule 1 of the quorum (Howard, Flexible Paxos). */
export function quorumProblem({ n, w, r }: QuorumSettings): string | undefined {
  if (!Number.isInteger(n) || n < 1 || n > limits.replicasPerPartition) return `N=${n} is not a whole number from 1 to ${limits.replicasPerPartition}`;
  if (!Number.isInteger(w) || w < 1 || w > n) return `W=${w} is not a whole number from 1 to N=${n}`;
  if (!Number.isInteger(r) || r < 1 || r > n) return `R=${r} is not a whole number from 1 to N=${n}`;
  if (w + r <= n) return `W + R = ${w + r} is not above N = ${n}, so an election could miss a committed write`;
  if (2 * r <= n) return `R = ${r} is not above half of N = ${n}, so two leaders could be elected in one term`;
  return undefined;
}

/** @throws QuireError INVALID_QUORUM */
export function checkQuorum(settings: QuorumSettings): void {
  const problem = quorumProblem(settings);
  if (problem === undefined) return;
  throw new QuireError("INVALID_QUORUM", `${problem}; a safe choice for N=${settings.n} is W=${majority(settings.n)} R=${majority(settings.n)}`, {
    details: { n: settings.n, w: settings.w, r: settings.r },
    fields: [{ field: "quorum", description: problem }],
  });
}
