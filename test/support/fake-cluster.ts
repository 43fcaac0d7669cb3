/** What the fake brokers of a cluster share: topics and records in arrays, who leads, and how they are to misbehave. */
import { QuireError } from "../../src/base/errors.js";
import type { BrokerMetadata, MetadataMessage, TopicMetadata } from "../../src/wire/admin-messages.js";
import { NamedPosition, type PartitionLeaderMessage, type PositionMessage, type ProduceBatch, type RecordBatch } from "../../src/wire/messages.js";
import { RecordsCursor } from "../../src/wire/records-codec.js";
import type { TcpProxy } from "./tcp-proxy.js";

/** One broker as the others see it. */
export interface FakeNode {
  readonly nodeId: number;
  readonly cluster: FakeCluster;
  readonly proxy: TcpProxy;
  readonly address: string;
  /** Subscribe streams say nothing at all. */
  mute: boolean;
  /** Subscribe streams send the log's first batch again after every other. */
  repeats: boolean;
  heartbeatMs: number;
  /** A topic that this broker has not heard of yet. */
  hiddenTopic: string;
  /** Cut off from the other brokers: it goes on telling what it knew, leads nothing and knows of no leader. */
  stale: MetadataMessage | undefined;
  /** Opened so far. */
  subscribeStreams: number;
  metadataStreams: number;
  /** By all Subscribe streams. */
  sentBytes: number;
}

export interface FakeRecord {
  readonly offset: number;
  readonly key: string | undefined;
  readonly value: string | undefined;
  readonly timestampMs: number;
}

export interface FakePartition {
  leader: number;
  term: number;
  logStart: number;
  nextOffset: number;
  readonly batches: RecordBatch[];
}

/** What a broker does with a batch instead of appending it. `swallow`: append, never answer. `drop`: neither, and break the connections. */
export type Misbehaviour = QuireError | "swallow" | "drop" | "append-and-drop" | undefined;

export class FakeCluster {
  readonly brokers: FakeNode[] = [];
  readonly topics = new Map<string, { readonly topicId: string; readonly partitions: FakePartition[]; batchBytesMax: number }>();
  readonly watchers = new Set<() => void>();
  /** Consulted for each batch; may delay its answer. */
  onBatch: (batch: ProduceBatch, broker: FakeNode) => Misbehaviour | Promise<Misbehaviour> = () => undefined;
  /** Take batches behind a refused one of the same run, as a broker that does not know runs would. */
  ignoresRuns = false;
  /** Batches taken in, refused ones too. */
  received: { readonly nodeId: number; readonly batch: ProduceBatch }[] = [];

  get addresses(): string[] {
    return this.brokers.map((broker) => broker.address);
  }

  broker(nodeId: number): FakeNode {
    return this.brokers[nodeId - 1] as FakeNode;
  }

  partition(topic: string, partition: number): FakePartition {
    const found = this.topics.get(topic)?.partitions[partition];
    if (found === undefined) throw new QuireError(this.topics.has(topic) ? "PARTITION_NOT_FOUND" : "TOPIC_NOT_FOUND", `no ${topic}/${partition}`);
    return found;
  }

  /** Leaders go round the brokers. */
  createTopic(name: string, partitions = 1): void {
    const made = (_: unknown, at: number): FakePartition => ({ leader: (at % this.brokers.length) + 1, term: 1, logStart: 0, nextOffset: 0, batches: [] });
    this.topics.set(name, { topicId: `${name}-${this.topics.size}`, partitions: Array.from({ length: partitions }, made), batchBytesMax: 0 });
    this.changed();
  }

  /** An election: the next term has this leader. `quietly` tells no watcher. */
  elect(topic: string, partition: number, nodeId: number, quietly = false): void {
    const elected = this.partition(topic, partition);
    elected.leader = nodeId;
    elected.term += 1;
    if (!quietly) this.changed();
  }

  /** Clients still reach these brokers, and nobody else does. */
  cutOff(...nodeIds: readonly number[]): void {
    for (const nodeId of nodeIds) this.broker(nodeId).stale = this.metadata(nodeId);
  }

  append(topic: string, partition: number, batch: RecordBatch): number {
    const log = this.partition(topic, partition);
    const baseOffset = log.nextOffset;
    log.batches.push({ ...batch, baseOffset, term: log.term, body: Buffer.from(batch.body) });
    log.nextOffset += batch.recordCount;
    this.changed();
    return baseOffset;
  }

  records(topic: string, partition = 0): FakeRecord[] {
    const records: FakeRecord[] = [];
    for (const { body, baseOffset, baseTimestampMs } of this.partition(topic, partition).batches) {
      const cursor = new RecordsCursor(body);
      for (let at = 0; cursor.next(); at++) {
        records.push({
          offset: baseOffset + at,
          key: cursor.key?.toString(),
          value: cursor.value?.toString(),
          timestampMs: baseTimestampMs + cursor.timestampDeltaMs,
        });
      }
    }
    return records;
  }

  values(topic: string, partition = 0): (string | undefined)[] {
    return this.records(topic, partition).map((record) => record.value);
  }

  hint(topic: string, partition: number): PartitionLeaderMessage {
    const { leader, term } = this.partition(topic, partition);
    return { nodeId: leader, term, address: leader === 0 ? "" : this.broker(leader).address };
  }

  metadata(nodeId: number): MetadataMessage {
    const brokers: BrokerMetadata[] = this.brokers.map((broker) => ({ nodeId: broker.nodeId, address: broker.address, rack: "", alive: true }));
    const topics = [...this.topics.keys()].map((name) => this.topicMetadata(name));
    return { clusterId: "fake", controllerNodeId: 1, brokers, topics, limits: null, answeredByNodeId: nodeId };
  }

  topicMetadata(name: string): TopicMetadata {
    const topic = this.topics.get(name);
    const partitions = (topic?.partitions ?? []).map(({ leader, term }, partition) => ({ partition, leaderNodeId: leader, term, replicaNodeIds: [1, 2, 3] }));
    return { name, topicId: topic?.topicId ?? "", partitions, batchBytesMax: topic?.batchBytesMax ?? 0 };
  }

  changed(): void {
    for (const watcher of this.watchers) watcher();
  }
}

export function offsetOf(log: FakePartition, position: PositionMessage | null): number {
  if (position?.position === "offset") return position.offset;
  if (position?.position === "timestampMs") return log.batches.find((batch) => batch.maxTimestampMs >= position.timestampMs)?.baseOffset ?? log.nextOffset;
  return position?.position === "named" && position.named === NamedPosition.earliest ? log.logStart : log.nextOffset;
}
