import { unreachable } from "../../base/assert.js";
import type { ReplicaSetId } from "../../base/ids.js";
import type { AssignmentStrategy } from "../../cluster/group-info.js";
import { assignEvenly } from "./assign-evenly.js";
import { assignRanges } from "./assign-ranges.js";

/** Members that want the same topics. */
export interface MemberClass {
  /** In their `order`, so that equal input gives equal output. */
  readonly members: readonly string[];
  /** Places in `AssignmentInput.topics`. */
  readonly topics: readonly number[];
}

export interface AssignmentInput {
  readonly classes: readonly MemberClass[];
  /** The partitions of each topic, in order. */
  readonly topics: readonly (readonly ReplicaSetId[])[];
  /** What members are sorted by. */
  readonly order: (memberId: string) => string;
  /** Who has a partition, or is about to; whoever is no member or does not want it (any more) counts as nobody. */
  readonly owner: (id: ReplicaSetId) => string | undefined;
}

/** Who shall own each partition. Those that nobody wants are not in it. */
export type Target = Map<ReplicaSetId, string>;

/** A calculation in slices: it yields every few milliseconds, so that its user may let others have a turn. */
export type Sliced<T> = Generator<void, T, void>;

/** Shares partitions out. Pure: equal input gives an equal target, and a target that was reached stays as it is. */
export function assign(strategy: AssignmentStrategy, input: AssignmentInput): Sliced<Target> {
  switch (strategy) {
    case "range":
      return assignRanges(input);
    case "uniform":
      return assignEvenly(input, { tolerance: 0 });
    case "sticky":
      return assignEvenly(input, { tolerance: 1.5 });
    default:
      return unreachable(strategy);
  }
}
