import { QuireError } from "../base/errors.js";
import { METADATA_REPLICA_SET, type NodeId, type ReplicaSetId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import { checkGroupName, checkProducerName, checkTopicName } from "../base/names.js";
import type { Clock, Logger, Random } from "../base/ports.js";
import { checkQuorum, majority } from "../base/quorum.js";
import { leaderUnknown, metadataNotRead, notLeader, partitionNotFound, topicNotFound } from "../base/refusals.js";
import { EntryKind, type Replica, type ReplicaHost } from "../replica/types.js";
import { type Command, encodeCommand } from "./commands.js";
import type { GroupChange, GroupInfo, GroupsAdmin } from "./group-info.js";
import type { LocalView } from "./local-view.js";
import type { Expectation, MetadataMachine } from "./metadata-machine.js";
import type { CommandResult, PartitionState, TopicState } from "./metadata-state.js";
import { type Candidate, place } from "./placement.js";
import { checkTopicSettings } from "./topic-settings.js";
import { handOver } from "./transfer.js";
import type {
  BrokerInfo,
  BrokerRegistration,
  ClusterAdmin,
  ProducerInfo,
  TopicChange,
  TopicInfo,
  TopicPartition,
  TopicRequest,
  TopicSettings,
  TopicSpec,
} from "./view.js";

export interface ControllerOptions {
  readonly view: LocalView;
  readonly machine: MetadataMachine;
  readonly host: Pick<ReplicaHost, "get">;
  /** For topics that do not say. */
  readonly topicDefaults: TopicSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * The control plane's verbs. Changes of the metadata are proposed by the broker that leads it; every other one answers NOT_LEADER
 * with the way there. What is checked here is checked again when the command is applied, for what may have changed meanwhile.
 */
export class Controller implements ClusterAdmin, GroupsAdmin {
  readonly #options: ControllerOptions;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** @throws QuireError INVALID_NAME, INVALID_FIELD, INVALID_QUORUM, INVALID_SETTING, NOT_ENOUGH_BROKERS, TOPIC_ALREADY_EXISTS, NOT_LEADER, WRITE_OUTCOME_UNKNOWN, … */
  async createTopic(request: TopicRequest): Promise<TopicInfo> {
    const metadata = this.#leading();
    const spec = this.#specOf(request);
    const placements = this.#place(spec.partitions, spec.replicas);
    const command: Command = { kind: "create-topic", topicId: this.#options.random.uuid(), createdMs: this.#options.clock.wallMs(), spec, placements };
    if (request.validateOnly === true) return this.#wouldCreate(command);
    const topic = (await this.#propose(metadata, command)) as TopicState;
    this.#options.logger.info(
      { topic: topic.name, topicId: topic.topicId, partitions: topic.partitions, n: topic.replicas, w: topic.writeQuorum, r: topic.readQuorum },
      "topic created",
    );
    return topic;
  }

  /** @throws QuireError TOPIC_NOT_FOUND, INVALID_FIELD, INVALID_QUORUM, INVALID_SETTING, CONFLICT, NOT_LEADER, WRITE_OUTCOME_UNKNOWN, … */
  async updateTopic(name: string, change: TopicChange): Promise<TopicInfo> {
    const metadata = this.#leading();
    const topic = this.#topic(name);
    const { partitions = topic.partitions, writeQuorum, readQuorum, settings } = change;
    checkPartitions(partitions);
    if (partitions < topic.partitions) {
      const description = `topic ${name} has ${topic.partitions} partitions, and ${partitions} would lose records; partitions may only grow`;
      throw new QuireError("INVALID_FIELD", description, {
        details: { partitions, current: topic.partitions },
        fields: [{ field: "partitions", description }],
      });
    }
    checkQuorum({ n: topic.replicas, w: writeQuorum ?? topic.writeQuorum, r: readQuorum ?? topic.readQuorum });
    if (settings !== undefined) checkTopicSettings(settings);
    const updated = await this.#propose(metadata, {
      kind: "update-topic",
      name,
      topicId: topic.topicId,
      partitionsBefore: topic.partitions,
      added: partitions === topic.partitions ? [] : this.#place(partitions - topic.partitions, topic.replicas),
      ...(writeQuorum !== undefined && { writeQuorum }),
      ...(readQuorum !== undefined && { readQuorum }),
      ...(settings !== undefined && { settings: given(settings) }),
    });
    this.#options.logger.info({ topic: name, change }, "topic changed");
    return updated as TopicState;
  }

  /** @throws QuireError TOPIC_NOT_FOUND, NOT_LEADER, WRITE_OUTCOME_UNKNOWN, … */
  async deleteTopic(name: string): Promise<void> {
    const metadata = this.#leading();
    const { topicId } = this.#topic(name);
    await this.#propose(metadata, { kind: "delete-topic", name });
    this.#options.logger.info({ topic: name, topicId }, "topic deleted");
  }

  /**
   * Decided by the partition's leader, not by the controller; every other broker says where that is.
   * @throws QuireError TOPIC_NOT_FOUND, PARTITION_NOT_FOUND, INVALID_FIELD (no replica there), BROKER_UNREACHABLE, NOT_LEADER, LEADER_UNKNOWN, NOT_READY (lags, or did not take over in time)
   */
  async transferLeader(at: TopicPartition, to: NodeId): Promise<void> {
    const { view, host } = this.#options;
    const { replicas, replicaSetId } = this.#partition(at);
    const name = `${at.topic}/${at.partition}`;
    if (!replicas.some((replica) => replica.nodeId === to)) {
      const description = `broker ${to} has no replica of ${name}; brokers ${replicas.map((replica) => replica.nodeId).join(", ")} have`;
      throw new QuireError("INVALID_FIELD", description, { details: { nodeId: to }, fields: [{ field: "node_id", description }] });
    }
    const own = host.get(replicaSetId);
    if (own?.role !== "leader") {
      if (view.leader(replicaSetId)?.nodeId === to) return;
      throw this.#elsewhere(replicaSetId, name);
    }
    if (to === view.self) return;
    if (!view.isAlive(to)) throw new QuireError("BROKER_UNREACHABLE", `broker ${to} is not connected; it cannot lead now`, { details: { nodeId: to } });
    await handOver(own, to, name);
  }

  /** @throws QuireError INVALID_FIELD, CONFLICT, CLUSTER_MISMATCH, NOT_LEADER, WRITE_OUTCOME_UNKNOWN, … */
  async registerBroker(broker: BrokerInfo): Promise<BrokerRegistration> {
    const metadata = this.#leading();
    checkBroker(broker);
    const { view, logger } = this.#options;
    const former = view.broker(broker.nodeId);
    if (former !== undefined && former.incarnation !== broker.incarnation && this.#isFormerAlive(former)) {
      throw new QuireError(
        "CONFLICT",
        `broker ${broker.nodeId} is running already, at ${former.peerAddress}, with another disk; give every broker its own node id. If that one was just stopped, wait a second`,
        { details: { nodeId: broker.nodeId, peerAddress: former.peerAddress }, retryAfterMs: 1_000 },
      );
    }
    const registration = (await this.#propose(metadata, { kind: "register-broker", broker })) as BrokerRegistration;
    logger.info({ nodeId: broker.nodeId, incarnation: broker.incarnation, former: former?.incarnation, ...registration }, "broker registered");
    return registration;
  }

  /** @throws QuireError INVALID_FIELD, NOT_LEADER, WRITE_OUTCOME_UNKNOWN, … */
  async reserveProducerIds(count: number): Promise<ProducerInfo> {
    const metadata = this.#leading();
    if (!Number.isInteger(count) || count < 1 || count > limits.producerIdsAtOnce) {
      const description = `count is ${count}; it is a whole number from 1 to ${limits.producerIdsAtOnce}`;
      throw new QuireError("INVALID_FIELD", description, { details: { count }, fields: [{ field: "count", description }] });
    }
    return (await this.#propose(metadata, { kind: "reserve-producer-ids", count })) as ProducerInfo;
  }

  /** @throws QuireError INVALID_NAME, QUOTA_EXCEEDED, NOT_LEADER, WRITE_OUTCOME_UNKNOWN, … */
  async initProducer(name: string): Promise<ProducerInfo> {
    const metadata = this.#leading();
    checkProducerName(name);
    const producer = (await this.#propose(metadata, { kind: "init-producer", name })) as ProducerInfo;
    this.#options.logger.info({ producer: name, ...producer }, "a named producer began; its former self is fenced");
    return producer;
  }

  /** @throws QuireError CONFLICT, GROUP_NOT_EMPTY (a new generation without members), QUOTA_EXCEEDED, NOT_LEADER, WRITE_OUTCOME_UNKNOWN, … */
  async changeGroup(change: GroupChange): Promise<GroupInfo> {
    const metadata = this.#leading();
    checkGroupName(change.group);
    return (await this.#propose(metadata, { kind: "change-group", change })) as GroupInfo;
  }

  /** @throws QuireError GROUP_NOT_FOUND, GROUP_NOT_EMPTY, NOT_LEADER, WRITE_OUTCOME_UNKNOWN, … */
  async deleteGroup(name: string, version?: number): Promise<void> {
    const metadata = this.#leading();
    checkGroupName(name);
    await this.#propose(metadata, { kind: "delete-group", name, ...(version !== undefined && { expectedVersion: version }) });
    this.#options.logger.info({ group: name }, "consumer group deleted");
  }

  #isFormerAlive({ nodeId, incarnation }: BrokerInfo): boolean {
    return nodeId === this.#options.view.self || this.#options.view.linkedIncarnation(nodeId) === incarnation;
  }

  #specOf(request: TopicRequest): TopicSpec {
    checkTopicName(request.name);
    const { partitions = 1, replicas = Math.min(3, this.#options.view.brokers().length) } = request;
    checkPartitions(partitions);
    const { writeQuorum = majority(replicas), readQuorum = majority(replicas) } = request;
    checkQuorum({ n: replicas, w: writeQuorum, r: readQuorum });
    checkTopicSettings(request.settings ?? {});
    return {
      name: request.name,
      partitions,
      replicas,
      writeQuorum,
      readQuorum,
      settings: { ...this.#options.topicDefaults, ...given(request.settings ?? {}) },
    };
  }

  /** Brokers that are up come first; those that are down are used only when there are not enough others. */
  #place(partitions: number, replicas: number): NodeId[][] {
    const { view, random } = this.#options;
    const counts = new Map<NodeId, { replicas: number; preferredLeaders: number }>();
    for (const { nodeId } of view.brokers()) counts.set(nodeId, { replicas: 0, preferredLeaders: 0 });
    for (const topic of view.topics()) for (const partition of topic.assignments) countReplicas(partition, counts);
    const all = view.brokers().map(({ nodeId, rack }): Candidate => ({ nodeId, rack, ...(counts.get(nodeId) ?? { replicas: 0, preferredLeaders: 0 }) }));
    const alive = all.filter(({ nodeId }) => view.isAlive(nodeId));
    return place({ partitions, replicas, candidates: alive.length >= replicas ? alive : all, rotation: random.below(65_536) });
  }

  /** What a creation would answer, without ids. */
  #wouldCreate({ spec, placements, createdMs }: Extract<Command, { kind: "create-topic" }>): TopicInfo {
    this.#options.machine.state.checkCreate(spec, placements);
    const assignments = placements.map((nodes, partition) => ({
      partition,
      replicaSetId: METADATA_REPLICA_SET,
      replicas: nodes.map((nodeId) => ({ nodeId, replicaId: 0 as PartitionState["replicas"][number]["replicaId"] })),
    }));
    return { ...spec, topicId: "", createdMs, version: 0, assignments };
  }

  #topic(name: string): TopicState {
    checkTopicName(name);
    const topic = this.#options.view.topic(name);
    if (topic !== undefined) return topic;
    throw this.#options.view.ready ? topicNotFound(name) : metadataNotRead(this.#options.view.self);
  }

  #partition(at: TopicPartition): PartitionState {
    const topic = this.#topic(at.topic);
    const partition = topic.assignments[at.partition];
    if (partition !== undefined) return partition;
    throw partitionNotFound(at.topic, at.partition, topic.partitions);
  }

  /** The metadata's replica, if it leads and may decide. */
  #leading(): Replica {
    const replica = this.#options.host.get(METADATA_REPLICA_SET);
    if (replica?.role === "leader" && replica.serving) return replica;
    if (replica?.role === "leader") {
      throw new QuireError("NOT_READY", "this broker was just elected controller and is not confirmed by its quorum yet", { retryAfterMs: 50 });
    }
    throw this.#elsewhere(METADATA_REPLICA_SET, "the cluster's metadata");
  }

  /** Where the leader of a set is, for one who asked here. */
  #elsewhere(id: ReplicaSetId, name: string): QuireError {
    const { view } = this.#options;
    const leader = view.leader(id);
    const broker = leader && view.broker(leader.nodeId);
    if (leader === undefined || broker === undefined || leader.nodeId === view.self) {
      return leaderUnknown(view.self, name);
    }
    return notLeader(view.self, name, { ...leader, address: broker.address });
  }

  #propose(metadata: Replica, command: Command): Promise<CommandResult> {
    const { machine } = this.#options;
    return new Promise((resolve, reject) => {
      let expectation: Expectation | undefined;
      metadata.propose(
        { kind: EntryKind.command, body: encodeCommand(command) },
        (done) => {
          if (expectation !== undefined) machine.forget(expectation);
          const outcome = expectation?.outcome;
          if (done instanceof Error) reject(done);
          else if (outcome === undefined)
            reject(new QuireError("WRITE_OUTCOME_UNKNOWN", "the change is in the cluster's metadata, but what became of it was not seen here; look"));
          else if ("refusal" in outcome) reject(outcome.refusal);
          else resolve(outcome.result);
        },
        {
          placed: (at) => {
            expectation = machine.expect(at.index);
          },
        },
      );
    });
  }
}

