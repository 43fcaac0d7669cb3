/**
 * Answering those who stand. A pre-vote changes nothing here; a vote is on disk before it is told (rules 2, 4, 5).
 */
import { acceptsLog } from "./doubt.js";
import { compareLogs } from "./log-view.js";
import { becomeFollower, restartTimer, shieldsLeader } from "./role.js";
import { isSaved, type State, send, setTicking, termOf } from "./state.js";
import type { Member, Message } from "./types.js";

type PreVote = Extract<Message, { kind: "pre-vote" }>;
type Vote = Extract<Message, { kind: "vote" }>;

/** The leader's own answer is in `leader.ts`: it must wake up as well. */
export function answerPreVote<P>(state: State<P>, from: Member, { term: asked, last }: PreVote): void {
  const granted = asked > termOf(state) && !shieldsLeader(state) && acceptsLog(state, last);
  send(state, from, { kind: "pre-vote-reply", term: granted ? asked : termOf(state), granted });
  if (granted && state.role === "pre-candidate" && hasPrecedence(state, from, last)) {
    becomeFollower(state, { term: termOf(state), leader: null });
  }
  // Whoever was told to be quiet finds out by its own timer whether there still is a leader.
  if (state.membership.isVoter(from.replicaId)) setTicking(state, true);
}

/** Of two that stand at once one gives way, so that the votes are not split: the less up to date, else the higher id. */
const hasPrecedence = <P>(state: State<P>, other: Member, last: PreVote["last"]): boolean => {
  const order = compareLogs(last, state.log.last);
  return order > 0 || (order === 0 && other.replicaId < state.self);
};

export function answerVote<P>(state: State<P>, from: Member, { term: asked, last, transfer }: Vote): void {
  if (asked < termOf(state)) {
    send(state, from, { kind: "vote-reply", term: termOf(state), granted: false });
    return;
  }
  if (asked > termOf(state)) {
    if (!transfer && shieldsLeader(state)) return;
    becomeFollower(state, { term: asked, leader: null, because: from.replicaId });
  }
  const { votedFor } = state.hardState;
  const free = votedFor === from.replicaId || (votedFor === null && state.leader === null);
  if (!free || !acceptsLog(state, last)) {
    send(state, from, { kind: "vote-reply", term: asked, granted: false });
    return;
  }
  state.hardState = { term: asked, votedFor: from.replicaId };
  state.voteDue = from;
  restartTimer(state);
  setTicking(state, true);
  tellVote(state);
}

/** Sends the vote in force, once it is on disk. */
export function tellVote<P>(state: State<P>): void {
  const { voteDue } = state;
  if (voteDue === undefined || !isSaved(state) || state.hardState.votedFor !== voteDue.replicaId) return;
  state.voteDue = undefined;
  send(state, voteDue, { kind: "vote-reply", term: termOf(state), granted: true });
}
