import type { ServerWritableStream } from "@grpc/grpc-js";
import { MIB } from "../base/limits.js";
import type { Timer } from "../base/ports.js";
import type { ClusterView, TopicInfo } from "../cluster/view.js";
import type { DescribeClusterResponse, GetMetadataRequest, GetMetadataResponse, WatchMetadataRequest, WatchMetadataResponse } from "../wire/admin-messages.js";
import type { Init } from "../wire/messages.js";
import { toServiceError } from "../wire/status.js";
import { answerOf, checkReady, type Edge } from "./edge.js";
import type { MetadataChange, MetadataFeed } from "./metadata-feed.js";
import { describeCluster, metadata, metadataDelta, metadataSnapshot } from "./metadata-messages.js";
import { type LiveStream, type StreamSlots, shuttingDown } from "./slots.js";
import { StreamWriter } from "./stream-writer.js";
import { count, refuseField, topicName } from "./validate.js";

const TOPIC_NAMES_MAX = 10_000;
/** Partitions in one message: some tens of bytes each, well within a response. */
const PARTITIONS_PER_MESSAGE = 50_000;
const PARTITION_BYTES = 24;
const WRITE_BYTES_MAX = MIB;

export async function getMetadata(edge: Edge, request: GetMetadataRequest): Promise<Init<GetMetadataResponse>> {
  const wanted = topicsAsked(request.topics);
  checkReady(edge.view);
  const topics = select(edge.view, wanted);
  const partitions = topics.reduce((sum, topic) => sum + topic.partitions, 0);
  if (partitions > PARTITIONS_PER_MESSAGE) {
    refuseField("topics", `stands for ${partitions} partitions`, `ask for topics with at most ${PARTITIONS_PER_MESSAGE} at a time, or use WatchMetadata`);
  }
  return { metadata: metadata(edge.view, topics, edge.limits) };
}

export async function getClusterDescription(edge: Edge): Promise<Init<DescribeClusterResponse>> {
  checkReady(edge.view);
  return describeCluster(edge.view);
}

export function openWatchMetadata(
  edge: Edge,
  feed: MetadataFeed,
  slots: StreamSlots,
  call: ServerWritableStream<WatchMetadataRequest, Init<WatchMetadataResponse>>,
): void {
  try {
    checkReady(edge.view);
    new MetadataWatch(edge, feed, slots, call, topicsAsked(call.request.topics));
  } catch (thrown) {
    call.emit("error", toServiceError(answerOf(thrown, edge)));
  }
}

/** Undefined means all. @throws QuireError INVALID_FIELD, INVALID_NAME */
function topicsAsked(names: readonly string[]): ReadonlySet<string> | undefined {
  count(names, "topics", 0, TOPIC_NAMES_MAX);
  for (const [i, name] of names.entries()) topicName(name, `topics[${i}]`);
  return names.length === 0 ? undefined : new Set(names);
}

const select = (view: ClusterView, wanted: ReadonlySet<string> | undefined): TopicInfo[] =>
  view.topics().filter(({ name }) => wanted === undefined || wanted.has(name));

/**
 * A snapshot, then deltas. A watcher that reads slowly costs the names of what changed meanwhile and nothing more: a delta is
 * made of the state as it is when there is room to send it.
 */
class MetadataWatch implements LiveStream {
  readonly #edge: Edge;
  readonly #feed: MetadataFeed;
  readonly #wanted: ReadonlySet<string> | undefined;
  readonly #writer: StreamWriter<Init<WatchMetadataResponse>>;
  readonly #release: () => void;
  readonly #unwatch: () => void;
  readonly #heartbeat: Timer;
  readonly #staleTopics = new Set<string>();
  #staleBrokers = false;
  #staleController = false;
  #wroteSinceBeat = true;

  constructor(
    edge: Edge,
    feed: MetadataFeed,
    slots: StreamSlots,
    call: ServerWritableStream<WatchMetadataRequest, Init<WatchMetadataResponse>>,
    wanted: ReadonlySet<string> | undefined,
  ) {
    this.#edge = edge;
    this.#feed = feed;
    this.#wanted = wanted;
    this.#release = slots.open(this);
    this.#writer = new StreamWriter(call, WRITE_BYTES_MAX, () => this.#sendStale());
    call.on("error", () => this.#abandon());
    call.on("cancelled", () => this.#abandon());
    call.on("close", () => this.#abandon());
    this.#unwatch = feed.watch((change) => this.#changed(change));
    this.#heartbeat = edge.clock.every(edge.limits.streamHeartbeatMs / 2, () => this.#beat());
    this.#sendSnapshot();
  }

  shutdown(): void {
    this.#writer.fail(toServiceError(shuttingDown()));
    this.#abandon();
  }

  /** What does not fit into the snapshot follows as deltas. */
  #sendSnapshot(): void {
    const { view, limits } = this.#edge;
    const { message, partitions, rest } =
      this.#wanted === undefined
        ? this.#feed.snapshot(limits, PARTITIONS_PER_MESSAGE)
        : metadataSnapshot(view, select(view, this.#wanted), { limits, partitionsMax: PARTITIONS_PER_MESSAGE });
    for (const name of rest) this.#staleTopics.add(name);
    this.#write(message, partitions);
    this.#sendStale();
  }

  #changed(change: MetadataChange): void {
    const told = this.#wanted === undefined ? change : filtered(change, this.#wanted);
    if (!this.#isBehind && this.#writer.writable) {
      const { message, partitions } = told === change ? change.delta() : metadataDelta(this.#edge.view, told);
      if (partitions === 0 && !change.brokers && !change.controller) return;
      if (partitions <= PARTITIONS_PER_MESSAGE) {
        this.#write(message, partitions);
        return;
      }
    }
    for (const name of [...told.topics, ...told.leaders.keys()]) this.#staleTopics.add(name);
    this.#staleBrokers ||= change.brokers;
    this.#staleController ||= change.controller;
    this.#sendStale();
  }

  get #isBehind(): boolean {
    return this.#staleTopics.size > 0 || this.#staleBrokers || this.#staleController;
  }

  #sendStale(): void {
    while (this.#writer.writable && this.#isBehind) this.#sendDelta();
  }

  #sendDelta(): void {
    const { view } = this.#edge;
    const names: string[] = [];
    let size = 0;
    for (const name of this.#staleTopics) {
      if (size >= PARTITIONS_PER_MESSAGE) break;
      this.#staleTopics.delete(name);
      names.push(name);
      size += view.topic(name)?.partitions ?? 1;
    }
    const { message, partitions } = metadataDelta(view, { topics: names, leaders: [], brokers: this.#staleBrokers });
    this.#staleBrokers = false;
    this.#staleController = false;
    this.#write(message, partitions);
  }

  #write(message: Init<WatchMetadataResponse>, partitions: number): void {
    this.#wroteSinceBeat = true;
    this.#writer.write(message, (partitions + 1) * PARTITION_BYTES);
  }

  #beat(): void {
    if (!this.#wroteSinceBeat && this.#writer.writable) this.#write({ change: "heartbeat", heartbeat: {} }, 0);
    this.#wroteSinceBeat = false;
  }

  #abandon(): void {
    this.#writer.abandon();
    this.#heartbeat.cancel();
    this.#unwatch();
    this.#release();
  }
}

const filtered = ({ topics, leaders, brokers }: MetadataChange, wanted: ReadonlySet<string>): Pick<MetadataChange, "topics" | "leaders" | "brokers"> => ({
  topics: new Set([...topics].filter((name) => wanted.has(name))),
  leaders: new Map([...leaders].filter(([name]) => wanted.has(name))),
  brokers,
});
