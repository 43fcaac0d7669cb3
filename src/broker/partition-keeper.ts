import { QuireError } from "../base/errors.js";
import { type NodeId, type Offset, offset, type ReplicaSetId } from "../base/ids.js";
import { leaderUnknown, metadataNotRead, notLeader, partitionNotFound, topicNotFound } from "../base/refusals.js";
import type { ClusterView, PartitionInfo, TopicInfo, TopicPartition } from "../cluster/view.js";
import type { LeaderHint, Replica } from "../replica/types.js";

/** A partition that this broker leads and may serve. */
export interface ServedPartition {
  readonly topic: TopicInfo;
  readonly replica: Replica;
}

/**
 * Finds the replica behind a topic's partition, and says where to go when it is not here. The only place that decides
 * whether this broker may answer for a partition.
 */
export class PartitionKeeper {
  readonly #view: ClusterView;
  readonly #replicaOf: (id: ReplicaSetId) => Replica | undefined;
  #closed: QuireError | undefined;

  constructor(view: ClusterView, replicaOf: (id: ReplicaSetId) => Replica | undefined) {
    this.#view = view;
    this.#replicaOf = replicaOf;
  }

  get self(): NodeId {
    return this.#view.self;
  }

  /** From now on every partition is refused. */
  close(why: QuireError): void {
    this.#closed = why;
  }

  /** Whether this replica is (still) the one this broker runs of its set, and may be asked at all. */
  runs(replica: Replica): boolean {
    return this.#closed === undefined && this.#replicaOf(replica.replicaSetId) === replica;
  }

  /**
   * What this broker leads, and may write to: a leader appends from its first moment on, and acknowledges what commits.
   *
   * @throws QuireError NOT_READY, TOPIC_NOT_FOUND, PARTITION_NOT_FOUND, NOT_LEADER, LEADER_UNKNOWN, REPLICA_FAILED, SHUTTING_DOWN
   */
  leading(at: TopicPartition): ServedPartition {
    if (this.#closed !== undefined) throw this.#closed;
    const topic = this.#topic(at);
    const partition = topic.assignments[at.partition];
    if (partition === undefined) throw partitionNotFound(at.topic, at.partition, topic.partitions);
    const replica = this.#replicaOf(partition.replicaSetId);
    if (replica?.failure !== undefined) {
      throw new QuireError(
        "REPLICA_FAILED",
        `the replica of ${name(at)} on broker ${this.#view.self} has stopped: ${replica.failure.message}; another replica takes over`,
        {
          details: this.#details(at),
          cause: replica.failure,
        },
      );
    }
    if (replica === undefined || replica.role !== "leader") throw this.#notLeader(at, partition, replica);
    return { topic, replica };
  }

  /** The same, and may read from: an entry of its own term has committed. @throws QuireError as `leading`, and NOT_READY before that */
  serving(at: TopicPartition): ServedPartition {
    const { topic, replica } = this.leading(at);
    if (!replica.serving) {
      throw new QuireError(
        "NOT_READY",
        `broker ${this.#view.self} was just elected leader of ${name(at)} and is not confirmed by its quorum yet; try again in a moment`,
        {
          details: { ...this.#details(at), term: replica.term },
          retryAfterMs: 20,
        },
      );
    }
    return { topic, replica };
  }

  /** An error of a replica, which knows no addresses, as the user should see it: with the way to the leader. */
  explain(at: TopicPartition, error: Error): Error {
    if (!(error instanceof QuireError) || (error.reason !== "NOT_LEADER" && error.reason !== "LEADER_UNKNOWN")) return error;
    const partition = this.#view.partition(at);
    if (partition === undefined) return error;
    return this.#notLeader(at, partition, this.#replicaOf(partition.replicaSetId), error);
  }

  #topic(at: TopicPartition): TopicInfo {
    const topic = this.#view.topic(at.topic);
    if (topic !== undefined) return topic;
    throw this.#view.ready ? topicNotFound(at.topic) : metadataNotRead(this.#view.self);
  }

  #notLeader(at: TopicPartition, partition: PartitionInfo, replica: Replica | undefined, cause?: Error): QuireError {
    const leader = this.#bestHint(partition.replicaSetId, replica);
    const broker = leader === undefined ? undefined : this.#view.broker(leader.nodeId);
    if (leader === undefined || broker === undefined || leader.nodeId === this.#view.self || !this.#view.isAlive(leader.nodeId)) {
      return leaderUnknown(this.#view.self, name(at), { details: this.#details(at), cause });
    }
    return notLeader(this.#view.self, name(at), { ...leader, address: broker.address }, { details: this.#details(at), cause });
  }

  #bestHint(id: ReplicaSetId, replica: Replica | undefined): LeaderHint | undefined {
    const told = this.#view.leader(id);
    const own = replica?.leader ?? undefined;
    if (told === undefined || own === undefined) return told ?? own;
    return own.term > told.term ? own : told;
  }

  #details(at: TopicPartition): Record<string, string | number> {
    return { topic: at.topic, partition: at.partition };
  }
}

const name = (at: TopicPartition): string => `${at.topic}/${at.partition}`;

/** First offset readers may ask for: what was not trimmed and is still in the log. */
export const earliestOffset = (replica: Replica): Offset => offset(Math.max(replica.logStartOffset, replica.log.startOffset));
