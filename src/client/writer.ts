/** Writes to one topic: chooses partitions, checks sizes, and turns outcomes into what `send` and `sendAll` promised. */
import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { partitionNotFound } from "../base/refusals.js";
import { closedError } from "./connections.js";
import type { Metadata } from "./metadata.js";
import type { TopicRoute } from "./metadata-cache.js";
import type { ClientOptions } from "./options.js";
import type { Completion, OutgoingRecord } from "./outgoing-batch.js";
import { Pace } from "./pace.js";
import { Partitioner } from "./partitioner.js";
import type { ClientPorts } from "./ports.js";
import type { Producer } from "./producer.js";
import type { WaitingSend } from "./send-queue.js";
import type { WriteTarget } from "./write-target.js";

/** One record on its way in. */
export interface WriteRequest extends OutgoingRecord {
  /** Given by the user; otherwise the key decides. */
  readonly partition: number | undefined;
}

export class TopicWriter {
  readonly #topic: string;
  readonly #options: ClientOptions;
  readonly #ports: ClientPorts;
  readonly #metadata: Metadata;
  readonly #producer: Producer;
  readonly #partitioner: Partitioner;
  /** Of records that may go anywhere: one batch after the other is theirs. */
  readonly #pace: Pace;
  readonly #targets: WriteTarget[] = [];
  /** Set while the topic's routes are being asked for: what is sent meanwhile follows in order. */
  #early: Promise<void> | undefined;
  #earlyCount = 0;

  constructor(topic: string, options: ClientOptions, ports: ClientPorts, metadata: Metadata, producer: Producer) {
    this.#topic = topic;
    this.#options = options;
    this.#ports = ports;
    this.#metadata = metadata;
    this.#producer = producer;
    this.#pace = new Pace(options.batchBytes);
    this.#partitioner = new Partitioner(ports.random, options.batchBytes, (partition) => this.#targets[partition]?.lane.size ?? 0);
  }

  /** Whether `write` takes a record at once. */
  get hasRoom(): boolean {
    return !this.#producer.stopped && this.#early === undefined && this.#metadata.cache.topic(this.#topic) !== undefined && this.#producer.queue.hasRoom;
  }

