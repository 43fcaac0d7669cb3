/** The leader: takes proposals, counts who has them on disk, commits, and keeps proving that it still reaches W voters. */
import { assert } from "../base/assert.js";
import { leaveJoint, planChange } from "./membership.js";
import type { Progress } from "./progress.js";
import { quiesceWhenIdle, wakeLeader } from "./quiescence.js";
import { hasQuorum, quorumIndex } from "./quorum.js";
import { addRead, beginRound, endRound } from "./read-index.js";
import { matchOf, onAnswer, replicateTo, replicateToAll, trackMembers } from "./replication.js";
import { becomeFollower } from "./role.js";
import { announceConfiguration, announceRole, commitThrough, isServing, type Leadership, nextIndex, type State, send, termOf } from "./state.js";
import { beginTransfer, giveUpTransfer, tickTransfer, urgeTarget } from "./transfer.js";
import { type Configuration, type Entry, EntryKind, type Event, type LogPosition, type Member, type Message, type ProposalRefusal } from "./types.js";

type Propose<P> = Extract<Event<P>, { kind: "propose" }>;
type Reconfigure = Extract<Event, { kind: "reconfigure" }>;
type AppendReply = Extract<Message, { kind: "append-reply" }>;
type HeartbeatReply = Extract<Message, { kind: "heartbeat-reply" }>;

/** R voters elected this replica: it begins its term with a no-op, so that what came before can commit (rule 3). */
export function becomeLeader<P>(state: State<P>): void {
  const self = state.membership.formerMember(state.self);
  assert(self !== undefined && state.doubt === undefined, "a leader is, or was just now, a member, and its log is whole");
  state.role = "leader";
  state.leader = self;
  state.campaign.votes = undefined;
  const leadership: Leadership = {
    progress: new Map(),
    termStart: nextIndex(state),
    round: 0,
    reads: { waiting: [], confirming: undefined },
    transfer: undefined,
    heartbeatTicks: 0,
    idleTicks: 0,
    quiet: false,
  };
  state.leadership = leadership;
  trackMembers(state, leadership);
  announceRole(state);
  appendOwn(state, EntryKind.noOp, null);
  replicateToAll(state, leadership);
}

export function propose<P>(state: State<P>, { id, entry, payload }: Propose<P>): void {
  const { leadership } = state;
  const why = reasonAgainstProposal(state, entry);
  if (leadership === undefined || why !== undefined) {
    state.effects.push({ kind: "refused", id, why: why ?? "not-leader" });
    return;
  }
  wakeLeader(state, leadership);
  state.effects.push({ kind: "accepted", id, at: appendOwn(state, entry, payload) });
  replicateToAll(state, leadership);
}

function reasonAgainstProposal<P>({ leadership }: State<P>, entry: Entry["kind"]): ProposalRefusal | undefined {
  if (leadership === undefined) return "not-leader";
  if (leadership.transfer !== undefined) return "transferring";
  return entry === EntryKind.noOp || entry === EntryKind.configuration ? "invalid" : undefined;
}

/** One change at a time, and none before an entry of the own term has committed (rule 6). */
export function reconfigure<P>(state: State<P>, { id, target }: Reconfigure): void {
  const { leadership } = state;
  const configuration = planChange(state.membership.current, target);
  const why = reasonAgainstChange(state) ?? (configuration === undefined ? "invalid" : undefined);
  if (leadership === undefined || configuration === undefined || why !== undefined) {
    state.effects.push({ kind: "refused", id, why: why ?? "invalid" });
    return;
  }
  wakeLeader(state, leadership);
  state.effects.push({ kind: "accepted", id, at: appendOwn(state, EntryKind.configuration, null, configuration) });
  adoptConfiguration(state, leadership, configuration);
}

function reasonAgainstChange<P>(state: State<P>): ProposalRefusal | undefined {
  const { leadership, membership, commit } = state;
  if (leadership === undefined) return "not-leader";
  if (leadership.transfer !== undefined) return "transferring";
  if (!isServing(state)) return "term-not-committed";
  return membership.current.incoming !== undefined || membership.index > commit ? "reconfiguring" : undefined;
}

export function read<P>(state: State<P>, id: number): void {
  const { leadership } = state;
  if (leadership === undefined) {
    state.effects.push({ kind: "read-failed", id });
    return;
  }
  wakeLeader(state, leadership);
  if (addRead(state, leadership, id)) heartbeat(state, leadership);
}

export function transfer<P>(state: State<P>, { id, to }: Extract<Event, { kind: "transfer" }>): void {
  const { leadership } = state;
  if (leadership === undefined) {
    state.effects.push({ kind: "transfer-ended", id, done: false });
    return;
  }
  wakeLeader(state, leadership);
  beginTransfer(state, leadership, id, to);
}

/** Commits what W voters of each set have on disk, if it is of the own term: earlier entries commit with it (rule 3). */
export function advanceCommit<P>(state: State<P>): void {
  const { leadership } = state;
  if (leadership === undefined) return;
  const index = quorumIndex(state.membership.current, (id) => matchOf(state, id));
  if (index <= state.commit || state.log.termAt(index) !== termOf(state)) return;
  commitThrough(state, index);
  if (beginRound(state, leadership)) heartbeat(state, leadership);
  completeChange(state, leadership);
}

