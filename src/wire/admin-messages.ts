/** Messages of quire/v1/admin.proto and quire/v1/cluster.proto; see messages.ts for how they map. */
import type { Empty } from "./messages.js";

// quire/v1/admin.proto

export const FlushMode = { unspecified: 0, batch: 1, interval: 2 } as const;

export interface TopicMessage {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly readQuorum: number;
  readonly settings: TopicSettingsMessage | null;
  readonly createdMs: number;
  readonly version: number;
  readonly partitionStates: readonly PartitionMessage[];
}
export interface TopicSettingsMessage {
  readonly retentionMs?: number;
  readonly retentionBytes?: number;
  readonly segmentBytes?: number;
  readonly segmentAgeMs?: number;
  /** One of `FlushMode`, or a number this version does not know. */
  readonly flushMode: number;
  readonly flushIntervalMs?: number;
  readonly batchBytesMax?: number;
}
export interface PartitionMessage {
  readonly partition: number;
  readonly replicaNodeIds: readonly number[];
  readonly leaderNodeId: number;
  readonly term: number;
}
/** `google.protobuf.FieldMask`; the paths are in snake_case, as in the `.proto`. */
export interface FieldMaskMessage {
  readonly paths: readonly string[];
}

export interface CreateTopicRequest {
  readonly topic: TopicMessage | null;
  readonly validateOnly: boolean;
}
export interface CreateTopicResponse {
  readonly topic: TopicMessage | null;
}
export interface GetTopicRequest {
  readonly name: string;
}
export interface GetTopicResponse {
  readonly topic: TopicMessage | null;
}
export interface ListTopicsRequest {
  readonly pageSize: number;
  readonly pageToken: string;
  readonly namePrefix: string;
}
export interface ListTopicsResponse {
  readonly topics: readonly TopicMessage[];
  readonly nextPageToken: string;
}
export interface UpdateTopicRequest {
  readonly topic: TopicMessage | null;
  readonly updateMask: FieldMaskMessage | null;
}
export interface UpdateTopicResponse {
  readonly topic: TopicMessage | null;
}
export interface DeleteTopicRequest {
  readonly name: string;
}
export interface TransferLeaderRequest {
  readonly topic: string;
  readonly partition: number;
  readonly nodeId: number;
}
export interface TrimRecordsRequest {
  readonly topic: string;
  readonly partition: number;
  readonly beforeOffset: number;
}
export interface TrimRecordsResponse {
  readonly logStartOffset: number;
}

// quire/v1/cluster.proto

export interface GetMetadataRequest {
  readonly topics: readonly string[];
}
export interface GetMetadataResponse {
  readonly metadata: MetadataMessage | null;
}
export interface MetadataMessage {
  readonly clusterId: string;
  readonly controllerNodeId: number;
  readonly brokers: readonly BrokerMetadata[];
  readonly topics: readonly TopicMetadata[];
  readonly limits: ClientLimits | null;
  readonly answeredByNodeId: number;
}
export interface ClientLimits {
  readonly recordBytesMax: number;
  readonly batchBytesMax: number;
  readonly requestBytesMax: number;
}
export interface BrokerMetadata {
  readonly nodeId: number;
  readonly address: string;
  readonly rack: string;
  readonly alive: boolean;
}
export interface TopicMetadata {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: readonly PartitionMetadata[];
  readonly batchBytesMax: number;
}
export interface PartitionMetadata {
  readonly partition: number;
  readonly leaderNodeId: number;
  readonly term: number;
  readonly replicaNodeIds: readonly number[];
}
export interface WatchMetadataRequest {
  readonly topics: readonly string[];
}
export type WatchMetadataResponse =
  | { readonly change: "snapshot"; readonly snapshot: MetadataMessage }
  | { readonly change: "delta"; readonly delta: MetadataDelta }
  | { readonly change: "heartbeat"; readonly heartbeat: Empty }
  | { readonly change?: undefined };
export interface MetadataDelta {
  readonly brokers: readonly BrokerMetadata[];
  readonly topics: readonly TopicMetadata[];
  readonly deletedTopics: readonly string[];
  readonly controllerNodeId: number;
  readonly partitions: readonly TopicPartitionsMetadata[];
}
/** Some partitions of a topic that is otherwise as it was. */
export interface TopicPartitionsMetadata {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: readonly PartitionMetadata[];
}
export interface DescribeClusterResponse {
  readonly clusterId: string;
  readonly controllerNodeId: number;
  readonly brokers: readonly BrokerDescription[];
  readonly topics: number;
  readonly partitions: number;
  readonly leaderlessPartitions: number;
  readonly underReplicatedPartitions: number;
}
export interface BrokerDescription {
  readonly nodeId: number;
  readonly address: string;
  readonly peerAddress: string;
  readonly rack: string;
  readonly alive: boolean;
  readonly incarnation: string;
  readonly replicas: number;
  readonly leaders: number;
}
