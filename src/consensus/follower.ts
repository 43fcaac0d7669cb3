/** Following a leader: take its entries, say what is on disk, and notice when it is gone. */
import { assert } from "../base/assert.js";
import { indexPlus, type LogIndex, logIndex } from "../base/ids.js";
import { startElection, startPreVote } from "./candidate.js";
import { askLeaderSoon, reconsider } from "./doubt.js";
import { becomeFollower, heardLeader } from "./role.js";
import { announceConfiguration, announceRole, commitThrough, isPromotable, isSaved, type State, send, setTicking, termOf } from "./state.js";
import type { Entry, LogPosition, Member, Message, SnapshotMeta } from "./types.js";

type Append<P> = Extract<Message<P>, { kind: "append" }>;
type Heartbeat = Extract<Message, { kind: "heartbeat" }>;
type Snapshot<P> = Extract<Message<P>, { kind: "snapshot" }>;

/** Follows the sender of a leader's message; false when its term is over, which it is told. */
function follow<P>(state: State<P>, from: Member, message: Append<P> | Heartbeat | Snapshot<P>): boolean {
  const term = termOf(state);
  if (message.term < term) {
    send(state, from, { kind: "heartbeat-reply", term, round: 0 });
    return false;
  }
  if (message.term > term || state.leader === null) {
    assert(message.term > term || state.role !== "leader", "a term has one leader");
    becomeFollower(state, { term: message.term, leader: from, because: from.replicaId });
    askLeaderSoon(state);
    return true;
  }
  assert(state.leader.replicaId === from.replicaId, () => `replicas ${state.leader?.replicaId} and ${from.replicaId} both lead term ${term}`);
  if (state.following.suspect) askLeaderSoon(state);
  heardLeader(state);
  return true;
}

export function onAppend<P>(state: State<P>, from: Member, append: Append<P>): void {
  if (!isWellFormed(append) || !follow(state, from, append)) return;
  setTicking(state, true);
  const { following, log } = state;
  const { previous, entries } = append;
  if (following.leaderCommit === undefined || append.commit > following.leaderCommit) following.leaderCommit = append.commit;
  if (append.round > following.round) following.round = append.round;
  if (following.installing !== undefined) return;
  // What is committed here equals every later leader's log; only above it is there something to compare.
  if (previous.index > state.commit && log.termAt(previous.index) !== previous.term) {
    reject(state, from, previous);
    return;
  }
  takeEntries(state, entries);
  const matching = indexPlus(previous.index, entries.length);
  if (matching > following.verified) following.verified = matching;
  following.answerDue = true;
  commitThrough(state, lower(append.commit, following.verified));
  reconsider(state);
  // What is still on its way to the disk is acknowledged with it, not piecemeal.
  if (log.syncedIndex >= following.verified) acknowledge(state);
}

/** Whether entries follow `previous` without a gap, in terms that rise to the sender's. Nothing else comes from a sane leader. */
function isWellFormed<P>({ term, previous, entries }: Append<P>): boolean {
  let last = previous;
  for (const entry of entries) {
    if (entry.index !== last.index + 1 || entry.term < last.term) return false;
    last = entry;
  }
  return last.term <= term;
}

/** Says where the logs may still agree: the last entry here whose term is not above the one that was expected. */
function reject<P>(state: State<P>, from: Member, previous: LogPosition): void {
  const { log, commit, following } = state;
  let hint = log.lastAtMost(lower(previous.index, log.lastIndex), previous.term);
  if (hint.index < commit) {
    const term = log.termAt(commit);
    assert(term !== undefined, "the commit index lies in the log");
    hint = { index: commit, term };
  }
  send(state, from, {
    kind: "append-reply",
    term: termOf(state),
    match: logIndex(0),
    rejected: { previous: previous.index, hint },
    round: state.doubt ? 0 : following.round,
  });
}

/** Appends what is not there yet; truncates only at a real conflict (rule 4). */
function takeEntries<P>(state: State<P>, entries: readonly Entry<P>[]): void {
  const { log, commit } = state;
  const skipped = entries.findIndex((entry) => entry.index > commit && log.termAt(entry.index) !== entry.term);
  const first = entries[skipped];
  if (first === undefined) return;
  if (first.index <= log.lastIndex) truncate(state, first.index);
  const fresh = skipped === 0 ? entries : entries.slice(skipped);
  for (const entry of fresh) log.append(entry.index, entry.term);
  state.effects.push({ kind: "append", entries: fresh });
  const latest = fresh.findLast((entry) => entry.configuration !== undefined);
  if (latest === undefined) return;
  for (const { index, configuration } of fresh) if (configuration !== undefined) state.membership.adopt(index, configuration);
  announceConfiguration(state);
}

