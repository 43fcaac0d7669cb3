/** The cluster view as messages. */
import { limits } from "../base/limits.js";
import type { BrokerInfo, ClusterView, PartitionInfo, TopicInfo } from "../cluster/view.js";
import {
  type BrokerMetadata,
  type ClientLimits,
  type DescribeClusterResponse,
  FlushMode,
  type MetadataMessage,
  type PartitionMessage,
  type PartitionMetadata,
  type TopicMessage,
  type TopicMetadata,
  type TopicPartitionsMetadata,
  type WatchMetadataResponse,
} from "../wire/admin-messages.js";
import type { Init } from "../wire/messages.js";
import type { EdgeLimits } from "./edge.js";

export const brokerMetadata = (view: ClusterView): BrokerMetadata[] =>
  view.brokers().map(({ nodeId, address, rack }) => ({ nodeId, address, rack, alive: view.isAlive(nodeId) }));

export const topicMetadata = (view: ClusterView, topic: TopicInfo): TopicMetadata => ({
  name: topic.name,
  topicId: topic.topicId,
  partitions: topic.assignments.map((partition) => partitionMetadata(view, partition)),
  batchBytesMax: topic.settings.batchBytesMax,
});

const partitionMetadata = (view: ClusterView, partition: PartitionInfo): PartitionMetadata & PartitionMessage => {
  const leader = view.leader(partition.replicaSetId);
  return {
    partition: partition.partition,
    leaderNodeId: leader?.nodeId ?? 0,
    term: leader?.term ?? 0,
    replicaNodeIds: partition.replicas.map(({ nodeId }) => nodeId),
  };
};

/** Names none means all; names that do not exist are left out. */
export function metadata(view: ClusterView, topics: readonly TopicInfo[], edgeLimits: EdgeLimits): MetadataMessage {
  return {
    clusterId: view.clusterId,
    controllerNodeId: view.controller ?? 0,
    brokers: brokerMetadata(view),
    topics: topics.map((topic) => topicMetadata(view, topic)),
    limits: clientLimits(edgeLimits),
    answeredByNodeId: view.self,
  };
}

/** What to tell of: topics by name, gone ones too, and single partitions of others. */
export interface ToTell {
  readonly topics: Iterable<string>;
  /** Partitions, by topic, that have another leader. */
  readonly leaders: Iterable<readonly [topic: string, partitions: readonly number[]]>;
  readonly brokers: boolean;
}

/** All of it as it is now. */
export function metadataDelta(view: ClusterView, told: ToTell): { message: Init<WatchMetadataResponse>; partitions: number } {
  const topics: TopicMetadata[] = [];
  const deletedTopics: string[] = [];
  const partitions: TopicPartitionsMetadata[] = [];
  let size = 0;
  for (const name of told.topics) {
    const topic = view.topic(name);
    if (topic === undefined) deletedTopics.push(name);
    else topics.push(topicMetadata(view, topic));
    size += topic?.partitions ?? 1;
  }
  for (const [name, numbers] of told.leaders) {
    const topic = view.topic(name);
    if (topic === undefined) continue;
    const changed = numbers.flatMap((partition) => topic.assignments[partition] ?? []);
    partitions.push({ topic: name, topicId: topic.topicId, partitions: changed.map((partition) => partitionMetadata(view, partition)) });
    size += changed.length;
  }
  const brokers = told.brokers ? brokerMetadata(view) : [];
  return { message: { change: "delta", delta: { brokers, topics, deletedTopics, controllerNodeId: view.controller ?? 0, partitions } }, partitions: size };
}

/** These topics as a snapshot, and the names of those that begin beyond `partitionsMax` partitions. */
export function metadataSnapshot(
  view: ClusterView,
  topics: readonly TopicInfo[],
  { limits: edgeLimits, partitionsMax }: { readonly limits: EdgeLimits; readonly partitionsMax: number },
): { message: Init<WatchMetadataResponse>; partitions: number; rest: readonly string[] } {
  const first: TopicInfo[] = [];
  const rest: string[] = [];
  let partitions = 0;
  for (const topic of topics) {
    partitions += topic.partitions;
    if (first.length === 0 || partitions <= partitionsMax) first.push(topic);
    else rest.push(topic.name);
  }
  return { message: { change: "snapshot", snapshot: metadata(view, first, edgeLimits) }, partitions, rest };
}

const clientLimits = ({ recordBytesMax, batchBytesMax }: EdgeLimits): ClientLimits => ({ recordBytesMax, batchBytesMax, requestBytesMax: limits.requestBytes });

export const topicMessage = (view: ClusterView, topic: TopicInfo): TopicMessage => ({
  name: topic.name,
  topicId: topic.topicId,
  partitions: topic.partitions,
  replicas: topic.replicas,
  writeQuorum: topic.writeQuorum,
  readQuorum: topic.readQuorum,
  settings: { ...topic.settings, flushMode: topic.settings.flush === "interval" ? FlushMode.interval : FlushMode.batch },
  createdMs: topic.createdMs,
  version: topic.version,
  partitionStates: topic.assignments.map((partition) => partitionMetadata(view, partition)),
});

export function describeCluster(view: ClusterView): DescribeClusterResponse {
  const partitions = view.topics().flatMap(({ assignments }) => assignments);
  const replicas = new Map<number, number>();
  const leaders = new Map<number, number>();
  let leaderless = 0;
  let underReplicated = 0;
  for (const partition of partitions) {
    for (const { nodeId } of partition.replicas) replicas.set(nodeId, (replicas.get(nodeId) ?? 0) + 1);
    const leader = view.leader(partition.replicaSetId);
    if (leader === undefined) leaderless += 1;
    else leaders.set(leader.nodeId, (leaders.get(leader.nodeId) ?? 0) + 1);
    if (partition.replicas.some(({ nodeId }) => !view.isAlive(nodeId))) underReplicated += 1;
  }
  const describe = ({ nodeId, address, peerAddress, rack, incarnation }: BrokerInfo) => ({
    nodeId,
    address,
    peerAddress,
    rack,
    alive: view.isAlive(nodeId),
    incarnation,
    replicas: replicas.get(nodeId) ?? 0,
    leaders: leaders.get(nodeId) ?? 0,
  });
  return {
    clusterId: view.clusterId,
    controllerNodeId: view.controller ?? 0,
    brokers: view.brokers().map(describe),
    topics: view.topics().length,
    partitions: partitions.length,
    leaderlessPartitions: leaderless,
    underReplicatedPartitions: underReplicated,
  };
}
