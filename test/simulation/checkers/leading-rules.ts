/** What a look at a running replica must show: nothing goes back, leaders are alone and have everything, W disks hold what is committed. */
import { type LogIndex, logIndex, type ReplicaId, type Term } from "../../../src/base/ids.js";
import type { Configuration, LogPosition, QuorumSet } from "../../../src/consensus/types.js";
import type { EntryFacts, ReplicaView } from "./observations.js";
import { type ReplicaSetRecord, show } from "./replica-set-record.js";
import type { Seen, TrackedReplica } from "./tracked-replica.js";

const NEVER_BACK = "term, commit and high watermark never go back";

export function look(record: ReplicaSetRecord, view: ReplicaView): void {
  const replica = record.replica(view.replicaId);
  if (replica.isAsSeen(view)) return;
  const former = replica.seen;
  const { role, term, commitIndex: commit, appliedIndex: applied, highWatermark, serving, configuration } = view;
  const seen: Seen = { role, term, commit, applied, highWatermark, serving, configuration };
  replica.seen = seen;
  record.note(replica.id, "role, term, commit, applied, high watermark", serving ? `serving ${role}` : role, term, commit, applied, highWatermark);
  checkNothingGoesBack(record, replica, former, seen);
  if (role === "leader" && (former?.role !== "leader" || former.term !== term)) elected(record, replica, term);
  if (former?.commit !== commit) commits(record, replica, view, former?.configuration ?? configuration);
  checkHighWatermark(record, replica, seen);
  if (serving && (former?.serving !== true || former.term !== term)) serves(record, replica, seen);
}

function checkNothingGoesBack(record: ReplicaSetRecord, { id, hardState }: TrackedReplica, former: Seen | undefined, seen: Seen): void {
  const expect = (what: string, least: number, value: number): void => {
    if (value < least) record.broken(NEVER_BACK, `${what} ${least} or above`, `replica ${id} shows ${value}`);
  };
  if (hardState !== undefined) expect("term", hardState.term, seen.term);
  if (seen.applied > seen.commit) record.broken("only what is committed is applied", `at most ${seen.commit}`, `replica ${id} applied ${seen.applied}`);
  if (seen.serving && seen.role !== "leader") record.broken("only a leader serves", "a leader", `replica ${id}, ${seen.role}`);
  if (former === undefined) return;
  expect("term", former.term, seen.term);
  expect("commit index", former.commit, seen.commit);
  expect("applied index", former.applied, seen.applied);
  expect("high watermark", former.highWatermark, seen.highWatermark);
}

function elected(record: ReplicaSetRecord, { id, life, log }: TrackedReplica, term: Term): void {
  const other = record.leaders.get(term);
  if (other !== undefined && (other.replica !== id || other.life !== life))
    record.broken(
      "at most one leader per term, ever",
      `replica ${other.replica}, life ${other.life}, alone in term ${term}`,
      `replica ${id}, life ${life}, leads it too`,
    );
  record.leaders.set(term, { replica: id, life });
  // It may learn of its election late, when the next leader has already committed more.
  const least = record.committed.lastBefore(term);
  if (log.agreesOn(least)) return;
  const seen = `replica ${id} leads term ${term} with term ${log.termAt(least.index)} there; its log ends at ${show(log.last)}`;
  record.broken("every elected leader has every committed entry", `entry ${show(least)}`, seen);
}

function commits(record: ReplicaSetRecord, replica: TrackedReplica, view: ReplicaView, before: Configuration): void {
  const { id, log } = replica;
  const { commitIndex, term } = view;
  // While a snapshot is installed the log begins after it, and the rest follows.
  if (commitIndex < log.start.index) return;
  const at = log.termAt(commitIndex);
  if (at === undefined) {
    record.broken("only entries of a log are committed", `${log.start.index} to ${log.last.index}`, `replica ${id} commits ${commitIndex}`);
    return;
  }
  const { last } = record.committed;
  const through: LogPosition = { index: commitIndex, term: at };
  const isNew = commitIndex > last.index;
  // Where both are committed, one position stands for everything before it.
  const shared = isNew ? last : { index: commitIndex, term: record.committed.termAt(commitIndex) ?? at };
  if (!log.agreesOn(shared))
    record.broken(
      "committed prefixes never differ",
      `entry ${show(shared)}`,
      `replica ${id} commits ${show(through)} with term ${log.termAt(shared.index)} at ${shared.index}`,
    );
  if (!isNew) return;
  const leader = record.replicas.get(record.leaders.get(term)?.replica ?? id) ?? replica;
  checkDisks(record, through, [before, view.configuration, ...(leader.seen === undefined ? [] : [leader.seen.configuration])], id);
  if (view.role === "leader") checkCounted(record, view);
  for (let index = last.index + 1; index <= commitIndex; index++) {
    const entry = record.known.find({ index: logIndex(index), term: log.termAt(logIndex(index)) ?? at });
    if (entry === undefined) continue;
    record.committed.extend(entry, term);
    const expected = record.committed.producers.take(entry);
    if (expected !== undefined) record.broken("one entry per producer, epoch and sequence, and none of a fenced epoch", expected, sequenceOf(entry));
  }
}

