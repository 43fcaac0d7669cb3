/**
 * The core of one replica: `step(event)` decides, and returns what must be done, in order. See `types.ts` for the words
 * and `README.md` for where each rule is kept.
 */
import { assert, unreachable } from "../base/assert.js";
import type { LogIndex, NodeId, ReplicaId, Term } from "../base/ids.js";
import { askForVotes, onPreVoteReply, onVoteReply, tickCandidate } from "./candidate.js";
import { onTailQuery, onTailReply, reconsider, tickDoubt } from "./doubt.js";
import { answerPreVote, answerVote, tellVote } from "./election.js";
import { acknowledge, onAppend, onHeartbeat, onLeaderDown, onSnapshot, onSnapshotInstalled, onTimeoutNow, tickFollower } from "./follower.js";
import {
  advanceCommit,
  onAppendReply,
  onHeartbeatReply,
  onMemberDown,
  onMemberUp,
  propose,
  read,
  reconfigure,
  remindOfLeader,
  tickLeader,
  transfer,
} from "./leader.js";
import { countVoters } from "./quorum.js";
import { matchOf, onReplicated, onSnapshotSent } from "./replication.js";
import { adoptTerm, restartTimer } from "./role.js";
import { createState, isCurrent, isServing, type State, termOf } from "./state.js";
import type { Configuration, CoreOptions, Doubt, Effect, Event, HardState, InitialState, LogPosition, Member, Message, Role } from "./types.js";

export interface Core<P = unknown> {
  /** Takes one event; the effects are in the order in which they must be carried out. */
  step(event: Event<P>): Effect<P>[];
  readonly role: Role;
  readonly term: Term;
  /** Term and vote in force, on disk or not. */
  readonly hardState: HardState;
  readonly leader: Member | null;
  /** Entries through here are committed. Never goes back, except across a restart. */
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly logStart: LogPosition;
  /** In force, committed or not. */
  readonly configuration: Configuration;
  /** Whether this replica leads and an entry of its own term has committed: only then may it serve. */
  readonly serving: boolean;
  /** Whether everything is known here to be committed that was when its leader was first heard; for who leads the same as `serving`. */
  readonly current: boolean;
  /** Whether `tick` events are needed now. True at first. */
  readonly ticking: boolean;
  /** What the log may still be missing. */
  readonly doubt: Doubt | undefined;
  /** The term of an entry, or of the log start; undefined outside the log. */
  termAt(index: LogIndex): Term | undefined;
  /** As a leader: through where the replica, this one included, has the log on disk; undefined for who is no member. */
  matchOf(replica: ReplicaId): LogIndex | undefined;
  /** As a leader: bytes of entries that were sent to a member and are neither answered nor given up; 0 for who does not lead. */
  inflightBytes(to: ReplicaId): number;
  /** As a leader: how many voters are known to have this entry on disk, itself included; 0 for who does not lead. */
  replicasOnDisk(index: LogIndex): number;
}

/** A replica as the runner found it on disk: a follower of nobody, whose ticks begin. */
export function createCore<P = unknown>(initial: InitialState, options: CoreOptions): Core<P> {
  return new ReplicaCore<P>(initial, options);
}

class ReplicaCore<P> implements Core<P> {
  readonly #state: State<P>;

