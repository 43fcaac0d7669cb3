import { type NodeId, nodeId, type ReplicaSetId, replicaId, replicaSetId, term } from "../../src/base/ids.js";
import { MIB } from "../../src/base/limits.js";
import type { BrokerInfo, ClusterView, PartitionInfo, PartitionLeader, TopicInfo, TopicPartition } from "../../src/cluster/view.js";

export const brokerAt = (id: number, address: string): BrokerInfo => ({
  nodeId: nodeId(id),
  incarnation: `disk-${id}`,
  address,
  peerAddress: `peer-${id}:1`,
  rack: "",
});

/** A view of the cluster that a test sets as it likes. Changes are told at once. */
export class FakeView implements ClusterView {
  readonly clusterId = "a-cluster";
  readonly self: NodeId;
  controller: NodeId | undefined;
  ready = true;
  version = 1;
  readonly #brokers = new Map<number, BrokerInfo>();
  readonly #dead = new Set<number>();
  readonly #topics = new Map<string, TopicInfo>();
  readonly #leaders = new Map<ReplicaSetId, PartitionLeader>();
  readonly watchers = new Set<() => void>();
  #nextSet = 1;

  constructor(self: number, brokers: readonly BrokerInfo[] = [brokerAt(1, "127.0.0.1:1"), brokerAt(2, "127.0.0.1:2"), brokerAt(3, "127.0.0.1:3")]) {
    this.self = nodeId(self);
    this.controller = this.self;
    for (const broker of brokers) this.#brokers.set(broker.nodeId, broker);
  }

  addTopic(name: string, partitions = 1, change: Partial<TopicInfo> = {}): TopicInfo {
    const replicas = [...this.#brokers.keys()].map((id) => ({ replicaId: replicaId(id), nodeId: nodeId(id) }));
    const assignments: PartitionInfo[] = Array.from({ length: partitions }, (_, partition) => ({
      partition,
      replicaSetId: replicaSetId(this.#nextSet++),
      replicas,
    }));
    const topic: TopicInfo = {
      name,
      topicId: `id-of-${name}`,
      partitions,
      replicas: replicas.length,
      writeQuorum: 2,
      readQuorum: 2,
      settings: { retentionMs: 0, retentionBytes: 0, segmentBytes: MIB, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1_000, batchBytesMax: 2 * MIB },
      createdMs: 1,
      version: 1,
      assignments,
      ...change,
    };
    this.#topics.set(name, topic);
    this.changed();
    return topic;
  }

  removeTopic(name: string): void {
    this.#topics.delete(name);
    this.changed();
  }

  setLeader(at: TopicPartition, node: number, inTerm: number): void {
    const partition = this.partition(at);
    if (partition === undefined) throw new Error("no such partition");
    if (node === 0) this.#leaders.delete(partition.replicaSetId);
    else this.#leaders.set(partition.replicaSetId, { nodeId: nodeId(node), term: term(inTerm) });
    this.changed();
  }

  setAddress(id: number, address: string): void {
    this.#brokers.set(id, brokerAt(id, address));
    this.changed();
  }

  setAlive(id: number, alive: boolean): void {
    if (alive) this.#dead.delete(id);
    else this.#dead.add(id);
    this.changed();
  }

  changed(): void {
    this.version += 1;
    for (const watcher of [...this.watchers]) watcher();
  }

  brokers(): readonly BrokerInfo[] {
    return [...this.#brokers.values()];
  }
  broker(id: NodeId): BrokerInfo | undefined {
    return this.#brokers.get(id);
  }
  isAlive(id: NodeId): boolean {
    return !this.#dead.has(id);
  }
  topics(): readonly TopicInfo[] {
    return [...this.#topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  topic(name: string): TopicInfo | undefined {
    return this.#topics.get(name);
  }
  partition({ topic, partition }: TopicPartition): PartitionInfo | undefined {
    return this.#topics.get(topic)?.assignments[partition];
  }
  partitionOf(id: ReplicaSetId): { topic: TopicInfo; partition: PartitionInfo } | undefined {
    for (const topic of this.#topics.values()) {
      const partition = topic.assignments.find(({ replicaSetId: set }) => set === id);
      if (partition !== undefined) return { topic, partition };
    }
    return undefined;
  }
  leader(id: ReplicaSetId): PartitionLeader | undefined {
    return this.#leaders.get(id);
  }
  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }
}
