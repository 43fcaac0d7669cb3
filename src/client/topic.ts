import type { Clock } from "../base/ports.js";
import { NamedPosition, type PositionMessage } from "../wire/messages.js";
import type { Admin, CreateTopicOptions, PartitionDescription, TopicDescription, UpdateTopicOptions } from "./admin.js";
import type { CallLimits } from "./calls.js";
import type { ConsumeEachOptions, ConsumeOptions } from "./consume/consume-options.js";
import type { Consumer } from "./consume/consumer.js";
import { type Consumers, planOf, planOfLoop } from "./consume/consumers.js";
import type { Handler } from "./consume/handling.js";
import { recordLoop } from "./consume/record-loop.js";
import { abortable } from "./ports.js";
import type { ReadOptions } from "./read-options.js";
import type { OffsetLookup } from "./read-positions.js";
import { Reader, type ReaderParts } from "./reader.js";
import type { ReceivedRecord } from "./record.js";
import {
  BulkCompletion,
  bulkRequest,
  checkSendAllOptions,
  checkSendOptions,
  type SendAllOptions,
  type SendAllResult,
  SendCompletion,
  type SendOptions,
  type SendResult,
  writeRequest,
} from "./send.js";
import type { TopicWriter } from "./writer.js";

/** A bulk send lets others have their turn after so many records. */
const RECORDS_PER_TURN = 1_000;
/** And looks at the clock once for so many: that costs as much as encoding a small record. */
const RECORDS_PER_LOOK = 8;

export interface TopicParts<Value> extends ReaderParts<Value> {
  readonly writer: TopicWriter;
  readonly admin: Admin;
  readonly offsets: OffsetLookup;
  readonly consumers: Consumers;
}

/** One topic, its values being of type `Value`: what it takes and what it gives. Making one asks no broker. */
export class Topic<Value> {
  readonly name: string;
  readonly #parts: TopicParts<Value>;

  constructor(parts: TopicParts<Value>) {
    this.name = parts.topic;
    this.#parts = parts;
  }

  /**
   * Sends one record. Resolves when it is acknowledged; retries by itself, in order, until `deliveryTimeoutMs` is over; it is written once, however
   * often it was sent (`idempotence`). When the buffer is full it waits, which is your backpressure: await it.
   *
   * @throws QuireError RECORD_TOO_LARGE, TOPIC_NOT_FOUND, BUFFER_FULL, WRITE_OUTCOME_UNKNOWN, PRODUCER_FENCED (a producer with a name was begun
   * elsewhere), or the last failure when time was up
   */
  send(value: Value, options: SendOptions = {}): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      checkSendOptions(options);
      const { serializer, writer } = this.#parts;
      const { signal } = options;
      signal?.throwIfAborted();
      const request = writeRequest(value, serializer, this.#clock.wallMs(), options);
      if (signal === undefined) return writer.write(request, new SendCompletion(resolve, reject, request.timestampMs), this.#clock.monotonicMs());
      const sent = new Promise<SendResult>((done, failed) =>
        writer.write(request, new SendCompletion(done, failed, request.timestampMs), this.#clock.monotonicMs()),
      );
      abortable(sent, signal).then(resolve, reject);
    });
  }

  /**
   * Sends many records as fast as the brokers take them, in order, with one promise for all and memory bounded by the buffer. Stops at
   * the first failure, waits for what is under way, then rejects with how many were acknowledged.
   */
  async sendAll(values: Iterable<Value> | AsyncIterable<Value>, options: SendAllOptions<Value> = {}): Promise<SendAllResult> {
    checkSendAllOptions(options);
    const { signal } = options;
    const bulk = new BulkCompletion(options.onProgress);
    if (Symbol.asyncIterator in values) {
      for await (const value of values) {
        signal?.throwIfAborted();
        await this.#room(signal);
        if (bulk.failure !== undefined) break;
        this.#sendOne(value, options, bulk);
      }
    } else await this.#sendEach(values, options, bulk);
    return await (signal === undefined ? bulk.result() : abortable(bulk.result(), signal));
  }

