/** Changing roles: every way into `follower`, and the timer that leads out of it. */
import { assert } from "../base/assert.js";
import { logIndex, type ReplicaId, type Term } from "../base/ids.js";
import { announceRole, type State, setTicking, termOf } from "./state.js";
import type { Member } from "./types.js";

/**
 * For so many election timeouts nobody else stands where nobody has ever led and the one that is meant to stand first is up. Brokers that begin
 * thousands of sets are seconds apart from each other: with one, a third of the leaderships went to whoever was ahead.
 */
const FIRST_TIMEOUTS = 8;

export interface FollowOptions {
  /** At least the term in force; a higher one forgets the vote. */
  readonly term: Term;
  readonly leader: Member | null;
  /** Who made us follow, if a message did: a transfer succeeded when it was its target. */
  readonly because?: ReplicaId;
}

/** Becomes a follower (or stays one) of `leader`, or of nobody yet. Whatever a leader had promised ends here. */
export function becomeFollower<P>(state: State<P>, { term, leader, because }: FollowOptions): void {
  const current = termOf(state);
  assert(term >= current, () => `term ${current} never goes back to ${term}`);
  if (term > current) {
    state.hardState = { term, votedFor: null };
    state.voteDue = undefined;
    forgetLeaderOf(state);
  }
  const { campaign } = state;
  campaign.votes = undefined;
  campaign.unasked = undefined;
  state.role = state.membership.isVoter(state.self) ? "follower" : "learner";
  state.leader = leader;
  state.following.silentTicks = 0;
  state.following.suspect = false;
  if (leader !== null) campaign.attempts = 0;
  restartTimer(state);
  announceRole(state);
  endLeadership(state, because);
  setTicking(state, true);
}

/** A higher term was heard of; who leads it is unknown. */
export function adoptTerm<P>(state: State<P>, term: Term, because: ReplicaId): void {
  if (term > termOf(state)) becomeFollower(state, { term, leader: null, because });
}

/** What was known of the last term's leader means nothing in a new term. */
function forgetLeaderOf<P>({ following, commit }: State<P>): void {
  following.verified = commit;
  following.acknowledged = logIndex(0);
  following.answerDue = false;
  following.round = 0;
  following.leaderCommit = undefined;
}

/** The leader lives: wait for a whole election timeout from now. */
export function heardLeader<P>(state: State<P>): void {
  const { following, campaign } = state;
  following.silentTicks = 0;
  campaign.elapsedTicks = 0;
  if (!following.suspect && campaign.attempts === 0) return;
  following.suspect = false;
  campaign.attempts = 0;
  restartTimer(state);
}

/**
 * Draws a new election timeout. Who follows a live leader waits for electionTicks and up to as many again. Who knows
 * of none has nobody to disturb (pre-votes change nothing where a leader is heard), so it begins with a short pause,
 * which doubles with every attempt. Where nobody has ever led, one is meant to stand first.
 */
export function restartTimer<P>(state: State<P>): void {
  const { campaign, leader, following, options } = state;
  const { electionTicks, suspicionTicks, random } = options;
  campaign.elapsedTicks = 0;
  const spread = suspicionTicks * 2 ** Math.min(campaign.attempts, 16);
  if (state.membership.isSoleVoter(state.self)) campaign.timeoutTicks = 1;
  else if ((leader !== null && !following.suspect) || spread >= electionTicks) campaign.timeoutTicks = electionTicks + random(electionTicks);
  else campaign.timeoutTicks = suspicionTicks + random(spread);
  const { standsFirst, attempts } = campaign;
  if (standsFirst === undefined || attempts > 0 || termOf(state) > 0) return;
  if (standsFirst === state.self) campaign.timeoutTicks = 1;
  else campaign.timeoutTicks += FIRST_TIMEOUTS * electionTicks;
}

/** Reads are failed and a transfer is over: another leader may have been elected. */
function endLeadership<P>(state: State<P>, because: ReplicaId | undefined): void {
  const { leadership } = state;
  if (leadership === undefined) return;
  state.leadership = undefined;
  const { reads, transfer } = leadership;
  for (const id of [...(reads.confirming?.ids ?? []), ...reads.waiting]) state.effects.push({ kind: "read-failed", id });
  reads.confirming = undefined;
  reads.waiting = [];
  if (transfer !== undefined) state.effects.push({ kind: "transfer-ended", id: transfer.id, done: because === transfer.to });
}

/** Whether a live leader must not be disturbed for a candidate's sake (rule 5). */
export function shieldsLeader<P>({ role, leader, following, options }: State<P>): boolean {
  if (role === "leader") return true;
  return leader !== null && !following.suspect && following.silentTicks < options.electionTicks;
}
