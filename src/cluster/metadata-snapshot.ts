import { QuireError } from "../base/errors.js";
import type { NodeId, ReplicaId, ReplicaSetId } from "../base/ids.js";
import type { Member, QuorumSet } from "../replica/types.js";
import { ConsumerGroups } from "./consumer-groups.js";
import { type GroupsRows, groupsOf, groupsRows } from "./group-rows.js";
import type { BrokerState, MetadataTables, PartitionState, TopicState } from "./metadata-state.js";
import { ProducerNames } from "./producer-names.js";
import type { TopicSettings } from "./view.js";

const VERSION = 1;

/** replicaId, nodeId, replicaId, nodeId, … */
type MembersRow = readonly number[];
/** Replica set, replicas, and the initial set where it differs from what is wanted now: W, R, members. */
type PartitionRow = readonly [ReplicaSetId, MembersRow] | readonly [ReplicaSetId, MembersRow, number, number, MembersRow];
interface TopicRow extends Omit<TopicState, "assignments" | "partitions"> {
  readonly settings: TopicSettings;
  readonly rows: readonly PartitionRow[];
}
interface Snapshot {
  readonly version: number;
  readonly clusterId: string;
  readonly nextReplicaId: number;
  readonly nextReplicaSetId: number;
  readonly brokers: readonly BrokerState[];
  readonly retired: readonly (readonly [string, NodeId])[];
  readonly topics: readonly TopicRow[];
  /** The next producer id, and each named producer: name, id, epoch. Absent in snapshots from before there were any. */
  readonly producers?: readonly [nextId: number, named: readonly (readonly [string, number, number])[]];
  /** Absent in snapshots from before there were any. */
  readonly groups?: GroupsRows;
}

/** The metadata as bytes: JSON, with a short row for each partition, since there may be many. */
export function encodeState(clusterId: string, tables: MetadataTables): Buffer {
  const snapshot: Snapshot = {
    version: VERSION,
    clusterId,
    nextReplicaId: tables.nextReplicaId,
    nextReplicaSetId: tables.nextReplicaSetId,
    brokers: [...tables.brokers.values()],
    retired: [...tables.retired],
    topics: [...tables.topics.values()].map(({ assignments, partitions: _, ...topic }) => ({
      ...topic,
      rows: assignments.map((partition) => partitionRow(partition, topic)),
    })),
    producers: [tables.producers.nextId, [...tables.producers.named()].map(([name, { producerId, epoch }]) => [name, producerId, epoch])],
    groups: groupsRows(tables.groups),
  };
  return Buffer.from(JSON.stringify(snapshot));
}

/** @throws QuireError UNSUPPORTED, CLUSTER_MISMATCH */
export function decodeState(clusterId: string, bytes: Buffer): MetadataTables {
  const snapshot = JSON.parse(bytes.toString()) as Snapshot;
  if (snapshot.version !== VERSION) {
    throw new QuireError(
      "UNSUPPORTED",
      `the snapshot of the cluster metadata has version ${snapshot.version}; this broker knows ${VERSION}: upgrade this broker`,
    );
  }
  if (snapshot.clusterId !== clusterId)
    throw new QuireError("CLUSTER_MISMATCH", `the snapshot of the metadata is of cluster ${snapshot.clusterId}, not of ${clusterId}`);
  return {
    nextReplicaId: snapshot.nextReplicaId,
    nextReplicaSetId: snapshot.nextReplicaSetId,
    brokers: new Map(snapshot.brokers.map((broker) => [broker.nodeId, broker])),
    retired: new Map(snapshot.retired),
    topics: new Map(snapshot.topics.map((row) => [row.name, topicOf(row)])),
    producers: producersOf(snapshot.producers),
    groups: snapshot.groups === undefined ? new ConsumerGroups() : new ConsumerGroups(snapshot.groups[0], groupsOf(snapshot.groups[1])),
  };
}

function producersOf([nextId, named]: NonNullable<Snapshot["producers"]> = [1, []]): ProducerNames {
  return new ProducerNames(
    nextId,
    named.map(([name, producerId, epoch]) => [name, { producerId, epoch }]),
  );
}

function partitionRow(
  { replicaSetId, replicas, initial }: PartitionState,
  { writeQuorum, readQuorum }: { writeQuorum: number; readQuorum: number },
): PartitionRow {
  const now = membersRow(replicas);
  const first = membersRow(initial.voters);
  const same = initial.w === writeQuorum && initial.r === readQuorum && now.length === first.length && now.every((id, at) => id === first[at]);
  return same ? [replicaSetId, now] : [replicaSetId, now, initial.w, initial.r, first];
}

function topicOf({ rows, ...topic }: TopicRow): TopicState {
  const assignments = rows.map((row, partition): PartitionState => {
    const replicas = members(row[1]);
    const initial: QuorumSet =
      row.length === 2 ? { voters: replicas, w: topic.writeQuorum, r: topic.readQuorum } : { voters: members(row[4]), w: row[2], r: row[3] };
    return { partition, replicaSetId: row[0], replicas, initial };
  });
  return { ...topic, partitions: assignments.length, assignments };
}

const membersRow = (list: readonly Member[]): MembersRow => list.flatMap(({ replicaId, nodeId }) => [replicaId, nodeId]);

function members(row: MembersRow): Member[] {
  const list: Member[] = [];
  for (let at = 0; at + 1 < row.length; at += 2) list.push({ replicaId: row[at] as ReplicaId, nodeId: row[at + 1] as NodeId });
  return list;
}