function truncate<P>(state: State<P>, from: LogIndex): void {
  const { commit, following, log, membership } = state;
  assert(from > commit, () => `entry ${from} is committed through ${commit} and never truncated`);
  assert(from > following.verified, () => `entry ${from} came from this term's leader, which never overwrites its own log`);
  state.effects.push({ kind: "truncate", from });
  log.truncate(from);
  if (membership.truncate(from)) announceConfiguration(state);
}

/** Tells the leader how much of its log is on disk here, once term, vote and entries are (rule 2). Nothing while a snapshot takes the log's place: then it is asked. */
export function acknowledge<P>(state: State<P>): void {
  const { following, leader, log } = state;
  if (leader === null || state.role === "leader" || !isSaved(state) || following.installing !== undefined) return;
  const match = lower(following.verified, log.syncedIndex);
  const isAnswer = following.answerDue && match === following.verified;
  if (match <= following.acknowledged && !isAnswer) return;
  following.acknowledged = match;
  if (match === following.verified) following.answerDue = false;
  // Reads are not confirmed in doubt: no quorum of any kind rests on one.
  send(state, leader, { kind: "append-reply", term: termOf(state), match, round: state.doubt ? 0 : following.round });
}

export function onHeartbeat<P>(state: State<P>, from: Member, heartbeat: Heartbeat): void {
  if (!follow(state, from, heartbeat)) return;
  const { following, log } = state;
  if (heartbeat.round > following.round) following.round = heartbeat.round;
  commitThrough(state, lower(heartbeat.commit, following.verified));
  const isComplete = log.lastIndex === state.commit && log.syncedIndex === log.lastIndex && isSaved(state);
  if (heartbeat.quiesce && isComplete && heartbeat.commit === state.commit && state.doubt === undefined) {
    setTicking(state, false);
    return;
  }
  setTicking(state, true);
  send(state, from, { kind: "heartbeat-reply", term: termOf(state), round: state.doubt ? 0 : heartbeat.round });
}

export function onSnapshot<P>(state: State<P>, from: Member, { term, snapshot, state: content }: Snapshot<P>): void {
  if (!follow(state, from, { kind: "snapshot", term, snapshot, state: content })) return;
  setTicking(state, true);
  const { following, log } = state;
  if (following.installing !== undefined) return;
  following.answerDue = true;
  // A log that holds the snapshot's end holds all before it, and what a snapshot covers is committed.
  if (snapshot.index <= state.commit || log.termAt(snapshot.index) === snapshot.term) {
    commitThrough(state, snapshot.index);
    acknowledge(state);
    return;
  }
  following.installing = snapshot;
  state.effects.push({ kind: "install-snapshot", from, snapshot, state: content });
}

/** Log and state are the snapshot's now, on disk. */
export function onSnapshotInstalled<P>(state: State<P>, snapshot: SnapshotMeta): void {
  const { following, log, membership } = state;
  if (following.installing?.index !== snapshot.index || following.installing.term !== snapshot.term) return;
  assert(snapshot.index > state.commit, "a snapshot only brings a replica forward");
  following.installing = undefined;
  log.reset({ index: snapshot.index, term: snapshot.term });
  membership.reset(snapshot.index, snapshot.configuration);
  state.commit = snapshot.index;
  following.verified = snapshot.index;
  announceConfiguration(state);
  reconsider(state);
  acknowledge(state);
}

/** The leader hands over: stand at once, past the pre-vote and whoever shields it (rule 8). */
export function onTimeoutNow<P>(state: State<P>, from: Member, message: Extract<Message, { kind: "timeout-now" }>): void {
  if (message.term > termOf(state)) becomeFollower(state, { term: message.term, leader: from, because: from.replicaId });
  if (message.term !== termOf(state) || state.leader?.replicaId !== from.replicaId || !isPromotable(state)) return;
  setTicking(state, true);
  startElection(state, { transfer: true });
}

export function tickFollower<P>(state: State<P>): void {
  const { campaign, following } = state;
  following.silentTicks++;
  campaign.elapsedTicks++;
  if (campaign.elapsedTicks < campaign.timeoutTicks) return;
  if (isPromotable(state)) {
    startPreVote(state);
    return;
  }
  if (state.leader !== null) {
    state.leader = null;
    announceRole(state);
  }
  // It can only wait for a leader, and whoever leads will write to it.
  if (state.doubt === undefined && following.installing === undefined) setTicking(state, false);
}

/** The leader's broker went away: stand within a few ticks, unless the leader is heard again before. */
export function onLeaderDown<P>(state: State<P>): void {
  const { campaign, following, options } = state;
  setTicking(state, true);
  following.suspect = true;
  campaign.attempts = 0;
  campaign.elapsedTicks = 0;
  campaign.timeoutTicks = 1 + options.random(options.suspicionTicks);
}

const lower = (a: LogIndex, b: LogIndex): LogIndex => (a < b ? a : b);
