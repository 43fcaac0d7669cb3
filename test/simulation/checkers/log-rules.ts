/** What may happen to a log: it grows without gaps, its end goes only where nothing is committed, its beginning only where it was trimmed. */
import { type LogIndex, logIndex, type ReplicaId, term } from "../../../src/base/ids.js";
import type { LogPosition } from "../../../src/consensus/types.js";
import type { EntryFacts, FoundReplica } from "./observations.js";
import { type ReplicaSetRecord, show } from "./replica-set-record.js";
import { checkHardState } from "./saying-rules.js";
import { TrackedReplica } from "./tracked-replica.js";

const APPEND_ONLY = "leader append-only";
const NOT_TRUNCATED = "nothing below a known commit is truncated";
const NO_GAP = "no gap between snapshot and log start";

export function begins(record: ReplicaSetRecord, id: ReplicaId, found: FoundReplica): void {
  const former = record.removed.delete(id) ? undefined : record.replicas.get(id);
  const replica = new TrackedReplica(id, found);
  record.replicas.set(id, replica);
  replica.life = (former?.life ?? 0) + 1;
  const { log } = replica;
  record.note(id, "begins: log from, to, doubt", show(log.start), show(log.last), String(found.isInDoubt));
  if (record.lost.has(id))
    record.broken("a replica id is never used again", "a new id on a new disk", `replica ${id} was lost with its disk, and begins again`);
  for (const end of [log.start, ...log.runEnds()]) {
    if (end.index === 0 || end.index < record.known.first || record.known.find(end) !== undefined) continue;
    record.broken("a log holds what was appended to it", "entries that were in some log", `replica ${id} finds entry ${show(end)}, which nobody appended`);
  }
  if (former === undefined) replica.hardState = found.hardState;
  else restarted(record, former, replica, found);
}

function restarted(record: ReplicaSetRecord, former: TrackedReplica, replica: TrackedReplica, found: FoundReplica): void {
  const { id, log } = replica;
  replica.hardState = former.hardState;
  replica.acknowledged = former.acknowledged;
  replica.snapshots = found.snapshots ?? former.snapshots;
  const isWhole = replica.hasOnDisk(former.synced);
  replica.heldBeforeDamage = isWhole ? former.heldBeforeDamage : former.synced.index;
  if (!found.isInDoubt && !isWhole)
    record.broken(
      "damage is not absence",
      `entry ${show(former.synced)}, which was synced, or a doubt`,
      `replica ${id} finds a log to ${show(log.last)} and no doubt`,
    );
  if (found.hardState === undefined) return;
  checkHardState(record, id, former.hardState, found.hardState);
  replica.hardState = found.hardState;
}

export function appended(record: ReplicaSetRecord, id: ReplicaId, entries: readonly EntryFacts[]): void {
  const { log } = record.replica(id);
  for (const entry of entries) {
    const before = log.last;
    if (entry.index !== before.index + 1)
      record.broken("a log has no gap", `entry ${before.index + 1}`, `replica ${id} appends ${show(entry)} after ${show(before)}`);
    record.note(id, "appends entry, after, digest", show(entry), show(before), entry.digest);
    const other = record.known.add(entry, before);
    if (other !== undefined) {
      const difference = other.digest === entry.digest ? "after another log" : `with bytes ${entry.digest}`;
      record.broken(
        "log matching: same index and term, same bytes and same prefix",
        `entry ${show(entry)} with bytes ${other.digest}`,
        `replica ${id} appends it ${difference}`,
      );
    }
    log.append(entry);
  }
}

export function truncated(record: ReplicaSetRecord, id: ReplicaId, from: LogIndex, isLeader: boolean): void {
  const replica = record.replica(id);
  const { log, seen } = replica;
  if (from > log.last.index) return;
  record.note(id, "truncates from", from);
  const truncates = `replica ${id} truncates from ${from}`;
  if (isLeader) record.broken(APPEND_ONLY, "a leader that never overwrites its own log", truncates);
  const kept = Math.max(log.start.index, seen?.commit ?? 0);
  if (from <= kept) record.broken(NOT_TRUNCATED, `the log kept through ${kept}`, truncates);
  const committedTerm = record.committed.termAt(from);
  if (committedTerm !== undefined && log.termAt(from) === committedTerm)
    record.broken(NOT_TRUNCATED, `${from}/${committedTerm}, which is committed, kept`, truncates);
  replica.truncate(from);
}