function countReplicas({ replicas }: PartitionState, counts: ReadonlyMap<NodeId, { replicas: number; preferredLeaders: number }>): void {
  replicas.forEach(({ nodeId }, place) => {
    const count = counts.get(nodeId);
    if (count === undefined) return;
    count.replicas += 1;
    if (place === 0) count.preferredLeaders += 1;
  });
}

/** Without what was left open: an absent value is not a value. */
const given = (settings: Partial<TopicSettings>): Partial<TopicSettings> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

function checkPartitions(partitions: number): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= limits.partitionsPerTopic) return;
  const description = `partitions is ${partitions}; it is a whole number from 1 to ${limits.partitionsPerTopic}`;
  throw new QuireError("INVALID_FIELD", description, { details: { partitions }, fields: [{ field: "partitions", description }] });
}

function checkBroker(broker: BrokerInfo): void {
  const refuse = (field: string, description: string): never => {
    throw new QuireError("INVALID_FIELD", `${field} ${description}`, { fields: [{ field, description }] });
  };
  if (!Number.isInteger(broker.nodeId) || broker.nodeId < 1 || broker.nodeId > limits.nodeIdMax)
    refuse("node_id", `is ${broker.nodeId}; it is a whole number from 1 to ${limits.nodeIdMax}`);
  for (const [field, text, min] of [
    ["incarnation", broker.incarnation, 1],
    ["address", broker.address, 3],
    ["peer_address", broker.peerAddress, 3],
    ["rack", broker.rack, 0],
  ] as const) {
    if (text.length < min || text.length > 255) refuse(field, `has ${text.length} characters; it has ${min} to 255`);
  }
}
