import type { LogIndex, ReplicaId, ReplicaSetId } from "../base/ids.js";
import type { Replica } from "../replica/types.js";

interface Round {
  /** The leader's last entry when the round began. */
  readonly goal: LogIndex;
  readonly sinceMs: number;
}

/**
 * Whether a learner is caught up, under load too: it has all that is committed, or fetched what was in the leader's log at the beginning
 * of a round before the round had taken long (Ongaro's dissertation, 4.2.1).
 */
export class CatchUp {
  readonly #roundMsMax: number;
  readonly #rounds = new Map<ReplicaSetId, Map<ReplicaId, Round>>();

  constructor(roundMsMax: number) {
    this.#roundMsMax = roundMsMax;
  }

  isCaughtUp(leader: Pick<Replica, "replicaSetId" | "matchOf" | "log" | "commitIndex">, learner: ReplicaId, nowMs: number): boolean {
    const rounds = this.#rounds.get(leader.replicaSetId) ?? new Map<ReplicaId, Round>();
    this.#rounds.set(leader.replicaSetId, rounds);
    const match = leader.matchOf(learner);
    const goal = leader.log.lastIndex;
    if (match !== undefined && match >= leader.commitIndex) return true;
    const round = rounds.get(learner);
    if (round !== undefined && (match === undefined || match < round.goal)) return false;
    rounds.set(learner, { goal, sinceMs: nowMs });
    return round !== undefined && nowMs - round.sinceMs <= this.#roundMsMax;
  }

  /** Nobody of this set catches up any more, or it is led elsewhere. */
  forget(id: ReplicaSetId): void {
    this.#rounds.delete(id);
  }
}
