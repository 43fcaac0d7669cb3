/**
 * What the client knows of the cluster. Pure: snapshots, deltas and hints go in, routes come out. Brokers tell what they know, which
 * may be old, so a leader of a lower term never replaces one of a higher.
 */
import type { BrokerMetadata, ClientLimits, MetadataDelta, MetadataMessage, PartitionMetadata, TopicMetadata } from "../wire/admin-messages.js";
import type { PartitionLeaderMessage } from "../wire/messages.js";

/** Who leads a partition; `nodeId` 0 while unknown. */
export interface PartitionRoute {
  readonly nodeId: number;
  readonly term: number;
}

export interface TopicRoute {
  readonly name: string;
  readonly topicId: string;
  /** By partition, from 0, without gaps. */
  readonly partitions: PartitionRoute[];
  /** Largest batch body; 0 when the broker did not say. */
  readonly batchBytesMax: number;
}

export class MetadataCache {
  clusterId = "";
  controllerNodeId = 0;
  limits: ClientLimits | undefined;
  readonly #brokers = new Map<number, BrokerMetadata>();
  readonly #topics = new Map<string, TopicRoute>();
  /** Topics that were learned and that no snapshot or delta has told of yet. */
  readonly #news = new Set<string>();

  /**
   * Everything one broker knows: topics it does not have are gone, leaders it has from lower terms are ignored. A topic that we were told of
   * otherwise, and that no snapshot had yet, stays: this broker may not have heard of it.
   */
  applySnapshot(snapshot: MetadataMessage): void {
    this.clusterId = snapshot.clusterId;
    this.controllerNodeId = snapshot.controllerNodeId;
    if (snapshot.limits !== null) this.limits = snapshot.limits;
    this.#replaceBrokers(snapshot.brokers);
    const names = new Set(snapshot.topics.map((topic) => topic.name));
    for (const name of this.#topics.keys()) if (!names.has(name) && !this.#news.has(name)) this.#topics.delete(name);
    for (const topic of snapshot.topics) this.#watched(topic);
  }

  applyDelta(delta: MetadataDelta): void {
    if (delta.controllerNodeId !== 0) this.controllerNodeId = delta.controllerNodeId;
    if (delta.brokers.length > 0) this.#replaceBrokers(delta.brokers);
    for (const name of delta.deletedTopics) this.forgetTopic(name);
    for (const topic of delta.topics) this.#watched(topic);
    for (const { topic, topicId, partitions } of delta.partitions) {
      const known = this.#topics.get(topic);
      if (known?.topicId === topicId) applyLeaders(known.partitions, partitions);
    }
  }

  /** A topic as some broker described it when asked. */
  learn(topic: TopicMetadata): void {
    if (!this.#topics.has(topic.name)) this.#news.add(topic.name);
    this.#applyTopic(topic);
  }

  #watched(topic: TopicMetadata): void {
    this.#news.delete(topic.name);
    this.#applyTopic(topic);
  }

  /** One topic as a broker describes it. Of a topic that was made anew under the same name, nothing old is kept. */
  #applyTopic(topic: TopicMetadata): void {
    const known = this.#topics.get(topic.name);
    const before = known?.topicId === topic.topicId ? known.partitions : [];
    const partitions: PartitionRoute[] = Array.from(
      { length: Math.max(topic.partitions.length, before.length) },
      (_, at) => before[at] ?? { nodeId: 0, term: 0 },
    );
    applyLeaders(partitions, topic.partitions);
    this.#topics.set(topic.name, { name: topic.name, topicId: topic.topicId, partitions, batchBytesMax: topic.batchBytesMax });
  }

  forgetTopic(name: string): void {
    this.#news.delete(name);
    this.#topics.delete(name);
  }

  /** What an answer said of a partition's leader. Returns whether anything changed. */
  applyHint(topic: string, partition: number, leader: PartitionLeaderMessage): boolean {
    const routes = this.#topics.get(topic)?.partitions;
    const route = routes?.[partition];
    if (routes === undefined || route === undefined) return false;
    if (leader.nodeId !== 0 && leader.address !== "" && !this.#brokers.has(leader.nodeId)) {
      this.#brokers.set(leader.nodeId, { nodeId: leader.nodeId, address: leader.address, rack: "", alive: true });
    }
    const next = newer(route, leader);
    routes[partition] = next;
    return next.nodeId !== route.nodeId || next.term !== route.term;
  }

  topic(name: string): TopicRoute | undefined {
    return this.#topics.get(name);
  }

  /** Undefined while nobody is known to lead, or its address is not known. */
  leader(topic: string, partition: number): { readonly nodeId: number; readonly term: number; readonly address: string } | undefined {
    const route = this.#topics.get(topic)?.partitions[partition];
    const address = route === undefined ? undefined : this.#brokers.get(route.nodeId)?.address;
    return route === undefined || address === undefined ? undefined : { ...route, address };
  }

  address(nodeId: number): string | undefined {
    return this.#brokers.get(nodeId)?.address;
  }

  /** Those that the answering broker was connected to come first. */
  brokers(): readonly BrokerMetadata[] {
    return [...this.#brokers.values()].sort((a, b) => Number(b.alive) - Number(a.alive));
  }

  #replaceBrokers(brokers: readonly BrokerMetadata[]): void {
    this.#brokers.clear();
    for (const broker of brokers) this.#brokers.set(broker.nodeId, broker);
  }
}

function applyLeaders(routes: PartitionRoute[], told: readonly PartitionMetadata[]): void {
  for (const { partition, leaderNodeId, term } of told) {
    const route = routes[partition];
    if (route !== undefined) routes[partition] = newer(route, { nodeId: leaderNodeId, term });
  }
}

/** The highest term wins; within a term a known leader wins over none, since there is at most one. */
function newer(known: PartitionRoute, told: PartitionRoute): PartitionRoute {
  if (told.term > known.term || (told.term === known.term && told.nodeId !== 0)) return { nodeId: told.nodeId, term: told.term };
  return known;
}