/** A joint configuration that has committed is followed by the plain one; a leader that is no voter in that leaves. */
function completeChange<P>(state: State<P>, leadership: Leadership): void {
  const { membership, commit } = state;
  if (membership.index > commit) return;
  if (membership.current.incoming !== undefined) {
    const configuration = leaveJoint(membership.current);
    appendOwn(state, EntryKind.configuration, null, configuration);
    adoptConfiguration(state, leadership, configuration);
    return;
  }
  if (membership.isVoter(state.self)) return;
  heartbeat(state, leadership);
  const heir = membership.current.voters.find((voter) => matchOf(state, voter.replicaId) === state.log.lastIndex);
  if (heir !== undefined) send(state, heir, { kind: "timeout-now", term: termOf(state) });
  becomeFollower(state, { term: termOf(state), leader: null });
}

function adoptConfiguration<P>(state: State<P>, leadership: Leadership, configuration: Configuration): void {
  state.membership.adopt(state.log.lastIndex, configuration);
  announceConfiguration(state);
  trackMembers(state, leadership);
  replicateToAll(state, leadership);
  // A quorum may have become smaller.
  advanceCommit(state);
  if (beginRound(state, leadership) || endRound(state, leadership)) heartbeat(state, leadership);
}

/** Gives the next place in the log. The leader counts itself when it is synced, never here. */
function appendOwn<P>(state: State<P>, kind: Entry["kind"], payload: P | null, configuration?: Configuration): LogPosition {
  const index = nextIndex(state);
  const term = termOf(state);
  state.log.append(index, term);
  const entry: Entry<P> = configuration === undefined ? { index, term, kind, payload } : { index, term, kind, payload, configuration };
  state.effects.push({ kind: "append", entries: [entry] });
  return { index, term };
}

export function onAppendReply<P>(state: State<P>, from: Member, reply: AppendReply): void {
  const member = hear(state, from, reply.round);
  if (member === undefined || state.leadership === undefined) return;
  if (onAnswer(state, member, reply)) {
    advanceCommit(state);
    const { leadership } = state;
    if (leadership?.transfer?.to === from.replicaId) urgeTarget(state, leadership);
  }
}

export function onHeartbeatReply<P>(state: State<P>, from: Member, { round }: HeartbeatReply): void {
  const member = hear(state, from, round);
  if (member !== undefined) replicateTo(state, member);
}

/** Something of this term came from a member. */
function hear<P>(state: State<P>, from: Member, round: number): Progress | undefined {
  const { leadership } = state;
  const member = leadership?.progress.get(from.replicaId);
  if (leadership === undefined || member === undefined) return undefined;
  member.silentTicks = 0;
  member.down = false;
  if (round > member.round) {
    member.round = round;
    if (endRound(state, leadership) && beginRound(state, leadership)) heartbeat(state, leadership);
  }
  return member;
}

/** Somebody stands, or asks in doubt, though this replica leads: it may have missed something, so everyone hears the leader now. */
export function remindOfLeader<P>(state: State<P>, from: Member): void {
  const { leadership } = state;
  const member = leadership?.progress.get(from.replicaId);
  if (leadership === undefined || member === undefined) return;
  wakeLeader(state, leadership);
  if (member.flow === "replicate") member.forget();
  member.down = false;
  heartbeat(state, leadership);
  replicateTo(state, member);
}

/** Tells everyone that the leader lives, what is committed of what they hold, and which round to confirm. */
export function heartbeat<P>(state: State<P>, leadership: Leadership): void {
  leadership.heartbeatTicks = 0;
  const { commit } = state;
  const { round, progress } = leadership;
  for (const { member, match } of progress.values()) {
    send(state, member, { kind: "heartbeat", term: termOf(state), commit: match < commit ? match : commit, round, quiesce: false });
  }
}

export function tickLeader<P>(state: State<P>, leadership: Leadership): void {
  leadership.heartbeatTicks++;
  leadership.idleTicks++;
  for (const member of leadership.progress.values()) if (member.tick()) replicateTo(state, member);
  if (!reachesQuorum(state, leadership)) {
    becomeFollower(state, { term: termOf(state), leader: null });
    return;
  }
  tickTransfer(state, leadership);
  quiesceWhenIdle(state, leadership);
  if (leadership.quiet || leadership.heartbeatTicks < state.options.heartbeatTicks) return;
  heartbeat(state, leadership);
  urgeTarget(state, leadership);
}

/** Check-quorum (rule 5): whether W voters of each set were heard within an election timeout. */
const reachesQuorum = <P>(state: State<P>, { progress }: Leadership): boolean =>
  hasQuorum(state.membership.current, "commit", (id) => id === state.self || (progress.get(id)?.silentTicks ?? Infinity) < state.options.electionTicks);

/** A member's broker went away: it may come back as another process, so it counts only for what it says from now on. */
export function onMemberDown<P>(state: State<P>, leadership: Leadership, member: Progress): void {
  wakeLeader(state, leadership);
  member.forget();
  member.down = true;
  if (leadership.transfer?.to === member.member.replicaId) giveUpTransfer(state, leadership);
}

export function onMemberUp<P>(state: State<P>, leadership: Leadership, member: Progress): void {
  wakeLeader(state, leadership);
  member.down = false;
  replicateTo(state, member);
}
