/**
 * What one replica knows, as one record. The files of the roles are functions over it; none of them keeps anything of
 * its own. Effects gather here during a step, in the order in which they must be carried out.
 */
import { assert } from "../base/assert.js";
import { indexPlus, type LogIndex, logIndex, type ReplicaId, type Term } from "../base/ids.js";
import { type DoubtState, doubtOf } from "./doubt-state.js";
import { LogView } from "./log-view.js";
import { Membership } from "./membership.js";
import type { Progress } from "./progress.js";
import type { CoreOptions, Effect, HardState, InitialState, Member, Message, RequestId, Role, SnapshotMeta } from "./types.js";

/** A follower's side of its leader's term. */
export interface Following {
  /** Entries through here are known to equal the leader's of this term; at least the commit index. */
  verified: LogIndex;
  /** Highest match told to the leader of this term. */
  acknowledged: LogIndex;
  /** An append of this term has not been answered. */
  answerDue: boolean;
  /** Highest round of this term's leader. */
  round: number;
  /** The highest commit index in an append of this term's leader; undefined before the first. */
  leaderCommit: LogIndex | undefined;
  /** Ticks since the leader was heard. */
  silentTicks: number;
  /** The leader's broker was reported down since: do not shield it, and stand soon. */
  suspect: boolean;
  /** Set while the runner replaces log and state by a snapshot; the log takes nothing meanwhile. */
  installing: SnapshotMeta | undefined;
}

/** A campaign's side: timer and votes. */
export interface Campaign {
  elapsedTicks: number;
  timeoutTicks: number;
  /** Campaigns since a leader was last heard; each doubles the pause up to the ordinary election timeout. */
  attempts: number;
  /** Answers to the pre-vote or vote under way; undefined when there is none. */
  votes: Map<ReplicaId, boolean> | undefined;
  /** The vote for itself is not on disk yet, so nobody was asked. `transfer` is passed on to those asked. */
  unasked: { readonly transfer: boolean } | undefined;
  /** In a set that nobody has led: the others give it time, while its broker is up. */
  standsFirst: ReplicaId | undefined;
}

export interface Reads {
  /** Asked for since the round under way began; they share the next one. */
  waiting: RequestId[];
  /** What the round under way confirms. */
  confirming: { readonly round: number; readonly index: LogIndex; readonly ids: readonly RequestId[] } | undefined;
}

export interface Transfer {
  readonly id: RequestId;
  readonly to: ReplicaId;
  ticks: number;
}

/** A leader's side of its term. */
export interface Leadership {
  /** Every member but the leader itself. */
  readonly progress: Map<ReplicaId, Progress>;
  /** Index of the term's no-op. */
  readonly termStart: LogIndex;
  /** Rises with every confirmation that is asked for. */
  round: number;
  readonly reads: Reads;
  transfer: Transfer | undefined;
  heartbeatTicks: number;
  idleTicks: number;
  /** Every member up is caught up and was told to stop ticking. */
  quiet: boolean;
}

export interface State<P> {
  readonly self: ReplicaId;
  readonly options: CoreOptions;
  readonly log: LogView;
  readonly membership: Membership;
  /** Term and vote in force; on disk once `saved` says so. */
  hardState: HardState;
  saved: HardState;
  /** What the newest `save-hard-state` asked for. */
  saving: HardState;
  role: Role;
  leader: Member | null;
  commit: LogIndex;
  ticking: boolean;
  readonly following: Following;
  readonly campaign: Campaign;
  /** To whom the vote in force goes once it is on disk. */
  voteDue: Member | undefined;
  leadership: Leadership | undefined;
  doubt: DoubtState | undefined;
  effects: Effect<P>[];
}

