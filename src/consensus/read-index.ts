/**
 * Linearizable reads without a log entry (rule 9; Ongaro's dissertation, 6.4): once an entry of the leader's term has
 * committed, the commit index of now is a read point if R replicas still follow this term after now. One round of
 * confirmations serves all reads that were waiting when it began; heartbeats and appends carry the round.
 */
import { hasQuorum } from "./quorum.js";
import { isServing, type Leadership, type State } from "./state.js";
import type { RequestId } from "./types.js";

/** Reads that may wait in one leader; more are refused at once. */
const READS_WAITING_MAX = 65_536;

/** Takes a read. Says whether a new round must be told to the members. */
export function addRead<P>(state: State<P>, leadership: Leadership, id: RequestId): boolean {
  if (leadership.reads.waiting.length >= READS_WAITING_MAX) {
    state.effects.push({ kind: "read-failed", id });
    return false;
  }
  leadership.reads.waiting.push(id);
  return beginRound(state, leadership);
}

/** Begins a round for what is waiting, unless one is under way or the term has no committed entry yet. */
export function beginRound<P>(state: State<P>, leadership: Leadership): boolean {
  const { reads } = leadership;
  if (reads.confirming !== undefined || reads.waiting.length === 0 || !isServing(state)) return false;
  leadership.round++;
  reads.confirming = { round: leadership.round, index: state.commit, ids: reads.waiting };
  reads.waiting = [];
  return !endRound(state, leadership);
}

/** Answers the round's reads if R of each set confirmed it, the leader included. Says whether it did. */
export function endRound<P>(state: State<P>, { reads, progress }: Leadership): boolean {
  const { confirming } = reads;
  if (confirming === undefined) return false;
  const confirmed = hasQuorum(state.membership.current, "election", (id) => id === state.self || (progress.get(id)?.round ?? 0) >= confirming.round);
  if (!confirmed) return false;
  reads.confirming = undefined;
  for (const id of confirming.ids) state.effects.push({ kind: "read-ready", id, index: confirming.index });
  return true;
}
