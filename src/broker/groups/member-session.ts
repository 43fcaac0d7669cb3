import type { QuireError } from "../../base/errors.js";
import type { ReplicaSetId } from "../../base/ids.js";
import type { AssignmentStrategy } from "../../cluster/group-info.js";
import type { TopicPartition } from "../../cluster/view.js";

/** A partition in a member's hands, as members name it. */
export interface Owned extends TopicPartition {
  readonly generation: number;
}

/** The way to a member, as long as it stands. */
export interface MemberStream {
  /** Where the member speaks from. */
  readonly address: string;
  entered(terms: { readonly sessionTimeoutMs: number; readonly strategy: AssignmentStrategy }): void;
  /** The newest one counts: others that were not sent yet may be left out. */
  assign(version: number, partitions: readonly Owned[]): void;
  /** With OK when there is no error. The stream tells nothing more after this. */
  end(error?: QuireError): void;
}

/** What the coordinator knows of a member beyond the metadata: where it is, when it was heard, and what it may be working on. */
export class MemberSession {
  readonly timeoutMs: number;
  heardMs: number;
  stream: MemberStream | undefined;
  /** It said so itself: nothing was wrong. */
  hasLeft = false;
  /** Of the newest assignment on this stream. */
  #version = 0;
  #told: ReadonlyMap<ReplicaSetId, number> = new Map();
  /** What it may be working on, and since which assignment it shall not; 0 when it shall. Undefined before its first stream here: then it may be anything. */
  #hands: Map<ReplicaSetId, number> | undefined;

  constructor(timeoutMs: number, nowMs: number) {
    this.timeoutMs = timeoutMs;
    this.heardMs = nowMs;
  }

  get dueMs(): number {
    return this.heardMs + this.timeoutMs;
  }

  /** A stream begins, and says what the member holds from earlier ones. */
  attach(stream: MemberStream, holding: Iterable<ReplicaSetId>, nowMs: number): void {
    this.stream = stream;
    this.hasLeft = false;
    this.heardMs = nowMs;
    this.#version = 0;
    this.#told = new Map();
    this.#hands = new Map([...holding].map((id) => [id, 0]));
  }

  /** The stream is gone. What the member has in hands it may work on all the same. */
  detach(): void {
    this.stream = undefined;
  }

  /** Whether the member may be at work on a partition. What it was never told of on this stream, and did not bring along, it is not. */
  mayHold(id: ReplicaSetId): boolean {
    return this.#hands === undefined || this.#hands.has(id);
  }

  /** What it shall own, with generations; told when it differs from what it was told last, and first in any case. */
  tell(wanted: ReadonlyMap<ReplicaSetId, number>, nameOf: (id: ReplicaSetId) => TopicPartition | undefined): void {
    if (this.stream === undefined || this.#hands === undefined || (this.#version > 0 && areEqual(wanted, this.#told))) return;
    this.#version += 1;
    this.#told = wanted;
    for (const [id, since] of this.#hands) if (since === 0 && !wanted.has(id)) this.#hands.set(id, this.#version);
    const partitions: Owned[] = [];
    for (const [id, generation] of wanted) {
      this.#hands.set(id, 0);
      const at = nameOf(id);
      if (at !== undefined) partitions.push({ ...at, generation });
    }
    this.stream.assign(this.#version, partitions);
  }

  /** What it says to hold, knowing the assignment of `version`: of what it shall not hold by then, the rest is given back. */
  holds(version: number, holding: ReadonlySet<ReplicaSetId>): void {
    for (const [id, since] of this.#hands ?? []) if (since > 0 && since <= version && !holding.has(id)) this.#hands?.delete(id);
  }
}

function areEqual(a: ReadonlyMap<ReplicaSetId, number>, b: ReadonlyMap<ReplicaSetId, number>): boolean {
  if (a.size !== b.size) return false;
  for (const [id, generation] of a) if (b.get(id) !== generation) return false;
  return true;
}
