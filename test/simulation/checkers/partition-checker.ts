/**
 * The invariants of one replica set, checked as things happen. Told what each replica appends, cuts, syncs and says, and looked at after
 * every event, it compares only what changed: nothing costs more than the entries that are new.
 *
 * The first violation is kept in `violation`, not thrown: it is found inside calls of the system under test, which would catch it. What
 * is observed after it means nothing.
 */
import { type LogIndex, logIndex, type ReplicaId, term } from "../../../src/base/ids.js";
import type { HardState, LogPosition, Message } from "../../../src/consensus/types.js";
import { look } from "./leading-rules.js";
import { appended, begins, checkStart, cut, reset, truncated } from "./log-rules.js";
import type { Acknowledgement, EntryFacts, FinalReplica, FoundReplica, ReplicaView } from "./observations.js";
import { type RecordOptions, ReplicaSetRecord, show } from "./replica-set-record.js";
import { saved, says } from "./saying-rules.js";
import { problemOfLogs, whyUnsettled } from "./settled.js";
import type { Violation } from "./violation.js";

export class PartitionChecker {
  readonly #record: ReplicaSetRecord;

  constructor(options: RecordOptions) {
    this.#record = new ReplicaSetRecord(options);
  }

  get violation(): Violation | undefined {
    return this.#record.violation;
  }
  /** The last entry known to be committed. */
  get committed(): LogPosition {
    return this.#record.committed.last;
  }
  /** Acknowledgements checked so far. */
  get acknowledgements(): number {
    return this.#record.ghosts.length;
  }
  /** Terms that had a leader. */
  get elections(): number {
    return this.#record.leaders.size;
  }

  /** A process begins, or begins again, with what it found on its disk. A replica that was never seen before is new. */
  begins(id: ReplicaId, found: FoundReplica): void {
    begins(this.#record, id, found);
  }

  /** The process is gone; its disk stays. */
  ends(id: ReplicaId): void {
    const replica = this.#record.replicas.get(id);
    if (replica === undefined) return;
    this.#record.note(id, "ends");
    replica.seen = undefined;
  }

  /** The replica was removed: what was counted on it before stays so. One that was removed in part only may begin once more, with nothing. */
  removed(id: ReplicaId): void {
    this.ends(id);
    this.#record.removed.add(id);
  }

  /** The replica's disk was wiped or put back: what it promised is void, and nobody may count on it. */
  forgets(id: ReplicaId): void {
    const { replicas, lost } = this.#record;
    const acknowledged = replicas.get(id)?.acknowledged ?? lost.get(id) ?? { index: logIndex(0), term: term(0) };
    this.#record.note(id, "is forgotten; acknowledged", show(acknowledged));
    replicas.delete(id);
    lost.set(id, acknowledged);
    this.#record.forgetDropped();
  }

  appended(id: ReplicaId, entries: readonly EntryFacts[]): void {
    appended(this.#record, id, entries);
  }

  /** Entries from `from` on go. `isLeader` as of this moment. */
  truncated(id: ReplicaId, from: LogIndex, isLeader: boolean): void {
    truncated(this.#record, id, from, isLeader);
  }

  /** The log's beginning went, through `start`. Look at the replica first: what allows it may be of the same event. */
  cut(id: ReplicaId, start: LogPosition): void {
    cut(this.#record, id, start);
  }

  /** A snapshot took the log's place, which is now empty after `start`. */
  reset(id: ReplicaId, start: LogPosition, isLeader: boolean): void {
    reset(this.#record, id, start, isLeader);
  }

  /** The disk holds the log through here: the disk says so, not the log. */
  synced(id: ReplicaId, through: LogPosition): void {
    const replica = this.#record.replicas.get(id);
    if (replica === undefined || through.index <= replica.synced.index || !replica.log.holds(through)) return;
    replica.synced = through;
  }

  /** A hard state is on disk. */
  saved(id: ReplicaId, hardState: HardState): void {
    saved(this.#record, id, hardState);
  }

  /** These are its snapshots on disk, by log index. */
  keeps(id: ReplicaId, snapshots: readonly LogIndex[]): void {
    const replica = this.#record.replicas.get(id);
    if (replica !== undefined) replica.snapshots = snapshots;
  }

  /** A message leaves: what it says must be on disk, and what it acknowledges may be counted in its term only. */
  says(id: ReplicaId, to: ReplicaId, message: Message): void {
    says(this.#record, id, to, message);
  }

  /** After every event, at each replica that it may have changed. */
  look(view: ReplicaView): void {
    look(this.#record, view);
  }

  /** A batch was acknowledged with acks=quorum: it goes on the list, for ever. Look at its leader first. */
  acknowledged(acknowledgement: Acknowledgement): void {
    const { committed, known, ghosts } = this.#record;
    const { baseOffset, term, bodyCrc32 } = acknowledgement;
    ghosts.push(acknowledgement);
    if (baseOffset < committed.trimmedBefore) return;
    const index = committed.indexOfOffset(baseOffset);
    const entry = index === undefined ? undefined : known.find({ index, term: committed.termAt(index) ?? term });
    if (entry !== undefined && entry.term === term && (bodyCrc32 === undefined || bodyCrc32 === entry.bodyCrc32)) return;
    const there =
      entry === undefined ? `no committed batch begins there; committed through ${show(committed.last)}` : `${show(entry)} with bytes ${entry.bodyCrc32}`;
    this.#record.broken("what is acknowledged is committed", `a batch at offset ${baseOffset} of term ${term} with bytes ${bodyCrc32 ?? "unknown"}`, there);
  }

  /**
   * The end: everybody agrees, byte for byte, and every acknowledgement ever sent is there. `openRequests` are those that nobody
   * answered. Give `whyUnsettled` time first.
   */
  concludes(replicas: readonly FinalReplica[], openRequests: readonly string[]): void {
    const { known, ghosts, committed } = this.#record;
    const unsettled = whyUnsettled(replicas);
    if (unsettled !== undefined) this.#record.broken("after the faults a leader exists and everybody follows", "agreement", unsettled);
    if (openRequests.length > 0)
      this.#record.broken("every request is answered or refused", "no open request", `${openRequests.length} open: ${openRequests.slice(0, 5).join(", ")}`);
    const problem = problemOfLogs(replicas, { known, ghosts, trimmedBefore: committed.trimmedBefore });
    if (problem !== undefined) this.#record.broken(problem.invariant, problem.expected, problem.seen);
    for (const { replicaId } of replicas) checkStart(this.#record, replicaId);
  }
}