const sequenceOf = (entry: EntryFacts): string =>
  `entry ${show(entry)} with sequence ${entry.producer?.baseSequence} of producer ${entry.producer?.id}, epoch ${entry.producer?.epoch}`;

/** At commit, W disks of each set hold the entry. A configuration may have changed right after, within the same event: either will do. */
function checkDisks(record: ReplicaSetRecord, through: LogPosition, configurations: readonly Configuration[], by: ReplicaId): void {
  if (record.options.isSyncDeferred) return;
  const holders = ({ voters }: QuorumSet): number => voters.filter((voter) => record.replicas.get(voter.replicaId)?.hadOnDisk(through) === true).length;
  const setsOf = (configuration: Configuration): QuorumSet[] =>
    configuration.incoming === undefined ? [configuration] : [configuration, configuration.incoming];
  if (configurations.some((configuration) => setsOf(configuration).every((set) => holders(set) >= set.w))) return;
  const sets = configurations.slice(0, 1).flatMap(setsOf);
  const wanted = sets.map(({ voters, w }) => `W=${w} of replicas ${voters.map((voter) => voter.replicaId).join(", ")}`).join(" and ");
  record.broken(
    "at commit W disks hold the entry",
    `entry ${show(through)} on ${wanted}`,
    `replica ${by} commits it; it is on ${sets.map(holders).join(" and ")}`,
  );
}

/** A leader counts what was acknowledged to its term, and no more. */
function checkCounted(record: ReplicaSetRecord, view: ReplicaView): void {
  if (!record.hearsAcknowledgements) return;
  const { voters, incoming } = view.configuration;
  for (const { replicaId: id } of [...voters, ...(incoming?.voters ?? [])]) {
    const counted: LogIndex = view.matchOf(id) ?? logIndex(0);
    const said = record.replicas.get(id)?.acknowledged ?? record.lost.get(id);
    const most = said?.term === view.term ? said.index : 0;
    if (id === view.replicaId || counted <= most) continue;
    const seen = `leader ${view.replicaId} counts ${counted}; what it acknowledged last is ${said === undefined ? "unknown" : show(said)}`;
    record.broken("no acknowledgement is counted in another term", `at most ${most} of replica ${id} in term ${view.term}`, seen);
  }
}

function checkHighWatermark(record: ReplicaSetRecord, { id, log }: TrackedReplica, { applied, highWatermark, term }: Seen): void {
  const appliedTerm = log.termAt(applied);
  const entry = appliedTerm === undefined ? undefined : record.known.find({ index: applied, term: appliedTerm });
  if (entry !== undefined && entry.endOffset !== highWatermark)
    record.broken(
      "the high watermark is just past the last committed record",
      `${entry.endOffset} at entry ${show(entry)}`,
      `replica ${id} shows ${highWatermark}`,
    );
  if (highWatermark > (record.highWatermarks.get(term) ?? -1)) record.highWatermarks.set(term, highWatermark);
}

function serves(record: ReplicaSetRecord, { id, log }: TrackedReplica, { term, highWatermark }: Seen): void {
  const serving = `replica ${id} serves term ${term} to ${highWatermark}, with a log to ${show(log.last)}`;
  for (const [earlier, shown] of record.highWatermarks) {
    if (earlier < term && shown > highWatermark) record.broken(NEVER_BACK, `a high watermark of ${shown} or above, as shown in term ${earlier}`, serving);
  }
  const newest = record.ghosts.at(-1);
  if (newest !== undefined && newest.term < term && highWatermark <= newest.baseOffset)
    record.broken("every acknowledgement is in the newest leader's log", `offset ${newest.baseOffset}, acknowledged in term ${newest.term}`, serving);
}