  /**
   * Reads records, from all partitions at once or those given, in order within each. Iterate what it returns; nothing is fetched before.
   *
   * @throws QuireError INVALID_SETTING
   */
  read(options: ReadOptions = {}): Reader<Value> {
    return new Reader(this.#parts, options);
  }

  /**
   * Reads the topic as a member of a consumer group: its partitions are shared among all members, each record goes to one of them, and what the group has processed
   * is kept by the brokers. Resolves when the group has taken the consumer in. The handler gets one record of a partition at a time, in order, and
   * those of different partitions side by side; when what it returns is settled the record is processed, and committed before long.
   *
   * A handler that throws is called again (`retries`); then `onFailure` decides. It may take its time, and may block the event loop: only one that comes to no end
   * for `progressTimeoutMs` loses its partitions. Look at the consumer's `done`.
   *
   * @throws QuireError INVALID_NAME, INVALID_SETTING, TOPIC_NOT_FOUND, INCONSISTENT_GROUP, DEADLINE (not taken in within `adminTimeoutMs`)
   */
  async consume(group: string, handler: Handler<Value>, options: ConsumeOptions = {}): Promise<Consumer> {
    const { consumers, serializer } = this.#parts;
    return await consumers.begin(planOf(group, this.name, options), serializer, handler);
  }

  /**
   * The same as a loop, one record at a time of all partitions: asking for the next one says that the one before is processed. Leaving the loop leaves the group; the record
   * it was left with is not processed, and comes again.
   *
   * @throws QuireError as `consume`, and what ends the consumer
   */
  consumeEach(group: string, options: ConsumeEachOptions = {}): AsyncGenerator<ReceivedRecord<Value>, undefined> {
    const { consumers, serializer } = this.#parts;
    const plan = planOfLoop(group, this.name, options);
    return recordLoop((handler) => consumers.begin(plan, serializer, handler), options.signal);
  }

  /**
   * Creates the topic; resolves when it is there and its partitions have leaders, or ten seconds later without.
   *
   * @throws QuireError TOPIC_ALREADY_EXISTS, INVALID_QUORUM, NOT_ENOUGH_BROKERS, INVALID_FIELD
   */
  create(options: CreateTopicOptions = {}): Promise<TopicDescription> {
    return this.#parts.admin.createTopic(this.name, options);
  }

  /** Settings, and where its partitions are. @throws QuireError TOPIC_NOT_FOUND */
  describe(limits: CallLimits = {}): Promise<TopicDescription> {
    return this.#parts.admin.getTopic(this.name, limits);
  }

  /** Changes what is given and nothing else. @throws QuireError TOPIC_NOT_FOUND, INVALID_QUORUM, INVALID_FIELD, CONFLICT */
  update(change: UpdateTopicOptions): Promise<TopicDescription> {
    return this.#parts.admin.updateTopic(this.name, change);
  }

  /** Deletes the topic and its records. @throws QuireError TOPIC_NOT_FOUND */
  delete(limits: CallLimits = {}): Promise<void> {
    return this.#parts.admin.deleteTopic(this.name, limits);
  }

  /** Where its partitions are and who leads them. */
  async partitions(limits: CallLimits = {}): Promise<readonly PartitionDescription[]> {
    return (await this.describe(limits)).partitionStates;
  }

  /**
   * The offset of a place in each partition, by partition. `latest` is just past the last record, and includes everything acknowledged
   * before the call.
   */
  async offsets(at: "earliest" | "latest" | Date | { readonly timestampMs: number }, limits: CallLimits = {}): Promise<ReadonlyMap<number, number>> {
    const { metadata, closing, offsets } = this.#parts;
    const route = await metadata.topic(this.name, limits);
    const partitions = route.partitions.map((_, partition) => partition);
    return await offsets.offsets(this.name, partitions, positionOf(at), limits, closing);
  }

  /** Moves a partition's leadership to another of its replicas. @throws QuireError NOT_READY when that one is not caught up, BROKER_UNREACHABLE, … */
  transferLeader(partition: number, nodeId: number, limits: CallLimits = {}): Promise<void> {
    return this.#parts.admin.transferLeader(this.name, partition, nodeId, limits);
  }

  /** Forgets a partition's records before an offset, at most the high watermark; returns the first that is kept. @throws QuireError OFFSET_OUT_OF_RANGE */
  trim(partition: number, beforeOffset: number, limits: CallLimits = {}): Promise<number> {
    return this.#parts.admin.trim(this.name, partition, beforeOffset, limits);
  }

  get #clock(): Clock {
    return this.#parts.ports.clock;
  }

  #room(signal: AbortSignal | undefined): Promise<void> {
    const room = this.#parts.writer.room();
    return signal === undefined ? room : abortable(room, signal);
  }

  /** Values that are there already. It runs once per record, a million times a second, and makes nothing but the request for each. */
  async #sendEach(values: Iterable<Value>, options: SendAllOptions<Value>, bulk: BulkCompletion): Promise<void> {
    const { signal } = options;
    const { serializer, writer } = this.#parts;
    let turn = 0;
    let wallMs = -1;
    let sentMs = 0;
    for (const value of values) {
      const turnEnds = ++turn % RECORDS_PER_TURN === 0;
      if (turnEnds) await new Promise<void>((resolve) => this.#clock.soon(resolve));
      signal?.throwIfAborted();
      const waits = !writer.hasRoom;
      if (waits) await this.#room(signal);
      if (bulk.failure !== undefined) return;
      const nowMs = waits || turnEnds || turn % RECORDS_PER_LOOK === 1 ? this.#clock.wallMs() : wallMs;
      if (nowMs !== wallMs) sentMs = this.#clock.monotonicMs();
      wallMs = nowMs;
      const request = bulkRequest(value, serializer, nowMs, options);
      bulk.sending();
      writer.write(request, bulk, sentMs);
    }
  }

  #sendOne(value: Value, options: SendAllOptions<Value>, bulk: BulkCompletion): void {
    const { serializer, writer } = this.#parts;
    const request = bulkRequest(value, serializer, this.#clock.wallMs(), options);
    bulk.sending();
    writer.write(request, bulk, this.#clock.monotonicMs());
  }
}

function positionOf(at: "earliest" | "latest" | Date | { readonly timestampMs: number }): PositionMessage {
  if (at === "earliest") return { position: "named", named: NamedPosition.earliest };
  if (at === "latest") return { position: "named", named: NamedPosition.latest };
  return { position: "timestampMs", timestampMs: at instanceof Date ? at.getTime() : at.timestampMs };
}
