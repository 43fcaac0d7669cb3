/** What a broker does about one replica set: pure decisions of `reconciler.ts`. */
import type { ReplicaId } from "../base/ids.js";
import type { Configuration, Member } from "../replica/types.js";

export interface ReplicaSituation {
  /** This broker's replica as the metadata wants it; undefined when it wants none here. */
  readonly wanted: ReplicaId | undefined;
  /** The replica that has data on this broker's disk. */
  readonly stored: ReplicaId | undefined;
  readonly running: boolean;
  /** The metadata proves that the set is gone for ever; not merely absent. */
  readonly deleted: boolean;
  /** Whether the metadata is known to be fresh: a leader was heard since the start. */
  readonly fresh: boolean;
}

export type ReplicaAction = "none" | "start" | "remove" | "wait";

/**
 * Data is removed only on proof, and a blank replica begins only on fresh metadata: a broker that restarts sees an old state of the
 * metadata for a while, in which its newest replicas do not exist yet and former ones still do. Deleting the first, or
 * beginning one of the second again without its log, would be a voter that forgot its votes.
 */
export function planReplica({ wanted, stored, running, deleted, fresh }: ReplicaSituation): ReplicaAction {
  if (deleted) return stored === undefined ? "none" : "remove";
  if (wanted === undefined) return "none";
  if (stored === wanted) return running ? "none" : "start";
  // Ids rise: the one on disk is newer than this state of the metadata.
  if (stored !== undefined && stored > wanted) return "none";
  return fresh ? "start" : "wait";
}

export type ConfigurationPlan =
  | { readonly kind: "done" }
  /** New replicas are not caught up, or a change is under way. */
  | { readonly kind: "wait" }
  | { readonly kind: "reconfigure"; readonly target: Omit<Configuration, "incoming"> };

/**
 * The next step from the configuration in force to the wanted one. A new replica is a learner first and takes the place of its
 * broker's former one only once it has caught up: until then the former counts, dead as it may be, because a quorum of what holds the
 * committed records must be asked. The core carries each step out safely (joint consensus).
 */
export function planConfiguration(
  current: Configuration,
  wanted: Omit<Configuration, "incoming">,
  isCaughtUp: (replica: ReplicaId) => boolean,
): ConfigurationPlan {
  if (current.incoming !== undefined) return { kind: "wait" };
  const isVoter = (member: Member): boolean => current.voters.some((voter) => voter.replicaId === member.replicaId);
  const voters = votersNow(current, wanted, (member) => isVoter(member) || isCaughtUp(member.replicaId));
  const late = wanted.voters.filter((member) => !voters.includes(member));
  const learners = [...late, ...wanted.learners];
  // Quorums are stated for N voters; with another number they would be unsafe or refused.
  const quorums = voters.length === wanted.voters.length ? wanted : current;
  const target = { voters, w: quorums.w, r: quorums.r, learners };
  if (!equal(current, target)) return { kind: "reconfigure", target };
  return late.length === 0 ? { kind: "done" } : { kind: "wait" };
}

/** Each wanted voter that may vote, and for each that may not yet the present voter of its broker. */
function votersNow(current: Configuration, wanted: Omit<Configuration, "incoming">, mayVote: (member: Member) => boolean): Member[] {
  const voters: Member[] = [];
  for (const member of wanted.voters) {
    const stand = mayVote(member) ? member : current.voters.find((voter) => voter.nodeId === member.nodeId);
    // Nobody to stand in: wait with all who vote now, lest the quorum shrink.
    if (stand === undefined) return [...current.voters];
    voters.push(stand);
  }
  return voters;
}

const equal = (a: Omit<Configuration, "incoming">, b: Omit<Configuration, "incoming">): boolean =>
  a.w === b.w && a.r === b.r && sameMembers(a.voters, b.voters) && sameMembers(a.learners, b.learners);

const sameMembers = (a: readonly Member[], b: readonly Member[]): boolean =>
  a.length === b.length && a.every((member) => b.some((other) => other.replicaId === member.replicaId));
