/** Standing for leader: a pre-vote that changes nothing, then a vote that is on disk before anyone is asked (rules 2, 5). */
import { type Term, term } from "../base/ids.js";
import { becomeLeader } from "./leader.js";
import { hasQuorum } from "./quorum.js";
import { adoptTerm, restartTimer } from "./role.js";
import { announceRole, isPromotable, isSaved, type State, sendToMembers, termOf } from "./state.js";
import type { Member, Message, Role } from "./types.js";

type PreVoteReply = Extract<Message, { kind: "pre-vote-reply" }>;
type VoteReply = Extract<Message, { kind: "vote-reply" }>;

/** Asks max(W, R) voters of each set whether they would vote for it, so that nobody is elected who could not commit. */
export function startPreVote<P>(state: State<P>): void {
  stand(state, "pre-candidate");
  const message: Message<P> = { kind: "pre-vote", term: nextTerm(state), last: state.log.last };
  sendToMembers(state, message, (member) => state.membership.isVoter(member.replicaId));
  countPreVotes(state);
}

/** Begins a term with a vote for itself, and asks for others' once that is on disk. */
export function startElection<P>(state: State<P>, { transfer }: { transfer: boolean }): void {
  state.hardState = { term: nextTerm(state), votedFor: state.self };
  state.voteDue = undefined;
  state.following.verified = state.commit;
  stand(state, "candidate");
  state.campaign.unasked = { transfer };
}

function stand<P>(state: State<P>, role: Role): void {
  const { campaign } = state;
  state.role = role;
  state.leader = null;
  campaign.votes = new Map();
  campaign.unasked = undefined;
  campaign.attempts++;
  restartTimer(state);
  announceRole(state);
}

/** Term and vote reached the disk: ask the others, and count the own vote. */
export function askForVotes<P>(state: State<P>): void {
  const { campaign, log, membership } = state;
  if (state.role !== "candidate" || campaign.unasked === undefined || !isSaved(state)) return;
  const { transfer } = campaign.unasked;
  campaign.unasked = undefined;
  const message: Message<P> = { kind: "vote", term: termOf(state), last: log.last, transfer };
  sendToMembers(state, message, (member) => membership.isVoter(member.replicaId));
  countVotes(state);
}

export function onPreVoteReply<P>(state: State<P>, from: Member, { term: answered, granted }: PreVoteReply): void {
  if (!granted) adoptTerm(state, answered, from.replicaId);
  if (state.role !== "pre-candidate" || (granted && answered !== nextTerm(state))) return;
  state.campaign.votes?.set(from.replicaId, granted);
  countPreVotes(state);
}

export function onVoteReply<P>(state: State<P>, from: Member, { term: answered, granted }: VoteReply): void {
  adoptTerm(state, answered, from.replicaId);
  if (state.role !== "candidate" || state.campaign.unasked !== undefined || answered !== termOf(state)) return;
  state.campaign.votes?.set(from.replicaId, granted);
  countVotes(state);
}

function countPreVotes<P>(state: State<P>): void {
  if (isElected(state, "pre-vote")) startElection(state, { transfer: false });
}

function countVotes<P>(state: State<P>): void {
  if (isElected(state, "election")) becomeLeader(state);
}

const isElected = <P>({ self, membership, campaign }: State<P>, kind: "pre-vote" | "election"): boolean =>
  hasQuorum(membership.current, kind, (id) => id === self || campaign.votes?.get(id) === true);

const nextTerm = <P>(state: State<P>): Term => term(termOf(state) + 1);

export function tickCandidate<P>(state: State<P>): void {
  const { campaign } = state;
  // Nobody was asked yet: a disk that is slower than an election timeout must not be asked for one term after the other.
  if (campaign.unasked !== undefined) return;
  campaign.elapsedTicks++;
  if (campaign.elapsedTicks >= campaign.timeoutTicks && isPromotable(state)) startPreVote(state);
}
