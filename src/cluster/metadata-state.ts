import { unreachable } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { METADATA_REPLICA_SET, type NodeId, type ReplicaId, type ReplicaSetId, replicaId, replicaSetId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import { checkQuorum } from "../base/quorum.js";
import { topicNotFound } from "../base/refusals.js";
import type { Configuration, Member, QuorumSet } from "../replica/types.js";
import type { Command } from "./commands.js";
import { ConsumerGroups } from "./consumer-groups.js";
import type { GroupInfo } from "./group-info.js";
import { type FoundingRecord, metadataInitial } from "./membership.js";
import { decodeState, encodeState } from "./metadata-snapshot.js";
import { ProducerNames } from "./producer-names.js";
import type { BrokerInfo, BrokerRegistration, PartitionInfo, ProducerInfo, TopicInfo, TopicSpec } from "./view.js";

export interface BrokerState extends BrokerInfo {
  readonly metadataReplicaId: ReplicaId;
}

export interface PartitionState extends PartitionInfo {
  /** What every replica of the set begins from at log position (0, 0), late ones too; never changes. */
  readonly initial: QuorumSet;
}

export interface TopicState extends TopicInfo {
  readonly assignments: readonly PartitionState[];
}

/** Everything the metadata log has said so far. */
export interface MetadataTables {
  nextReplicaId: number;
  nextReplicaSetId: number;
  readonly brokers: Map<NodeId, BrokerState>;
  /** Incarnations whose disk was replaced, and the node id they had. They may never come back. */
  readonly retired: Map<string, NodeId>;
  readonly topics: Map<string, TopicState>;
  readonly producers: ProducerNames;
  readonly groups: ConsumerGroups;
}

/** What a change touched, so that nobody needs to look at everything. */
export interface MetadataChange {
  /** The state was replaced as a whole; `replicaSets` is empty then, and `groups` names those from before, too. */
  readonly all: boolean;
  readonly brokers: boolean;
  readonly replicaSets: readonly ReplicaSetId[];
  /** Names of consumer groups. */
  readonly groups: readonly string[];
}

export type CommandResult = BrokerRegistration | TopicState | ProducerInfo | GroupInfo | undefined;
interface Applied {
  readonly result: CommandResult;
  readonly change: MetadataChange;
}

const NOTHING: MetadataChange = { all: false, brokers: false, replicaSets: [], groups: [] };

/**
 * The cluster metadata: brokers, topics, assignments, counters. A state machine; equal founding record and equal
 * commands give equal states, on every broker.
 *
 * Ids come from counters that never go back, which gives two proofs from any prefix of the log: an id at or above its counter
 * may have been handed out later, so nothing is known about it; an id below it that is in no table is gone for ever.
 */
export class MetadataState {
  readonly founding: FoundingRecord;
  #tables: MetadataTables;
  /** Where each replica set is: topic's name and partition. */
  readonly #places = new Map<ReplicaSetId, { readonly topic: string; readonly partition: number }>();

  constructor(founding: FoundingRecord) {
    this.founding = founding;
    const brokers = founding.founders.map(({ replicaId: metadataReplicaId, ...broker }): [NodeId, BrokerState] => [
      broker.nodeId,
      { ...broker, metadataReplicaId },
    ]);
    this.#tables = {
      nextReplicaId: Math.max(...founding.founders.map((founder) => founder.replicaId)) + 1,
      nextReplicaSetId: METADATA_REPLICA_SET + 1,
      brokers: new Map(brokers),
      retired: new Map(),
      topics: new Map(),
      producers: new ProducerNames(),
      groups: new ConsumerGroups(),
    };
  }

  get brokers(): ReadonlyMap<NodeId, BrokerState> {
    return this.#tables.brokers;
  }

  get topics(): ReadonlyMap<string, TopicState> {
    return this.#tables.topics;
  }

  get groups(): ReadonlyMap<string, GroupInfo> {
    return this.#tables.groups.all();
  }

  /** The newest generation that any group ever got; 0 before any. */
  get newestGeneration(): number {
    return this.#tables.groups.nextGeneration - 1;
  }

  /** First epoch of a named producer's newest life; undefined for one without a name. */
  producerEpoch(producerId: number): number | undefined {
    return this.#tables.producers.epochOf(producerId);
  }

  isRetired(incarnation: string): boolean {
    return this.#tables.retired.has(incarnation);
  }

  partitionOf(id: ReplicaSetId): { readonly topic: TopicState; readonly partition: PartitionState } | undefined {
    const place = this.#places.get(id);
    const topic = place && this.#tables.topics.get(place.topic);
    const partition = place && topic?.assignments[place.partition];
    return topic && partition && { topic, partition };
  }

  /** Whether the set was deleted. False also for one of which this state has not heard yet: absence alone proves nothing. */
  isDeleted(id: ReplicaSetId): boolean {
    return id !== METADATA_REPLICA_SET && id < this.#tables.nextReplicaSetId && !this.#places.has(id);
  }

  /** Which members a replica set shall have. */
  wanted(id: ReplicaSetId): Omit<Configuration, "incoming"> | undefined {
    if (id === METADATA_REPLICA_SET) return this.#wantedMetadata();
    const found = this.partitionOf(id);
    if (found === undefined) return undefined;
    return { voters: found.partition.replicas, w: found.topic.writeQuorum, r: found.topic.readQuorum, learners: [] };
  }

  /** @throws QuireError when the command is refused; the state is then unchanged */
  apply(command: Command): Applied {
    switch (command.kind) {
      case "register-broker":
        return this.#registerBroker(command.broker);
      case "create-topic":
        return this.#createTopic(command);
      case "update-topic":
        return this.#updateTopic(command);
      case "delete-topic":
        return this.#deleteTopic(command.name);
      case "reserve-producer-ids":
        return { result: this.#tables.producers.reserve(command.count), change: NOTHING };
      case "init-producer":
        return { result: this.#tables.producers.begin(command.name), change: NOTHING };
      case "change-group": {
        const group = this.#tables.groups.change(command.change, (id) => this.#places.has(id));
        return { result: group, change: { ...NOTHING, groups: [group.name] } };
      }
      case "delete-group":
        this.#tables.groups.delete(command.name, command.expectedVersion);
        return { result: undefined, change: { ...NOTHING, groups: [command.name] } };
      default:
        return unreachable(command);
    }
  }

  snapshot(): Buffer {
    return encodeState(this.founding.clusterId, this.#tables);
  }

  /** @throws QuireError UNSUPPORTED for a newer format */
  restore(bytes: Buffer): void {
    this.#tables = decodeState(this.founding.clusterId, bytes);
    this.#places.clear();
    for (const topic of this.#tables.topics.values()) this.#place(topic);
  }

  /** Founders vote, whatever disk they have by now; all other brokers follow along. */
  #wantedMetadata(): Omit<Configuration, "incoming"> {
    const voters: Member[] = [];
    const learners: Member[] = [];
    const founders = new Set(this.founding.founders.map((founder) => founder.nodeId));
    for (const { nodeId, metadataReplicaId } of this.#tables.brokers.values()) {
      (founders.has(nodeId) ? voters : learners).push({ replicaId: metadataReplicaId, nodeId });
    }
    const { w, r } = metadataInitial(this.founding);
    return { voters, w, r, learners };
  }

  #registerBroker(broker: BrokerInfo): Applied {
    const { brokers, retired } = this.#tables;
    const former = brokers.get(broker.nodeId);
    if (retired.has(broker.incarnation)) {
      throw new QuireError(
        "CLUSTER_MISMATCH",
        `the disk of broker ${broker.nodeId} (incarnation ${broker.incarnation}) was replaced by another one and may not come back; empty its data folder to let it join anew`,
        { details: { nodeId: broker.nodeId, incarnation: broker.incarnation } },
      );
    }
    if (former?.incarnation === broker.incarnation) {
      brokers.set(broker.nodeId, { ...broker, metadataReplicaId: former.metadataReplicaId });
      return { result: { metadataReplicaId: former.metadataReplicaId }, change: { ...NOTHING, brokers: true } };
    }
    if (former === undefined && brokers.size >= limits.brokersPerCluster)
      throw new QuireError(
        "QUOTA_EXCEEDED",
        `the cluster has ${brokers.size} brokers; the limit is ${limits.brokersPerCluster}: let this one found or join another cluster`,
      );
    const metadataReplicaId = this.#nextReplicaId();
    brokers.set(broker.nodeId, { ...broker, metadataReplicaId });
    if (former === undefined) return { result: { metadataReplicaId }, change: { ...NOTHING, brokers: true, replicaSets: [METADATA_REPLICA_SET] } };
    retired.set(former.incarnation, broker.nodeId);
    const replaced = this.#replaceReplicas(broker.nodeId);
    return { result: { metadataReplicaId }, change: { ...replaced, brokers: true, replicaSets: [METADATA_REPLICA_SET, ...replaced.replicaSets] } };
  }

  /** A wiped disk is a new replica with a new id (rule 7): whoever the broker was in each set, it is no longer. */
  #replaceReplicas(nodeId: NodeId): MetadataChange {
    const replicaSets: ReplicaSetId[] = [];
    for (const topic of this.#tables.topics.values()) {
      if (!topic.assignments.some((partition) => partition.replicas.some((replica) => replica.nodeId === nodeId))) continue;
      const assignments = topic.assignments.map((partition): PartitionState => {
        if (!partition.replicas.some((replica) => replica.nodeId === nodeId)) return partition;
        replicaSets.push(partition.replicaSetId);
        return {
          ...partition,
          replicas: partition.replicas.map((replica) => (replica.nodeId === nodeId ? { replicaId: this.#nextReplicaId(), nodeId } : replica)),
        };
      });
      this.#tables.topics.set(topic.name, { ...topic, assignments, version: topic.version + 1 });
    }
    return { ...NOTHING, replicaSets };
  }

  /** @throws QuireError when such a topic could not be created now */
  checkCreate(spec: TopicSpec, placements: readonly (readonly NodeId[])[]): void {
    const existing = this.#tables.topics.get(spec.name);
    if (existing !== undefined) throw topicExists(existing, spec);
    checkQuorum({ n: spec.replicas, w: spec.writeQuorum, r: spec.readQuorum });
    this.#checkPlacements(spec.replicas, placements);
    this.#checkPartitions(0, placements.length);
  }

  #createTopic({ spec, topicId, createdMs, placements }: Extract<Command, { kind: "create-topic" }>): Applied {
    this.checkCreate(spec, placements);
    const assignments = this.#newPartitions(0, spec, placements);
    const topic: TopicState = { ...spec, topicId, createdMs, version: 1, partitions: assignments.length, assignments };
    this.#tables.topics.set(spec.name, topic);
    this.#place(topic);
    return { result: topic, change: { ...NOTHING, replicaSets: assignments.map((partition) => partition.replicaSetId) } };
  }

  #updateTopic(command: Extract<Command, { kind: "update-topic" }>): Applied {
    const topic = this.#topic(command.name);
    if (topic.topicId !== command.topicId || (command.added.length > 0 && topic.partitions !== command.partitionsBefore)) {
      throw new QuireError("CONFLICT", `topic ${command.name} was changed by someone else at the same time; look at it and try again`, { retryAfterMs: 100 });
    }
    const writeQuorum = command.writeQuorum ?? topic.writeQuorum;
    const readQuorum = command.readQuorum ?? topic.readQuorum;
    checkQuorum({ n: topic.replicas, w: writeQuorum, r: readQuorum });
    this.#checkPlacements(topic.replicas, command.added);
    this.#checkPartitions(topic.partitions, command.added.length);
    const settings = { ...topic.settings, ...command.settings };
    const added = this.#newPartitions(topic.partitions, { writeQuorum, readQuorum }, command.added);
    const assignments = [...topic.assignments, ...added];
    const updated: TopicState = { ...topic, writeQuorum, readQuorum, settings, assignments, partitions: assignments.length, version: topic.version + 1 };
    this.#tables.topics.set(topic.name, updated);
    this.#place(updated);
    return { result: updated, change: { ...NOTHING, replicaSets: assignments.map((partition) => partition.replicaSetId) } };
  }

  /** At once and as a whole: names are free again, and ids are never used again, so what brokers still hold of it disturbs nobody. */
  #deleteTopic(name: string): Applied {
    const topic = this.#topic(name);
    this.#tables.topics.delete(name);
    const replicaSets = topic.assignments.map((partition) => partition.replicaSetId);
    for (const id of replicaSets) this.#places.delete(id);
    return { result: undefined, change: { ...NOTHING, replicaSets, groups: this.#tables.groups.forget(replicaSets) } };
  }

  #newPartitions(first: number, quorum: { writeQuorum: number; readQuorum: number }, placements: readonly (readonly NodeId[])[]): PartitionState[] {
    return placements.map((nodes, index) => {
      const replicas = nodes.map((nodeId) => ({ replicaId: this.#nextReplicaId(), nodeId }));
      const id = replicaSetId(this.#tables.nextReplicaSetId++);
      return { partition: first + index, replicaSetId: id, replicas, initial: { voters: replicas, w: quorum.writeQuorum, r: quorum.readQuorum } };
    });
  }

  #checkPlacements(replicas: number, placements: readonly (readonly NodeId[])[]): void {
    for (const nodes of placements) {
      const known = nodes.every((nodeId) => this.#tables.brokers.has(nodeId));
      if (known && nodes.length === replicas && new Set(nodes).size === replicas) continue;
      throw new QuireError("CONFLICT", `the placement ${nodes.join(", ")} does not name ${replicas} different brokers of this cluster; try again`, {
        retryAfterMs: 100,
      });
    }
  }

  #checkPartitions(before: number, added: number): void {
    if (before + added > limits.partitionsPerTopic || (before === 0 && added === 0)) {
      throw new QuireError("INVALID_FIELD", `${before + added} partitions; a topic has 1 to ${limits.partitionsPerTopic}`, {
        fields: [{ field: "partitions", description: `1 to ${limits.partitionsPerTopic}` }],
      });
    }
    if (this.#places.size + added > limits.partitionsPerCluster) {
      throw new QuireError(
        "QUOTA_EXCEEDED",
        `${this.#places.size} partitions and ${added} more; the limit of a cluster is ${limits.partitionsPerCluster}: delete topics that are not needed`,
      );
    }
  }

  #topic(name: string): TopicState {
    const topic = this.#tables.topics.get(name);
    if (topic !== undefined) return topic;
    throw topicNotFound(name);
  }

  #place(topic: TopicState): void {
    for (const { replicaSetId: id, partition } of topic.assignments) this.#places.set(id, { topic: topic.name, partition });
  }

  #nextReplicaId(): ReplicaId {
    return replicaId(this.#tables.nextReplicaId++);
  }
}

function topicExists(existing: TopicState, asked: TopicSpec): QuireError {
  const { name, topicId, partitions, replicas, writeQuorum, readQuorum } = existing;
  const same =
    partitions === asked.partitions &&
    replicas === asked.replicas &&
    writeQuorum === asked.writeQuorum &&
    readQuorum === asked.readQuorum &&
    Object.entries(asked.settings).every(([key, value]) => existing.settings[key as keyof typeof existing.settings] === value);
  const how = `${partitions} partitions, N=${replicas} W=${writeQuorum} R=${readQuorum}`;
  return new QuireError(
    "TOPIC_ALREADY_EXISTS",
    `topic ${name} exists already, with ${how}${same ? ", just as asked for" : ""}; update it, or choose another name`,
    {
      details: { topic: name, topicId, partitions, replicas, writeQuorum, readQuorum, asRequested: same ? "true" : "false" },
    },
  );
}