  constructor(initial: InitialState, options: CoreOptions) {
    this.#state = createState<P>(initial, options);
    restartTimer(this.#state);
  }

  get role(): Role {
    return this.#state.role;
  }
  get term(): Term {
    return termOf(this.#state);
  }
  get hardState(): HardState {
    return this.#state.hardState;
  }
  get leader(): Member | null {
    return this.#state.leader;
  }
  get commitIndex(): LogIndex {
    return this.#state.commit;
  }
  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }
  get logStart(): LogPosition {
    return this.#state.log.start;
  }
  get configuration(): Configuration {
    return this.#state.membership.current;
  }
  get serving(): boolean {
    return isServing(this.#state);
  }
  get current(): boolean {
    return isCurrent(this.#state);
  }
  get ticking(): boolean {
    return this.#state.ticking;
  }
  get doubt(): Doubt | undefined {
    return this.#state.doubt;
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#state.log.termAt(index);
  }

  matchOf(replica: ReplicaId): LogIndex | undefined {
    const { leadership, membership } = this.#state;
    return leadership === undefined || membership.member(replica) === undefined ? undefined : matchOf(this.#state, replica);
  }

  replicasOnDisk(index: LogIndex): number {
    const { leadership, membership } = this.#state;
    if (leadership === undefined) return 0;
    const { voters, incoming } = membership.current;
    const all = incoming === undefined ? voters : membership.members.filter((member) => membership.isVoter(member.replicaId));
    return countVoters({ voters: all, w: 1, r: 1 }, (id) => matchOf(this.#state, id) >= index);
  }

  inflightBytes(to: ReplicaId): number {
    return this.#state.leadership?.progress.get(to)?.inflightBytes ?? 0;
  }

  step(event: Event<P>): Effect<P>[] {
    const state = this.#state;
    const { commit } = state;
    if (state.effects.length === 0) state.effects = [];
    take(state, event);
    assert(state.commit >= commit && state.commit <= state.log.lastIndex, "the commit index never goes back nor beyond the log");
    saveHardState(state);
    const { effects } = state;
    // Not those of this step: at rest they would be kept until the next one, which may be never. Nor an array for the next: what grows old empty keeps
    // what it was filled with from the garbage collector, until that looks through everything.
    state.effects = atRest;
    return effects;
  }
}

/** Between steps; of all cores, and never added to. */
const atRest = Object.freeze<never[]>([]) as never[];

/** Asks for the disk whenever term or vote changed; first, since what else is asked for may rest on it. */
function saveHardState<P>(state: State<P>): void {
  const { hardState, saving } = state;
  if (hardState.term === saving.term && hardState.votedFor === saving.votedFor) return;
  assert(hardState.term > saving.term || saving.votedFor === null, "a term never goes back and a vote is never changed");
  state.saving = hardState;
  state.effects.unshift({ kind: "save-hard-state", hardState });
}

function take<P>(state: State<P>, event: Event<P>): void {
  switch (event.kind) {
    case "message":
      if (event.from.replicaId !== state.self) receive(state, event.from, event.message);
      return;
    case "tick":
      tick(state);
      return;
    case "propose":
      propose(state, event);
      return;
    case "reconfigure":
      reconfigure(state, event);
      return;
    case "read":
      read(state, event.id);
      return;
    case "transfer":
      transfer(state, event);
      return;
    case "synced":
      onSynced(state, event.last);
      return;
    case "hard-state-saved":
      onSaved(state, event.hardState);
      return;
    case "replicated":
      onReplicated(state, event);
      return;
    case "snapshot-sent":
      onSnapshotSent(state, event);
      return;
    case "snapshot-installed":
      onSnapshotInstalled(state, event.snapshot);
      return;
    case "compacted":
      onCompacted(state, event.logStart);
      return;
    case "peer-down":
      onPeerDown(state, event.nodeId);
      return;
    case "peer-up":
      onPeerUp(state, event.nodeId);
      return;
    default:
      unreachable(event);
  }
}

function receive<P>(state: State<P>, from: Member, message: Message<P>): void {
  switch (message.kind) {
    case "pre-vote":
      answerPreVote(state, from, message);
      remindOfLeader(state, from);
      return;
    case "pre-vote-reply":
      onPreVoteReply(state, from, message);
      return;
    case "vote":
      answerVote(state, from, message);
      remindOfLeader(state, from);
      return;
    case "vote-reply":
      onVoteReply(state, from, message);
      return;
    case "append":
      onAppend(state, from, message);
      return;
    case "append-reply":
      adoptTerm(state, message.term, from.replicaId);
      if (message.term === termOf(state)) onAppendReply(state, from, message);
      return;
    case "heartbeat":
      onHeartbeat(state, from, message);
      return;
    case "heartbeat-reply":
      adoptTerm(state, message.term, from.replicaId);
      if (message.term === termOf(state)) onHeartbeatReply(state, from, message);
      return;
    case "snapshot":
      onSnapshot(state, from, message);
      return;
    case "timeout-now":
      onTimeoutNow(state, from, message);
      return;
    case "tail-query":
      onTailQuery(state, from, message);
      remindOfLeader(state, from);
      return;
    case "tail-reply":
      onTailReply(state, from, message);
      return;
    default:
      unreachable(message);
  }
}

function tick<P>(state: State<P>): void {
  if (!state.ticking) return;
  tickDoubt(state);
  switch (state.role) {
    case "leader":
      if (state.leadership !== undefined) tickLeader(state, state.leadership);
      return;
    case "pre-candidate":
    case "candidate":
      tickCandidate(state);
      return;
    case "follower":
    case "learner":
      tickFollower(state);
      return;
    default:
      unreachable(state.role);
  }
}

function onSynced<P>(state: State<P>, last: LogPosition): void {
  if (!state.log.markSynced(last)) return;
  reconsider(state);
  if (state.role === "leader") advanceCommit(state);
  else acknowledge(state);
}

function onSaved<P>(state: State<P>, saved: HardState): void {
  const isNewer = saved.term > state.saved.term || (saved.term === state.saved.term && state.saved.votedFor === null);
  if (!isNewer) return;
  assert(saved.term <= termOf(state), "only what was asked for is saved");
  state.saved = saved;
  tellVote(state);
  askForVotes(state);
  acknowledge(state);
}

function onCompacted<P>(state: State<P>, logStart: LogPosition): void {
  assert(logStart.index <= state.commit, "only committed entries are dropped");
  state.log.compact(logStart);
  state.membership.compact(logStart.index);
}

function onPeerDown<P>(state: State<P>, nodeId: NodeId): void {
  if (state.leadership !== undefined) {
    for (const member of state.leadership.progress.values()) if (member.member.nodeId === nodeId) onMemberDown(state, state.leadership, member);
  } else if (state.leader?.nodeId === nodeId) {
    onLeaderDown(state);
  } else if (isAwaited(state, nodeId)) {
    state.campaign.standsFirst = undefined;
    restartTimer(state);
  }
}

/** Whether one on this broker is given time to stand first. */
function isAwaited<P>(state: State<P>, nodeId: NodeId): boolean {
  const { standsFirst } = state.campaign;
  if (standsFirst === undefined || standsFirst === state.self || termOf(state) > 0) return false;
  return state.membership.member(standsFirst)?.nodeId === nodeId;
}

function onPeerUp<P>(state: State<P>, nodeId: NodeId): void {
  if (state.leadership !== undefined) {
    for (const member of state.leadership.progress.values()) if (member.member.nodeId === nodeId) onMemberUp(state, state.leadership, member);
  } else if (state.leader === null && state.role !== "candidate") {
    // One more who may vote, or who may know a leader: no need to wait for as long as without it.
    state.campaign.attempts = 0;
    restartTimer(state);
  }
}
