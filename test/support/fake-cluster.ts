/** What the fake brokers of a cluster share: topics and records in arrays, who leads, and how they are to misbehave. */
import { QuireError } from "../../src/base/errors.js";
import type { BrokerMetadata, MetadataMessage, TopicMetadata } from "../../src/wire/admin-messages.js";
import { NamedPosition, type PartitionLeaderMessage, type PositionMessage, type ProduceBatch, type RecordBatch } from "../../src/wire/messages.js";
import { RecordsCursor } from "../../src/wire/records-codec.js";
import { FakeGroups } from "./fake-groups.js";
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
  subscriptionsStarted: number;
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

/** A producer as a partition knows it. */
interface FakeProducer {
  readonly epoch: number;
  next: number;
  /** Offsets by base sequence. */
  readonly written: Map<number, number>;
}

/** What a broker does with a batch instead of appending it. `swallow`: append, never answer. `drop`: neither, and break the connections. */
export type Misbehaviour = QuireError | "swallow" | "drop" | "append-and-drop" | undefined;

export class FakeCluster {
  readonly brokers: FakeNode[] = [];
  readonly groups = new FakeGroups(this);
  readonly topics = new Map<string, { readonly topicId: string; readonly partitions: FakePartition[]; batchBytesMax: number }>();
  readonly watchers = new Set<() => void>();
  /** Consulted for each batch; may delay its answer. */
  onBatch: (batch: ProduceBatch, broker: FakeNode) => Misbehaviour | Promise<Misbehaviour> = () => undefined;
  /** Take batches behind a refused one of the same run, as a broker that does not know runs would. */
  ignoresRuns = false;
  /** Batches taken in, refused ones too. */
  received: { readonly nodeId: number; readonly batch: ProduceBatch }[] = [];

  /** What InitProducer answers with: an error, or who the producer is from now on. */
  onInitProducer: (name: string) => QuireError | undefined = () => undefined;
  /** Names that InitProducer was asked with. */
  readonly begun: string[] = [];
  /** Epochs that each producer gets. */
  epochs = 100;
  readonly #producers = new Map<string, FakeProducer>();

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

  /** A new id for no name; a name keeps its id, and its epochs rise. */
  initProducer(name: string): { producerId: number; epoch: number; epochs: number } {
    const refusal = this.onInitProducer(name);
    if (refusal !== undefined) throw refusal;
    this.begun.push(name);
    const lives = this.begun.filter((other) => other === name).length;
    const { epochs } = this;
    return name === "" ? { producerId: this.begun.length, epoch: 0, epochs } : { producerId: 1_000 + name.length, epoch: (lives - 1) * epochs, epochs };
  }

  /** Forgets all producers of all partitions, as if they had been idle for too long. */
  forgetProducers(): void {
    this.#producers.clear();
  }

  /** The offset of a batch that was written before; undefined for the next one. @throws QuireError as a broker refuses */
  #written(place: string, batch: RecordBatch): number | undefined {
    const { producerId, producerEpoch: epoch, baseSequence } = batch;
    if (producerId === 0) return undefined;
    const key = `${place} ${producerId}`;
    let known = this.#producers.get(key);
    if (known !== undefined && epoch < known.epoch) throw new QuireError("PRODUCER_FENCED", `epoch ${epoch} is older than ${known.epoch}`);
    if (known?.epoch !== epoch) known = { epoch, next: 0, written: new Map() };
    const offset = known.written.get(baseSequence);
    if (offset !== undefined) return offset;
    if (baseSequence !== known.next) throw new QuireError("OUT_OF_ORDER_SEQUENCE", `sequence ${baseSequence} came, the next is ${known.next}`);
    known.next += batch.recordCount;
    known.written.set(baseSequence, this.#log(place).nextOffset);
    this.#producers.set(key, known);
    return undefined;
  }

  #log(place: string): FakePartition {
    const [topic = "", partition = ""] = place.split("/");
    return this.partition(topic, Number(partition));
  }

  append(topic: string, partition: number, batch: RecordBatch): number {
    const log = this.partition(topic, partition);
    const written = this.#written(`${topic}/${partition}`, batch);
    if (written !== undefined) return written;
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

  offsetAt(topic: string, partition: number, position: PositionMessage | null): number {
    return offsetOf(this.partition(topic, partition), position);
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