export function cut(record: ReplicaSetRecord, id: ReplicaId, start: LogPosition): void {
  const replica = record.replica(id);
  const { log, seen, synced } = replica;
  record.note(id, "drops its log through", show(start));
  const cuts = `replica ${id} drops its log through ${show(start)}`;
  if (!log.holds(start)) record.broken("a log is cut where it has an entry", `term ${log.termAt(start.index)} at ${start.index}`, cuts);
  if (seen !== undefined && start.index > seen.applied) record.broken("only what was applied is dropped", `at most ${seen.applied}`, cuts);
  if (start.index > synced.index) record.broken("only what is on disk is dropped", `at most ${synced.index}`, cuts);
  checkTrimmed(record, start, cuts);
  log.cut(start);
  checkSnapshots(record, replica);
  record.forgetDropped();
}

export function reset(record: ReplicaSetRecord, id: ReplicaId, start: LogPosition, isLeader: boolean): void {
  const replica = record.replica(id);
  const { seen, snapshots } = replica;
  record.note(id, "installs a snapshot at", show(start));
  const installs = `replica ${id} installs a snapshot at ${show(start)}`;
  if (isLeader) record.broken(APPEND_ONLY, "a leader that never overwrites its own log", installs);
  if (seen !== undefined && start.index < seen.commit) record.broken(NOT_TRUNCATED, `a snapshot at ${seen.commit} or beyond`, installs);
  if (record.committed.termAt(start.index) !== start.term)
    record.broken(
      "a snapshot holds what is committed",
      `term ${record.committed.termAt(start.index)} at ${start.index}; committed through ${show(record.committed.last)}`,
      installs,
    );
  checkTrimmed(record, start, installs);
  if (snapshots !== undefined && !snapshots.includes(start.index))
    record.broken(NO_GAP, `a snapshot at ${start.index} on disk`, `replica ${id} has ${snapshots.join(", ") || "none"}`);
  replica.log.reset(start);
  // Until the disk says so: a process that dies meanwhile leaves the old log or the new one.
  replica.synced = { index: logIndex(0), term: term(0) };
  record.forgetDropped();
}

function checkTrimmed(record: ReplicaSetRecord, start: LogPosition, what: string): void {
  const { trimmedBefore } = record.committed;
  const entry = record.known.find(start);
  if (record.options.cutPolicy === "records" && entry !== undefined && entry.endOffset > trimmedBefore)
    record.broken("only what was trimmed is dropped", `at most offsets below ${trimmedBefore}`, `${what}, offsets below ${entry.endOffset}`);
}

/** State up to the log's start, or beyond, is in a snapshot that the log reaches. */
function checkSnapshots(record: ReplicaSetRecord, { id, log, snapshots }: TrackedReplica): void {
  if (snapshots === undefined || snapshots.some((index) => index >= log.start.index && index <= log.last.index)) return;
  record.broken(NO_GAP, `a snapshot of ${log.start.index} to ${log.last.index}`, `replica ${id} has ${snapshots.join(", ") || "none"}`);
}

/** At rest. A follower that is further behind than the log gets the snapshot at its start, and no record is lost to it. */
export function checkStart(record: ReplicaSetRecord, id: ReplicaId): void {
  const { log, snapshots } = record.replica(id);
  if (record.options.cutPolicy !== "records" || snapshots === undefined || log.start.index === 0 || snapshots.includes(log.start.index)) return;
  record.broken("a snapshot stands where the log begins", `one at ${log.start.index}`, `replica ${id} has ${snapshots.join(", ") || "none"}`);
}