  /** Takes a record, at once or in its turn; `completion` is told what became of it. Never throws. @param sentMs monotonic */
  write(request: WriteRequest, completion: Completion, sentMs: number): void {
    if (this.hasRoom) this.#append(request, completion, sentMs);
    else {
      const inTurn = { sentMs, admit: () => this.#append(request, completion, sentMs), refuse: (error: QuireError) => completion.rejected(error, 1) };
      this.#wait(inTurn);
    }
  }

  /** Resolves when there is room. @throws QuireError why there will be none */
  room(): Promise<void> {
    if (this.hasRoom) return Promise.resolve();
    return new Promise((resolve, reject) => this.#wait({ sentMs: this.#ports.clock.monotonicMs(), admit: resolve, refuse: reject }));
  }

  /** Resolves once nothing waits for the topic's routes any more. */
  async settled(): Promise<void> {
    await this.#early?.catch(() => {});
  }

  /** Until the topic is known and the buffer has room, in the order of the calls. */
  #wait(send: WaitingSend): void {
    if (this.#producer.stopped) send.refuse(closedError());
    else if (this.#early === undefined && this.#metadata.cache.topic(this.#topic) !== undefined) this.#producer.queue.wait(send);
    else if (this.#earlyCount >= this.#options.sendsWaitingMax) {
      send.refuse(
        new QuireError("BUFFER_FULL", `${this.#earlyCount} sends wait for the routes of topic ${this.#topic} (sendsWaitingMax); await what you send`),
      );
    } else this.#waitForTopic(send);
  }

  #waitForTopic(send: WaitingSend): void {
    this.#early ??= this.#findTopic();
    this.#earlyCount += 1;
    this.#early.then(
      () => {
        this.#earlyCount -= 1;
        if (this.#producer.queue.hasRoom) send.admit();
        else this.#producer.queue.wait(send);
      },
      (error: QuireError) => {
        this.#earlyCount -= 1;
        send.refuse(error);
      },
    );
  }

  #findTopic(): Promise<void> {
    const found = this.#metadata.topic(this.#topic, { timeoutMs: this.#options.deliveryTimeoutMs }).then(() => {});
    // Registered before any sender's, so it runs before them: whoever sends from here on follows those who wait.
    const done = (): void => {
      this.#early = undefined;
    };
    found.then(done, done);
    return found;
  }

  #append(request: WriteRequest, completion: Completion, sentMs: number): void {
    const route = this.#metadata.cache.topic(this.#topic);
    if (route === undefined) {
      completion.rejected(new QuireError("TOPIC_NOT_FOUND", `topic ${this.#topic} was deleted`, { details: { topic: this.#topic } }), 1);
      return;
    }
    const bytesAtMost = sizeAtMost(request);
    const refused = this.#problem(request, route, bytesAtMost);
    if (refused !== undefined) {
      completion.rejected(refused, 1);
      return;
    }
    const { lingerMs } = this.#options;
    const partitions = route.partitions.length;
    if (request.partition === undefined && request.key === undefined) {
      // With nothing under way whoever sends may be waiting for this very record's answer, and send no more until then.
      const paceMs = this.#producer.queue.bytes > 0 ? this.#pace.lingerMs(sentMs) : 0;
      const partition = this.#anywhere(bytesAtMost, sentMs, partitions);
      const isLast = partition !== this.#partitioner.sticky;
      const limits = { sentMs, bytesAtMost, batchBytesMax: batchBytesMax(route), lingerMs: Math.max(lingerMs, paceMs), isLast };
      this.#producer.append(this.#target(partition), request, completion, limits);
    } else {
      const target = this.#target(request.partition ?? this.#partitioner.choose(request.key, partitions));
      this.#producer.append(target, request, completion, { sentMs, bytesAtMost, batchBytesMax: batchBytesMax(route), lingerMs, isLast: false });
    }
  }

  /** Where a record without a key goes; the partitioner knows then where the next one goes. */
  #anywhere(bytes: number, sentMs: number, partitions: number): number {
    // Nothing is under way there, so no batch is made smaller by going elsewhere: a slow producer uses all partitions too.
    if (this.#targets[this.#partitioner.sticky]?.lane.isEmpty === true) this.#partitioner.move(partitions);
    const partition = this.#partitioner.choose(undefined, partitions);
    this.#pace.took(bytes, sentMs);
    this.#partitioner.took(bytes, partitions);
    return partition;
  }

  #target(partition: number): WriteTarget {
    const known = this.#targets[partition];
    if (known !== undefined) return known;
    const target = this.#producer.target(this.#topic, partition);
    this.#targets[partition] = target;
    return target;
  }

  #problem(request: WriteRequest, route: TopicRoute, bytesAtMost: number): QuireError | undefined {
    const recordBytesMax = Math.min(this.#metadata.cache.limits?.recordBytesMax || limits.recordBytes, limits.recordBytes, batchBytesMax(route));
    if (bytesAtMost > recordBytesMax) {
      const size = exactSize(request);
      if (size > recordBytesMax) {
        return new QuireError(
          "RECORD_TOO_LARGE",
          `a record of ${size} bytes is too large for topic ${this.#topic}; the limit is ${recordBytesMax}; store large things elsewhere and send where they are`,
          {
            details: { bytes: size, limit: recordBytesMax },
          },
        );
      }
    }
    const { partition } = request;
    if (partition !== undefined && (!Number.isInteger(partition) || partition < 0 || partition >= route.partitions.length)) {
      return partitionNotFound(this.#topic, partition, route.partitions.length);
    }
    return undefined;
  }
}

const batchBytesMax = (route: TopicRoute): number => Math.min(route.batchBytesMax || limits.batchBytes, limits.batchBytes);

/** Tags and lengths of a record's fields, and of each header's, at most. */
const RECORD_ENVELOPE = 40;
const HEADER_ENVELOPE = 16;

const lengthAtMost = (content: Uint8Array | string): number => (typeof content === "string" ? content.length * 3 : content.length);
const lengthOf = (content: Uint8Array | string): number => (typeof content === "string" ? Buffer.byteLength(content) : content.length);

/** Without looking at each character of a string. Written out: it runs for every record. */
function sizeAtMost({ key, value, headers }: OutgoingRecord): number {
  let size = RECORD_ENVELOPE + (key === undefined ? 0 : key.length) + (value === undefined ? 0 : lengthAtMost(value));
  for (const header of headers) size += HEADER_ENVELOPE + lengthAtMost(header.key) + lengthAtMost(header.value);
  return size;
}

function exactSize({ key, value, headers }: OutgoingRecord): number {
  let size = RECORD_ENVELOPE + (key === undefined ? 0 : key.length) + (value === undefined ? 0 : lengthOf(value));
  for (const header of headers) size += HEADER_ENVELOPE + lengthOf(header.key) + lengthOf(header.value);
  return size;
}
