import { indexPlus, type LogIndex, logIndex, type Offset, type ReplicaId, type Term, term } from "../../../src/base/ids.js";
import type { Configuration, HardState, LogPosition, Role } from "../../../src/consensus/types.js";
import type { FoundReplica, ReplicaView } from "./observations.js";
import { ReplicaLog } from "./replica-log.js";

/** What the last look at a running replica showed. */
export interface Seen {
  readonly role: Role;
  readonly term: Term;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly highWatermark: Offset;
  readonly serving: boolean;
  readonly configuration: Configuration;
}

/** What is known of one replica: its log as its process has it, and what its disk has promised to keep. */
export class TrackedReplica {
  readonly id: ReplicaId;
  /** How many times its process began. */
  life = 0;
  log: ReplicaLog;
  /** The disk holds the log through here. */
  synced: LogPosition;
  hardState: HardState | undefined;
  /** Log indexes of the snapshots on disk; undefined while nobody tells of them. */
  snapshots: readonly LogIndex[] | undefined;
  /** Before its disk was damaged it held so much: a leader may still count what it then acknowledged. */
  heldBeforeDamage: LogIndex | undefined;
  /** Undefined while it is down, and before the first look. */
  seen: Seen | undefined;
  /** The highest position that it acknowledged, and in which term. */
  acknowledged: LogPosition = { index: logIndex(0), term: term(0) };

  constructor(id: ReplicaId, found: FoundReplica) {
    this.id = id;
    this.log = new ReplicaLog(found);
    this.synced = this.log.last;
  }

  isAsSeen({ role, term: inTerm, commitIndex, appliedIndex, highWatermark, serving, configuration }: ReplicaView): boolean {
    const { seen } = this;
    return (
      seen !== undefined &&
      seen.commit === commitIndex &&
      seen.applied === appliedIndex &&
      seen.term === inTerm &&
      seen.role === role &&
      seen.serving === serving &&
      seen.highWatermark === highWatermark &&
      seen.configuration === configuration
    );
  }

  /** Whether the disk holds the entry, or a snapshot that covers it. */
  hasOnDisk(at: LogPosition): boolean {
    return this.log.start.index > at.index || (this.synced.index >= at.index && this.log.holds(at));
  }

  /** Whether the disk holds the entry, or did when it acknowledged it. */
  hadOnDisk(at: LogPosition): boolean {
    return this.hasOnDisk(at) || (this.heldBeforeDamage !== undefined && at.index <= this.heldBeforeDamage);
  }

  truncate(from: LogIndex): void {
    this.log.truncate(from);
    if (this.synced.index >= from) this.synced = { index: indexPlus(from, -1), term: this.log.termAt(indexPlus(from, -1)) ?? term(0) };
  }

  describe(): string {
    const { seen, log, synced, hardState, id } = this;
    const state =
      seen === undefined
        ? "down"
        : `${seen.role}${seen.serving ? " serving" : ""} term ${seen.term} commit ${seen.commit} applied ${seen.applied} high watermark ${seen.highWatermark}`;
    const saved = hardState === undefined ? "" : `, saved term ${hardState.term} vote ${hardState.votedFor}`;
    return `replica ${id}, life ${this.life}: ${state}, log ${log.start.index}/${log.start.term} to ${log.last.index}/${log.last.term}, on disk to ${synced.index}${saved}`;
  }
}
