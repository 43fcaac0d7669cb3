/**
 * What a broker knows of its cluster, read by the data plane and the gRPC edges: topics and brokers from the
 * replicated metadata, leaders from what leaders tell (soft state: the highest term wins).
 */
import type { NodeId, ReplicaId, ReplicaSetId, Term } from "../base/ids.js";

export interface BrokerInfo {
  readonly nodeId: NodeId;
  readonly incarnation: string;
  /** `host:port` that clients use. */
  readonly address: string;
  /** `host:port` that brokers use among themselves. */
  readonly peerAddress: string;
  /** Empty when none was given. */
  readonly rack: string;
}

export interface TopicSettings {
  /** 0 keeps forever. */
  readonly retentionMs: number;
  /** Per partition; 0 keeps forever. */
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  /** `batch`: fsync before acknowledgement (default). `interval`: deferred; what was acknowledged since the last sync can be lost with W brokers' power. */
  readonly flush: "batch" | "interval";
  readonly flushIntervalMs: number;
  /** Largest batch body this topic takes. */
  readonly batchBytesMax: number;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly readQuorum: number;
  readonly settings: TopicSettings;
}

export interface ReplicaAssignment {
  readonly replicaId: ReplicaId;
  readonly nodeId: NodeId;
}

export interface PartitionInfo {
  readonly partition: number;
  readonly replicaSetId: ReplicaSetId;
  /** Preferred leader first. */
  readonly replicas: readonly ReplicaAssignment[];
}

export interface TopicInfo extends TopicSpec {
  /** Never used again, unlike the name. */
  readonly topicId: string;
  readonly createdMs: number;
  /** Raised by every change of the topic. */
  readonly version: number;
  readonly assignments: readonly PartitionInfo[];
}

export interface PartitionLeader {
  readonly nodeId: NodeId;
  readonly term: Term;
}

/** One line of what a broker tells all others: that it leads a replica set in this term, or no longer does. */
export interface Leadership {
  readonly replicaSetId: ReplicaSetId;
  readonly term: Term;
  readonly leads: boolean;
}

/** Names one partition. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface ClusterView {
  readonly clusterId: string;
  readonly self: NodeId;
  /** Rises with every change of topics, brokers or leaders as seen here. */
  readonly version: number;
  /** The leader of the cluster metadata, if known. */
  readonly controller: NodeId | undefined;
  /** Whether the metadata log was replayed here since the start. */
  readonly ready: boolean;
  brokers(): readonly BrokerInfo[];
  broker(nodeId: NodeId): BrokerInfo | undefined;
  /** Whether both links to this broker stand; true for this broker itself. */
  isAlive(nodeId: NodeId): boolean;
  /** Sorted by name. */
  topics(): readonly TopicInfo[];
  topic(name: string): TopicInfo | undefined;
  partition(at: TopicPartition): PartitionInfo | undefined;
  partitionOf(replicaSetId: ReplicaSetId): { topic: TopicInfo; partition: PartitionInfo } | undefined;
  leader(replicaSetId: ReplicaSetId): PartitionLeader | undefined;
  /** Calls back, at most once per turn of the event loop, after changes; the returned function stops it. */
  watch(changed: () => void): () => void;
}

/** The control plane's verbs, decided by the controller. Any broker may be asked; it forwards. Every refusal is a QuireError. */
export interface ClusterAdmin {
  createTopic(spec: TopicRequest): Promise<TopicInfo>;
  /** Only the fields given change. W, R go through joint consensus; partitions may only grow. */
  updateTopic(name: string, change: TopicChange): Promise<TopicInfo>;
  deleteTopic(name: string): Promise<void>;
  transferLeader(at: TopicPartition, to: NodeId): Promise<void>;
  /**
   * Makes a broker known, tells its new addresses, or, for a known node id with another incarnation, replaces the broker
   * whose disk is gone: each of its replicas by a new one. Idempotent. @throws QuireError CONFLICT while the former lives
   */
  registerBroker(broker: BrokerInfo): Promise<BrokerRegistration>;
  /** So many producer ids in a row, which nobody gets again. */
  reserveProducerIds(count: number): Promise<ProducerInfo>;
  /** A named producer begins anew, and fences its former self: the id stays, the epochs rise. @throws QuireError INVALID_NAME, QUOTA_EXCEEDED */
  initProducer(name: string): Promise<ProducerInfo>;
}

/** Who an idempotent producer is. */
export interface ProducerInfo {
  /** Above 0. Of several in a row, the first. */
  readonly producerId: number;
  /** The first epoch of its own. */
  readonly epoch: number;
  /** How many epochs from there on are its own. */
  readonly epochs: number;
}

/** What a broker needs to know to begin its own copy of the cluster metadata. */
export interface BrokerRegistration {
  /** Its replica of replica set 0; the same for the same incarnation, always. */
  readonly metadataReplicaId: ReplicaId;
}

/** What a user asks for; what is left out takes the default (replicas: 3 or as many brokers as there are; W, R: majority). */
export interface TopicRequest {
  readonly name: string;
  readonly partitions?: number;
  readonly replicas?: number;
  readonly writeQuorum?: number;
  readonly readQuorum?: number;
  readonly settings?: Partial<TopicSettings>;
  /** Check everything, create nothing. */
  readonly validateOnly?: boolean;
}
export interface TopicChange {
  readonly partitions?: number;
  readonly writeQuorum?: number;
  readonly readQuorum?: number;
  readonly settings?: Partial<TopicSettings>;
}
