/** The verbs of consumer groups' progress, on the partitions that this broker leads, as the gRPC edges and the coordinator call them. */
import type { Offset, Term } from "../base/ids.js";
import type { TopicPartition } from "../cluster/view.js";

export interface ProgressCommit extends TopicPartition {
  readonly group: string;
  /** Who commits; empty for a reset: of a group without members, in its newest generation, and then the offset may go back. */
  readonly memberId: string;
  readonly generation: number;
  readonly offset: Offset;
}

export interface ProgressQuery extends TopicPartition {
  readonly group: string;
  /** The owner that begins; undefined to look only. */
  readonly owner: { readonly memberId: string; readonly generation: number } | undefined;
}

/** What a group has processed of a partition. */
export interface Progress {
  /** Undefined when nothing was ever committed. */
  readonly offset: Offset | undefined;
  /** Of the newest owner that was here; 0 for none. */
  readonly generation: number;
  readonly committedMs: number;
  readonly logStartOffset: Offset;
  readonly highWatermark: Offset;
  /** Age of the oldest record that is not processed. */
  readonly lagMs: number;
  /** Committed over the last half minute or so, as this leader saw it. */
  readonly recordsPerSecond: number;
  readonly term: Term;
}

export interface ProgressPlane {
  /**
   * Resolves, with what is committed now, when W replicas have it on disk. May be repeated.
   *
   * @throws QuireError STALE_GENERATION, PARTITION_NOT_OWNED, OFFSET_OUT_OF_RANGE, GROUP_NOT_FOUND, GROUP_NOT_EMPTY (a reset), QUOTA_EXCEEDED, THROTTLED; NOT_READY
   * (a generation that this broker has not heard of), QUORUM_UNAVAILABLE, WRITE_OUTCOME_UNKNOWN, and those of `PartitionKeeper`
   */
  commitProgress(commit: ProgressCommit): Promise<{ readonly offset: Offset; readonly term: Term }>;
  /** Linearizable. For an owner: its generation is on W disks before this resolves, and no older one commits after. @throws QuireError as `commitProgress` */
  progress(query: ProgressQuery): Promise<Progress>;
}
