/**
 * Rule 10: damage is not absence. A replica D whose log may have lost its end must not speak as if that end had never
 * been (after Protocol-Aware Recovery for Consensus-Based Storage, FAST '18).
 *
 * **What D may still say.** "My disk equals yours through index i", to a leader that proved it in this term: a statement
 * about what is there now, so it counts towards W like anyone's. "I am in term T": terms live elsewhere and were not
 * lost. What D must not do is stand, or vote for a log by comparing it with its own, because that claims that D holds
 * nothing newer. It does not confirm reads either, so that no quorum of any kind ever rests on a doubt.
 *
 * **Why elections without D are safe.** An entry committed with D's help is on W voters. R voters without D meet those
 * W in W+R-N >= 1 replicas, and that one is not D.
 *
 * **Lifting by a leader.** Any leader's log holds all that was committed before its term, and all that it sent in its
 * term, on its own disk or not. D asks it (with a nonce, so the answer is younger than the doubt) where its log ends: at g. What D had
 * acknowledged was acknowledged in terms up to D's, so if it committed, or still can, it is in that log at or before g.
 * Once D's disk equals the leader's log through g, nothing D ever acknowledged can be missing.
 *
 * **Voting without one.** All replicas may have lost power in the middle of a group commit, so that all are in doubt and
 * nobody can lead. D then asks the other voters where their logs end. Whoever answers has first reached a term above
 * all in which D acknowledged anything, so it will never add to the counts of those terms. Let e be an entry that was
 * committed with D's help. N-W+1 voters with whole logs meet any W voters, so one of them holds e; then so does every
 * log that is at least as up to date as the most up-to-date of theirs (the floor), because logs that are later in the
 * order of rule 4 hold everything committed that earlier ones hold. (So it does no harm to name an end that is not on disk yet.) When too few are whole but all voters answered, the
 * same is true as long as fewer than W disks were damaged, which is what the promise covers; if more say that they are,
 * nothing is concluded and the replica set waits for an operator. So D may vote for a log at or beyond the floor, and if
 * its own log is there, the doubt is over.
 *
 * **Membership.** D may have lost a configuration too. Any change begins with a joint entry that W of the voters before
 * and of those after hold, so one of those who answer goes by another configuration than D, or holds that entry and with
 * it all that was committed under configurations in between. When configurations differ in their voters only a leader can help.
 * When they differ in W and R alone, and all voters answered, the argument holds as long as fewer disks were damaged than any W that
 * one of them names. What was committed under a W that nobody names came before a change that somebody has, who so has it too; for
 * a joint configuration names both, and is left only once it is committed. (`test/model` checks it.)
 */
import { logIndex, type ReplicaId, type Term, term } from "../base/ids.js";
import type { DoubtState, TailReply } from "./doubt-state.js";
import { compareLogs } from "./log-view.js";
import { sameQuorums, sameVoters } from "./membership.js";
import { countVoters, everySet } from "./quorum.js";
import { adoptTerm, shieldsLeader } from "./role.js";
import { isSaved, type State, send, sendToMembers, termOf } from "./state.js";
import type { Configuration, LogPosition, Member, Message, QuorumSet } from "./types.js";

type TailQuery = Extract<Message, { kind: "tail-query" }>;

/** Nonces are whole numbers below this. */
const NONCE_BOUND = 2 ** 31;

/** Whether a log that ends at `last` may get this replica's vote. */
export function acceptsLog<P>({ log, doubt }: State<P>, last: LogPosition): boolean {
  if (compareLogs(last, log.last) < 0) return false;
  if (doubt === undefined) return true;
  return doubt.floor !== undefined && compareLogs(last, doubt.floor) >= 0;
}

/** Asks again from time to time: the leader if there is one, everybody else otherwise. */
export function tickDoubt<P>(state: State<P>): void {
  const { doubt } = state;
  if (doubt === undefined) return;
  if (doubt.waitTicks > 0) {
    doubt.waitTicks--;
    return;
  }
  askForTail(state, doubt);
  reconsider(state);
}

/** A leader was found: ask it at once. */
export function askLeaderSoon<P>({ doubt }: State<P>): void {
  if (doubt !== undefined) doubt.waitTicks = 0;
}

