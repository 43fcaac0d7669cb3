/** A replica set told by hand, for the tests of the partition checker: three replicas, W=2 and R=2, until a test says otherwise. */
import { EntryKind, type EntryKindCode } from "../../../src/base/entry-kind.js";
import { logIndex, nodeId, offset, replicaId, term } from "../../../src/base/ids.js";
import type { Configuration, LogPosition, Message, QuorumSet } from "../../../src/consensus/types.js";
import type { EntryFacts, FinalReplica, ReplicaView } from "./observations.js";
import { PartitionChecker } from "./partition-checker.js";
import type { RecordOptions } from "./replica-set-record.js";

const membersOf = (ids: readonly number[]): QuorumSet["voters"] => ids.map((id) => ({ replicaId: replicaId(id), nodeId: nodeId(id) }));
export const quorumSet = (ids: readonly number[], w: number, r: number): QuorumSet => ({ voters: membersOf(ids), w, r });
export const configuration = (ids: readonly number[] = [1, 2, 3], w = 2, r = 2): Configuration => ({ ...quorumSet(ids, w, r), learners: [] });

export const at = (index: number, inTerm: number): LogPosition => ({ index: logIndex(index), term: term(inTerm) });

interface EntrySketch {
  readonly kind?: EntryKindCode;
  readonly digest?: number;
  readonly trimsBefore?: number;
  /** Default: one record per entry, from the first one on. */
  readonly endOffset?: number;
}

export function entry(
  index: number,
  inTerm: number,
  { kind = EntryKind.records, digest = 1_000 * inTerm + index, trimsBefore, endOffset = index }: EntrySketch = {},
): EntryFacts {
  const isRecords = kind === EntryKind.records;
  return {
    ...at(index, inTerm),
    kind,
    baseOffset: offset(isRecords ? endOffset - 1 : endOffset),
    endOffset: offset(endOffset),
    digest,
    bodyCrc32: digest + 1,
    ...(trimsBefore !== undefined && { trimsBefore: offset(trimsBefore) }),
  };
}

/** Numbers of a view; the high watermark follows from `applied`, and `applied` from `commit`, unless they are given. */
export interface Sketch {
  readonly role?: ReplicaView["role"];
  readonly term?: number;
  readonly commit?: number;
  readonly applied?: number;
  readonly highWatermark?: number;
  readonly serving?: boolean;
  readonly configuration?: Configuration;
  readonly matches?: Readonly<Record<number, number>>;
}

export function view(id: number, sketch: Sketch = {}): ReplicaView {
  const { role = "follower", term: inTerm = 1, commit = 0, applied = commit, highWatermark = applied, serving = false, matches = {} } = sketch;
  return {
    replicaId: replicaId(id),
    role,
    term: term(inTerm),
    commitIndex: logIndex(commit),
    appliedIndex: logIndex(applied),
    highWatermark: offset(highWatermark),
    serving,
    configuration: sketch.configuration ?? configuration(),
    matchOf: (other) => logIndex(matches[other] ?? 0),
  };
}

export class Scene {
  readonly checker: PartitionChecker;

  constructor(options: Partial<RecordOptions> = {}) {
    this.checker = new PartitionChecker({ name: "orders/0", now: () => 0, cutPolicy: "records", isSyncDeferred: false, ...options });
    for (const id of [1, 2, 3]) this.begin(id);
  }

  begin(
    id: number,
    found: {
      start?: LogPosition;
      last?: number;
      terms?: readonly (readonly [number, number])[];
      isInDoubt?: boolean;
      vote?: readonly [number, number | null];
    } = {},
  ): void {
    const { start = at(0, 0), last = 0, terms = [], isInDoubt = false, vote } = found;
    const hardState = vote && { hardState: this.#hardState(...vote) };
    const termRuns = terms.map(([first, inTerm]) => ({ first: logIndex(first), term: term(inTerm) }));
    this.checker.begins(replicaId(id), { start, lastIndex: logIndex(last), termRuns, isInDoubt, ...hardState });
  }

  append(id: number, ...entries: EntryFacts[]): void {
    this.checker.appended(replicaId(id), entries);
  }
  sync(id: number, index: number, inTerm: number): void {
    this.checker.synced(replicaId(id), at(index, inTerm));
  }
  save(id: number, inTerm: number, votedFor: number | null): void {
    this.checker.saved(replicaId(id), this.#hardState(inTerm, votedFor));
  }
  say(id: number, to: number, message: Message): void {
    this.checker.says(replicaId(id), replicaId(to), message);
  }
  look(id: number, sketch: Sketch): void {
    this.checker.look(view(id, sketch));
  }

  /** The same entries on the disks of several replicas. */
  write(ids: readonly number[], ...entries: EntryFacts[]): void {
    const last = entries.at(-1);
    for (const id of ids) {
      this.append(id, ...entries);
      if (last !== undefined) this.sync(id, last.index, last.term);
    }
  }

  /** Replica 1 leads term 1 and committed entries 1 to `count`, which replicas 1 and 2 have on disk. */
  static led(count: number, options: Partial<RecordOptions> = {}): Scene {
    const scene = new Scene(options);
    scene.look(1, { role: "leader" });
    scene.write([1, 2], ...Array.from({ length: count }, (_, before) => entry(before + 1, 1)));
    scene.look(1, { role: "leader", commit: count, serving: true });
    return scene;
  }

  #hardState(inTerm: number, votedFor: number | null): { term: ReturnType<typeof term>; votedFor: ReturnType<typeof replicaId> | null } {
    return { term: term(inTerm), votedFor: votedFor === null ? null : replicaId(votedFor) };
  }
}

export const acknowledges = (match: number, inTerm: number): Message => ({ kind: "append-reply", term: term(inTerm), match: logIndex(match), round: 0 });

/** A replica at rest with these entries, all of them committed and applied. */
export function resting(id: number, entries: readonly EntryFacts[], sketch: Sketch & Partial<Pick<FinalReplica, "isInDoubt" | "failure">> = {}): FinalReplica {
  const last = entries.at(-1)?.index ?? logIndex(0);
  const { isInDoubt = false, failure, ...rest } = sketch;
  return { ...view(id, { commit: last, ...rest }), lastIndex: last, start: at(0, 0), entries, isInDoubt, failure };
}