export function createState<P>(initial: InitialState, options: CoreOptions): State<P> {
  assert(options.suspicionTicks >= 1 && options.heartbeatTicks >= 1, "suspicion and heartbeats take at least one tick");
  assert(options.electionTicks >= 3 * options.heartbeatTicks, "three heartbeats fit into an election timeout");
  assert(options.inflightMessagesMax >= 1 && options.inflightBytesMax >= 1, "a window holds at least one message");
  const log = new LogView({ start: initial.logStart, lastIndex: initial.lastIndex, runs: initial.termRuns });
  assert(initial.doubt !== undefined || initial.commitIndex <= log.lastIndex, "a whole log holds what is known to be committed");
  const membership = new Membership(initial.configurations);
  assert(membership.index <= log.lastIndex, "a configuration stands in the log");
  const commit = logIndex(Math.max(log.start.index, Math.min(initial.commitIndex, log.lastIndex)));
  // An entry may reach the disk before the term it came with does; no vote of that term can have been told then.
  const behind = initial.hardState.term < log.lastTerm;
  return {
    self: initial.replicaId,
    options,
    log,
    membership,
    hardState: behind ? { term: log.lastTerm, votedFor: null } : initial.hardState,
    saved: initial.hardState,
    saving: initial.hardState,
    role: membership.isVoter(initial.replicaId) ? "follower" : "learner",
    leader: null,
    commit,
    ticking: true,
    following: {
      verified: commit,
      acknowledged: logIndex(0),
      answerDue: false,
      round: 0,
      leaderCommit: undefined,
      silentTicks: 0,
      suspect: false,
      installing: undefined,
    },
    campaign: { elapsedTicks: 0, timeoutTicks: 1, attempts: 0, votes: undefined, unasked: undefined, standsFirst: initial.standsFirst },
    voteDue: undefined,
    leadership: undefined,
    doubt: initial.doubt && doubtOf(initial.doubt, initial.hardState.term > log.lastTerm ? initial.hardState.term : log.lastTerm),
    effects: [],
  };
}

export const termOf = <P>(state: State<P>): Term => state.hardState.term;

export function send<P>(state: State<P>, to: Member, message: Message<P>): void {
  assert(to.replicaId !== state.self, "nobody writes to itself");
  state.effects.push({ kind: "send", to, message });
}

export function sendToMembers<P>(state: State<P>, message: Message<P>, isMeant: (member: Member) => boolean): void {
  for (const member of state.membership.members) if (member.replicaId !== state.self && isMeant(member)) send(state, member, message);
}

export function setTicking<P>(state: State<P>, needed: boolean): void {
  if (state.ticking === needed) return;
  state.ticking = needed;
  state.effects.push({ kind: "ticking", needed });
}

/** Whether this replica may stand: one of the voters, with a whole log that is not being replaced. */
export const isPromotable = <P>(state: State<P>): boolean =>
  state.membership.mayStand(state.self, state.commit) && state.doubt === undefined && state.following.installing === undefined;

/** Whether it leads and an entry of its own term has committed (rule 3). */
export const isServing = <P>(state: State<P>): boolean => state.leadership !== undefined && state.commit >= state.leadership.termStart;

/** Whether term and vote in force are on disk, so that they may be answered with (rule 2). */
export const isSaved = <P>({ hardState, saved }: State<P>): boolean => saved.term === hardState.term && saved.votedFor === hardState.votedFor;

/**
 * Whether it knows as committed all that its leader, when first heard, knew to be; and that leader had committed an entry of its own term,
 * before which it may know of less than its predecessors did. A log that lost its end is shorter than what was committed, and does not know it.
 */
export function isCurrent<P>(state: State<P>): boolean {
  const { leader, leadership, following, commit, log } = state;
  if (leadership !== undefined) return isServing(state);
  return leader !== null && following.leaderCommit !== undefined && commit >= following.leaderCommit && log.termAt(commit) === termOf(state);
}

/** Everything through `index` is committed. */
export function commitThrough<P>(state: State<P>, index: LogIndex): void {
  if (index <= state.commit) return;
  assert(index <= state.log.lastIndex, "what is committed here is in the log here");
  const { membership } = state;
  const pending = membership.index > state.commit;
  state.commit = index;
  if (state.following.verified < index) state.following.verified = index;
  state.effects.push({ kind: "apply", through: index });
  if (pending && membership.index <= index) announceConfiguration(state);
}

/** The configuration in force changed, or committed; a follower's role follows from it. */
export function announceConfiguration<P>(state: State<P>): void {
  const { membership, commit } = state;
  state.effects.push({ kind: "configuration", configuration: membership.current, committed: membership.index <= commit });
  if (state.role !== "follower" && state.role !== "learner") return;
  const role = membership.isVoter(state.self) ? "follower" : "learner";
  if (role === state.role) return;
  state.role = role;
  announceRole(state);
}

export function announceRole<P>(state: State<P>): void {
  state.effects.push({ kind: "role", role: state.role, term: termOf(state), leader: state.leader });
}

/** Where the next entry goes. */
export const nextIndex = <P>(state: State<P>): LogIndex => indexPlus(state.log.lastIndex, 1);
