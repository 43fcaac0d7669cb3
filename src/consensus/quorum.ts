/**
 * Counting, over one set of voters or two (a joint configuration decides only when both sets do). W commits, R elects
 * and confirms reads; `base/quorum` says which pairs are safe (Howard, Flexible Paxos).
 */
import { type LogIndex, logIndex, type ReplicaId } from "../base/ids.js";
import type { Configuration, QuorumSet } from "./types.js";

/** How many of a set are needed: to commit, to elect, or to be sure that whoever is elected can also commit (rule 5). */
export type QuorumKind = "commit" | "election" | "pre-vote";

export function quorumSize(set: QuorumSet, kind: QuorumKind): number {
  switch (kind) {
    case "commit":
      return set.w;
    case "election":
      return set.r;
    case "pre-vote":
      return Math.max(set.w, set.r);
  }
}

/** Whether `test` holds for the voters in force, and for the incoming ones while the configuration is joint. */
export const everySet = (configuration: Configuration, test: (set: QuorumSet) => boolean): boolean =>
  test(configuration) && (configuration.incoming === undefined || test(configuration.incoming));

export function countVoters(set: QuorumSet, counts: (replica: ReplicaId) => boolean): number {
  let count = 0;
  for (const voter of set.voters) if (counts(voter.replicaId)) count++;
  return count;
}

/** Whether enough voters of each set count. */
export const hasQuorum = (configuration: Configuration, kind: QuorumKind, counts: (replica: ReplicaId) => boolean): boolean =>
  everySet(configuration, (set) => countVoters(set, counts) >= quorumSize(set, kind));

/** The highest index that W voters of each set hold on disk. */
export function quorumIndex(configuration: Configuration, matchOf: (replica: ReplicaId) => LogIndex): LogIndex {
  const index = setIndex(configuration, matchOf);
  if (configuration.incoming === undefined) return index;
  const incoming = setIndex(configuration.incoming, matchOf);
  return incoming < index ? incoming : index;
}

/** Sets are small (7 at most): counting for each voter beats sorting a copy. */
function setIndex(set: QuorumSet, matchOf: (replica: ReplicaId) => LogIndex): LogIndex {
  let best = logIndex(0);
  for (const candidate of set.voters) {
    const index = matchOf(candidate.replicaId);
    if (index <= best) continue;
    let holders = 0;
    for (const voter of set.voters) if (matchOf(voter.replicaId) >= index) holders++;
    if (holders >= set.w) best = index;
  }
  return best;
}
