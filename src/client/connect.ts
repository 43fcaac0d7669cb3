/** Puts the client together, and takes it apart again. */
import { checkTopicName } from "../base/names.js";
import { Compression } from "../base/record-batch.js";
import { Admin, type ClusterDescription, type TopicDescription } from "./admin.js";
import type { CallLimits } from "./calls.js";
import { loadCodec } from "./codecs.js";
import { Compressor } from "./compressor.js";
import { Connections, closedError } from "./connections.js";
import type { ConsumeSubscription, ConsumeTopicsOptions } from "./consume/consume-options.js";
import type { Consumer } from "./consume/consumer.js";
import { Consumers, planOfMany } from "./consume/consumers.js";
import type { Handler } from "./consume/handling.js";
import { Groups } from "./groups.js";
import { Metadata } from "./metadata.js";
import { type ClientOptions, type ConnectOptions, checkNames, resolveOptions } from "./options.js";
import { type ClientPorts, pause, systemPorts } from "./ports.js";
import { Producer } from "./producer.js";
import { OffsetLookup } from "./read-positions.js";
import { json, type Serializer } from "./serializers.js";
import { Topic } from "./topic.js";
import { TopicWriter } from "./writer.js";

export interface TopicOptions<Value> {
  /** How values become bytes and come back; default `json()`. */
  readonly serializer?: Serializer<Value>;
}

/**
 * Connects to a cluster: resolves when one of the brokers has said what the cluster looks like. Close it when done: an open client keeps the
 * process alive.
 *
 * @throws QuireError INVALID_SETTING for a wrong option, UNSUPPORTED for a compression that this runtime does not have, BROKER_UNREACHABLE when no broker answered within `connectTimeoutMs`
 */
export const connect = (options: ConnectOptions): Promise<Quire> => connectWith(options, systemPorts);

/** The same with other ports, for tests. */
export async function connectWith(given: ConnectOptions, ports: ClientPorts): Promise<Quire> {
  const options = resolveOptions(given);
  given.signal?.throwIfAborted();
  const { compression } = options;
  const compressor = compression === "none" ? undefined : new Compressor(Compression[compression], await loadCodec(compression));
  const quire = new Quire(options, ports, compressor);
  try {
    await quire.start(given.signal);
    return quire;
  } catch (error) {
    await quire.close({ timeoutMs: 0 });
    throw error;
  }
}

/** A connected client. Made by `connect`. */
export class Quire implements AsyncDisposable {
  readonly #options: ClientOptions;
  readonly #ports: ClientPorts;
  readonly #connections: Connections;
  readonly #metadata: Metadata;
  readonly #producer: Producer;
  readonly #admin: Admin;
  readonly #offsets: OffsetLookup;
  /** By topic: all `Topic` objects of one name write through one, so that order holds between them. */
  readonly #writers = new Map<string, TopicWriter>();
  readonly #consumers: Consumers;
  readonly #groups: Groups;
  readonly #closing = new AbortController();
  readonly #release: () => void;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(options: ClientOptions, ports: ClientPorts, compressor?: Compressor) {
    this.#options = options;
    this.#ports = ports;
    this.#connections = new Connections(options, ports);
    this.#metadata = new Metadata(options, ports, this.#connections, this.#closing.signal);
    this.#producer = new Producer(options, ports, this.#metadata, this.#connections, compressor);
    this.#admin = new Admin(this.#metadata, options.adminTimeoutMs);
    this.#offsets = new OffsetLookup(this.#metadata, options, ports);
    this.#groups = new Groups(this.#metadata, options.adminTimeoutMs);
    const { signal: closing } = this.#closing;
    this.#consumers = new Consumers({
      options,
      ports,
      metadata: this.#metadata,
      connections: this.#connections,
      closing,
      send: (topic, value, how) => this.topic<Uint8Array | undefined>(topic, { serializer: asTheyAre }).send(value, how),
    });
    this.#release = ports.hold();
  }

  /** @internal */
  start(signal: AbortSignal | undefined): Promise<void> {
    return this.#metadata.start(signal);
  }

  get clusterId(): string {
    return this.#metadata.cache.clusterId;
  }

  /**
   * A topic by its name; it need not exist yet.
   *
   * @throws QuireError INVALID_NAME
   */
  topic<Value = unknown>(name: string, options: TopicOptions<Value> = {}): Topic<Value> {
    checkTopicName(name);
    checkNames("topic", options, ["serializer"]);
    return new Topic<Value>({
      topic: name,
      serializer: options.serializer ?? json<Value>(),
      options: this.#options,
      ports: this.#ports,
      metadata: this.#metadata,
      connections: this.#connections,
      closing: this.#closing.signal,
      writer: this.#writer(name),
      admin: this.#admin,
      offsets: this.#offsets,
      consumers: this.#consumers,
    });
  }

  /**
   * Consumes several topics, or all that fit a pattern, as a member of a group; see `Topic.consume`.
   *
   * @throws QuireError as `Topic.consume`
   */
  async consume<Value = unknown>(
    group: string,
    subscription: ConsumeSubscription,
    handler: Handler<Value>,
    options: ConsumeTopicsOptions<Value> = {},
  ): Promise<Consumer> {
    return await this.#consumers.begin(planOfMany(group, subscription, options), options.serializer ?? json<Value>(), handler);
  }

  /** Consumer groups: who is in them, how far they are; and moving their offsets. */
  groups(): Groups {
    return this.#groups;
  }

  /** All topics by name, or those whose name begins with `prefix`. */
  topics({ prefix = "", ...limits }: CallLimits & { readonly prefix?: string } = {}): Promise<readonly TopicDescription[]> {
    return this.#admin.listTopics(prefix, limits);
  }

  /** Brokers, and how the cluster is. */
  cluster(limits: CallLimits = {}): Promise<ClusterDescription> {
    return this.#admin.describeCluster(limits);
  }

  /** Resolves once everything sent before was answered, one way or the other. */
  async flush(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.settled()));
    await this.#producer.flush();
  }

  /**
   * Closes all consumers, each as its `close` does, then takes no more sends, waits until those under way are answered (at most `timeoutMs`, default: as long as
   * that takes, which `deliveryTimeoutMs` bounds), ends all readers, and leaves nothing behind. Called again, it waits for the same.
   */
  close({ timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(timeoutMs);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number | undefined): Promise<void> {
    const consumersClosed = this.#consumers.close(timeoutMs);
    // Their handlers may still send; without any, nobody sends from now on.
    if (this.#consumers.isBusy) await consumersClosed;
    this.#producer.stop();
    const flushed = this.flush();
    if (timeoutMs === undefined) await flushed;
    else await Promise.race([flushed, pause(this.#ports.clock, timeoutMs, this.#closing.signal)]);
    this.#producer.close();
    this.#closing.abort(closedError());
    this.#connections.close();
    this.#release();
  }

  #writer(topic: string): TopicWriter {
    let writer = this.#writers.get(topic);
    if (writer === undefined) {
      writer = new TopicWriter(topic, this.#options, this.#ports, this.#metadata, this.#producer);
      this.#writers.set(topic, writer);
    }
    return writer;
  }
}

/** Bytes, and no bytes as a record without a value. */
const asTheyAre: Serializer<Uint8Array | undefined> = { serialize: (value) => value, deserialize: (bytes) => bytes };
