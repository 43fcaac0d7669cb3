import type { Offset, ReplicaId, Term } from "../../../src/base/ids.js";
import type { LogPosition } from "../../../src/consensus/types.js";
import { CommittedLog } from "./committed-log.js";
import { KnownEntries } from "./known-entries.js";
import type { Acknowledgement } from "./observations.js";
import type { TrackedReplica } from "./tracked-replica.js";
import { Recent, Violation } from "./violation.js";

export interface RecordOptions {
  /** Names the partition in reports. */
  readonly name: string;
  /** Simulated milliseconds, for reports. */
  readonly now: () => number;
  /** `records`: a log's beginning goes only where a trim was committed. `state`: wherever a snapshot covers it. */
  readonly cutPolicy: "records" | "state";
  /** Acknowledged before it is synced, by the user's choice: then disks promise nothing at commit. */
  readonly isSyncDeferred: boolean;
}

interface Noted {
  readonly at: number;
  readonly replica: ReplicaId;
  readonly what: string;
  readonly values: readonly (number | string)[];
}

/** Observations that a report may show, besides a line per replica. */
const RECENT_MAX = 32;

export const show = ({ index, term }: LogPosition): string => `${index}/${term}`;

/** All that was observed of a replica set, as far as the rules need it, and the first rule that was broken. */
export class ReplicaSetRecord {
  readonly options: RecordOptions;
  readonly replicas = new Map<ReplicaId, TrackedReplica>();
  /** Replicas that were lost with their disks, and the last that each had acknowledged: leaders may count that until they hear of the loss. */
  readonly lost = new Map<ReplicaId, LogPosition>();
  /** Replicas that were removed. */
  readonly removed = new Set<ReplicaId>();
  readonly known = new KnownEntries();
  readonly committed = new CommittedLog();
  readonly leaders = new Map<Term, { readonly replica: ReplicaId; readonly life: number }>();
  /** The highest high watermark that anybody showed in a term. */
  readonly highWatermarks = new Map<Term, Offset>();
  /** Every acknowledgement ever sent. */
  readonly ghosts: Acknowledgement[] = [];
  /** Whether anybody tells what replicas acknowledge; without that, what leaders count cannot be checked. */
  hearsAcknowledgements = false;
  readonly #recent = new Recent<Noted>(RECENT_MAX);
  #violation: Violation | undefined;

  constructor(options: RecordOptions) {
    this.options = options;
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  replica(id: ReplicaId): TrackedReplica {
    const found = this.replicas.get(id);
    if (found === undefined) throw new Error(`replica ${id} of ${this.options.name} was never told to begin`);
    return found;
  }

  note(replica: ReplicaId, what: string, ...values: (number | string)[]): void {
    this.#recent.add({ at: this.options.now(), replica, what, values });
  }

  broken(invariant: string, expected: string, seen: string): void {
    if (this.#violation !== undefined) return;
    const noted = this.#recent.list().map(({ at, replica, what, values }) => `${at.toFixed(1)} replica ${replica} ${what} ${values.join(", ")}`);
    const states = [...this.replicas.values()].map((replica) => replica.describe());
    this.#violation = new Violation({ invariant, subject: this.options.name, expected, seen, evidence: [...noted, ...states] });
  }

  /** What no log holds any more need not be remembered. */
  forgetDropped(): void {
    let lowest = this.committed.last.index;
    for (const { log } of this.replicas.values()) if (log.start.index < lowest) lowest = log.start.index;
    if (lowest <= this.known.first) return;
    this.committed.forgetBelow(lowest, this.known);
    this.known.forgetBelow(lowest);
  }
}