function askForTail<P>(state: State<P>, doubt: DoubtState): void {
  doubt.nonce ??= state.options.random(NONCE_BOUND);
  doubt.waitTicks = 2 * state.options.heartbeatTicks;
  const { leader, following, membership } = state;
  if (leader !== null && !following.suspect) {
    if (doubt.goal?.term !== termOf(state)) send(state, leader, { kind: "tail-query", term: termOf(state), nonce: doubt.nonce });
    return;
  }
  const query: TailQuery = { kind: "tail-query", term: term(Math.max(termOf(state), doubt.bootTerm + 1)), nonce: doubt.nonce };
  sendToMembers(state, query, (member) => membership.isVoter(member.replicaId));
}

/** Somebody in doubt asks. Answers are given only from a term that is on disk; until then it will ask again. */
export function onTailQuery<P>(state: State<P>, from: Member, query: TailQuery): void {
  if (query.term > termOf(state)) {
    // Who led and asks in doubt, above its own term, leads no more: nobody else may tell those who sleep.
    if (shieldsLeader(state) && state.leader?.replicaId !== from.replicaId) return;
    adoptTerm(state, query.term, from.replicaId);
  }
  if (!isSaved(state)) return;
  const { log, membership, doubt } = state;
  send(state, from, {
    kind: "tail-reply",
    term: termOf(state),
    nonce: query.nonce,
    // Not only what is on disk: what a leader, or a candidate that becomes one, holds may be committed by others' disks.
    last: log.last,
    configuration: membership.current,
    log: doubt?.kind ?? "whole",
  });
}

export function onTailReply<P>(state: State<P>, from: Member, reply: TailReply): void {
  adoptTerm(state, reply.term, from.replicaId);
  const { doubt } = state;
  if (doubt === undefined || reply.nonce !== doubt.nonce) return;
  if (reply.term > doubt.bootTerm) {
    doubt.answers.set(from.replicaId, reply);
    doubt.floor = floorOf(state, doubt);
  }
  if (from.replicaId === state.leader?.replicaId && reply.term === termOf(state) && doubt.goal?.term !== reply.term) {
    doubt.goal = { term: reply.term, index: logIndex(reply.last.index) };
  }
  reconsider(state);
}

/** Lifts the doubt when there is reason to. */
export function reconsider<P>(state: State<P>): void {
  const { doubt, log, following } = state;
  if (doubt === undefined || following.installing !== undefined) return;
  doubt.floor ??= floorOf(state, doubt);
  const { goal, floor } = doubt;
  const repaired = goal !== undefined && goal.term === termOf(state) && goal.index <= following.verified && goal.index <= log.syncedIndex;
  if (!repaired && (floor === undefined || compareLogs(log.synced, floor) < 0)) return;
  state.doubt = undefined;
  state.effects.push({ kind: "doubt-lifted" });
}

function floorOf<P>(state: State<P>, doubt: DoubtState): LogPosition | undefined {
  const { membership, self } = state;
  if (!membership.isVoter(self)) return undefined;
  let floor: LogPosition = { index: logIndex(0), term: term(0) as Term };
  const differing: Configuration[] = [];
  for (const { last, configuration } of doubt.answers.values()) {
    if (!sameQuorums(configuration, membership.current)) differing.push(configuration);
    if (compareLogs(last, floor) > 0) floor = last;
  }
  if (!differing.every((configuration) => sameVoters(configuration, membership.current))) return undefined;
  const says = (id: ReplicaId): TailReply["log"] | undefined => (id === self ? doubt.kind : doubt.answers.get(id)?.log);
  const isEnough = (set: QuorumSet): boolean => {
    if (differing.length === 0 && countVoters(set, (id) => says(id) === "whole") >= set.voters.length - set.w + 1) return true;
    const all = countVoters(set, (id) => says(id) !== undefined) === set.voters.length;
    return all && countVoters(set, (id) => says(id) === "damaged") < set.w;
  };
  return [membership.current, ...differing].every((configuration) => everySet(configuration, isEnough)) ? floor : undefined;
}
