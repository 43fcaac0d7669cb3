/** A leader bringing its members up to date: what to send to whom next, and what their answers mean. */
import { assert } from "../base/assert.js";
import { indexPlus, type LogIndex, logIndex, type ReplicaId } from "../base/ids.js";
import { Progress } from "./progress.js";
import { type Leadership, nextIndex, type State, send, termOf } from "./state.js";
import type { Event, Message } from "./types.js";

type AppendReply = Extract<Message, { kind: "append-reply" }>;
type Replicated = Extract<Event, { kind: "replicated" }>;
type SnapshotSent = Extract<Event, { kind: "snapshot-sent" }>;

/** Members came or went: newcomers are probed from the log's end, those who left are forgotten. */
export function trackMembers<P>(state: State<P>, { progress }: Leadership): void {
  const { members } = state.membership;
  for (const id of progress.keys()) if (state.membership.member(id) === undefined) progress.delete(id);
  for (const member of members) {
    if (member.replicaId === state.self || progress.has(member.replicaId)) continue;
    progress.set(member.replicaId, new Progress(member, nextIndex(state), state.options));
  }
}

export function replicateToAll<P>(state: State<P>, { progress }: Leadership): void {
  for (const member of progress.values()) replicateTo(state, member);
}

/** Sends what can be sent to one member now: entries, a probe, a snapshot, or nothing. */
export function replicateTo<P>(state: State<P>, progress: Progress): void {
  const { log, leadership } = state;
  assert(leadership !== undefined, "only a leader replicates");
  if (progress.down || progress.waiting || progress.asked !== undefined || progress.flow === "snapshot") return;
  const previousIndex = indexPlus(progress.next, -1);
  const previousTerm = log.termAt(previousIndex);
  const to = progress.member;
  const term = termOf(state);
  if (previousTerm === undefined) {
    progress.becomeSnapshot();
    progress.asked = progress.next;
    state.effects.push({ kind: "send-snapshot", to, term });
    return;
  }
  const previous = { index: previousIndex, term: previousTerm };
  const { commit } = state;
  const { round } = leadership;
  if (progress.next > log.lastIndex) {
    if (progress.flow !== "probe") return;
    progress.probed();
    send(state, to, { kind: "append", term, previous, commit, entries: [], round });
    return;
  }
  if (progress.windowFull) return;
  progress.asked = progress.next;
  state.effects.push({ kind: "replicate", to, term, previous, through: log.lastIndex, commit, round });
}

/** The runner reports on a `replicate` effect. */
export function onReplicated<P>(state: State<P>, { to, term, through, bytes }: Replicated): void {
  const progress = state.leadership?.progress.get(to);
  if (progress?.asked === undefined || progress.flow === "snapshot" || term !== termOf(state)) return;
  const { asked } = progress;
  progress.asked = undefined;
  // What was asked for may have been overtaken by a rejection or an answer; then this says nothing about what is next.
  if (asked === progress.next) {
    if (through === undefined || through < asked) progress.pause();
    else if (progress.flow === "probe") progress.probed();
    else progress.sent(through, bytes);
  }
  replicateTo(state, progress);
}

/** The runner reports on a `send-snapshot` effect. */
export function onSnapshotSent<P>(state: State<P>, { to, term, snapshot }: SnapshotSent): void {
  const progress = state.leadership?.progress.get(to);
  if (progress?.asked === undefined || term !== termOf(state)) return;
  progress.asked = undefined;
  if (progress.flow !== "snapshot") replicateTo(state, progress);
  else if (snapshot === undefined) progress.pause();
  else progress.snapshotSent(snapshot.index);
}

/** A member's answer in this term. Says whether its match rose, so that more may be committed. */
export function onAnswer<P>(state: State<P>, progress: Progress, { match, rejected }: AppendReply): boolean {
  if (rejected !== undefined) {
    onRejection(state, progress, rejected);
    return false;
  }
  // Nobody holds more of this term's log than its leader.
  if (match > state.log.lastIndex) return false;
  const advanced = progress.acknowledged(match);
  if (progress.flow === "snapshot" && progress.asked === undefined && match >= state.log.start.index) progress.leaveSnapshot();
  replicateTo(state, progress);
  return advanced;
}

/**
 * The member refused an append. Whoever says that it lacks what it acknowledged has lost it (or the message is a very
 * late one): it no longer counts, and is asked anew. Both hints jump over whole terms (Ongaro's dissertation, 3.5).
 */
function onRejection<P>(state: State<P>, progress: Progress, { previous, hint }: NonNullable<AppendReply["rejected"]>): void {
  const { flow, match, next } = progress;
  if (flow === "snapshot" || previous < match) return;
  if (flow === "probe" && previous !== next - 1) return;
  if (previous === match) progress.match = logIndex(0);
  const agreed = state.log.lastAtMost(hint.index < previous ? hint.index : indexPlus(previous, -1), hint.term).index;
  progress.becomeProbe(indexPlus(maxIndex(agreed, progress.match), 1));
  replicateTo(state, progress);
}

const maxIndex = (a: LogIndex, b: LogIndex): LogIndex => (a > b ? a : b);

/** How much of the leader's log a replica has on disk; the leader counts itself like any other (rule 2). */
export function matchOf<P>({ self, log, leadership }: State<P>, id: ReplicaId): LogIndex {
  return id === self ? log.syncedIndex : (leadership?.progress.get(id)?.match ?? logIndex(0));
}
