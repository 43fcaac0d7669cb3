/** Reading a topic, as the user sees it: an async iterable of records, or of batches. */
import { QuireError } from "../base/errors.js";
import { onAbort } from "../base/on-abort.js";
import type { CallLimits } from "./calls.js";
import type { Connections } from "./connections.js";
import type { Metadata } from "./metadata.js";
import type { ClientOptions } from "./options.js";
import { abortable, type ClientPorts } from "./ports.js";
import { checkReadOptions, partitionsToRead, type ReadOptions } from "./read-options.js";
import { OffsetLookup } from "./read-positions.js";
import { type ReadPlan, ReadSession } from "./read-session.js";
import { ReceivedBatch, type ReceivedRecord } from "./record.js";
import type { Serializer } from "./serializers.js";
import { Unpacker } from "./unpack.js";

export interface ReaderParts<Value> {
  readonly topic: string;
  readonly serializer: Serializer<Value>;
  readonly options: ClientOptions;
  readonly ports: ClientPorts;
  readonly metadata: Metadata;
  readonly connections: Connections;
  readonly closing: AbortSignal;
}

/**
 * One reading of a topic, from all its partitions at once: order holds within a partition. Iterate it once, by record or by batch.
 * Lost connections and moved leaders are not noticed; each partition goes on where it was.
 *
 * Ends when every partition has reached `to`, or after `close`. Throws the signal's reason, or a QuireError for what no retry can heal
 * (TOPIC_NOT_FOUND, OFFSET_OUT_OF_RANGE, CORRUPT_BATCH, …).
 */
export class Reader<Value> implements AsyncIterable<ReceivedRecord<Value>>, AsyncDisposable {
  readonly #parts: ReaderParts<Value>;
  readonly #wanted: ReadOptions;
  readonly #closed = new AbortController();
  #starting: Promise<ReadSession> | undefined;
  #session: ReadSession | undefined;
  #iterated = false;
  #wake: () => void = () => {};
  #unhook: () => void = () => {};

  /** @throws QuireError INVALID_SETTING */
  constructor(parts: ReaderParts<Value>, wanted: ReadOptions) {
    checkReadOptions(wanted);
    this.#parts = parts;
    this.#wanted = wanted;
  }

  /** Fixes where reading begins, and begins to fetch; iterating does so by itself. After it, `from: "latest"` misses nothing. */
  async started(): Promise<void> {
    await this.#start();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedRecord<Value>, undefined> {
    for await (const batch of this.batches()) yield* batch;
    return undefined;
  }

  /** The same by batch: for millions of records a second, since it costs one promise per batch. */
  async *batches(): AsyncGenerator<ReceivedBatch<Value>, undefined> {
    if (this.#iterated) throw new QuireError("UNSUPPORTED", "a reader can be iterated once; call read() again");
    this.#iterated = true;
    const { topic, serializer } = this.#parts;
    const { signal } = this.#wanted;
    const stop = (): void => this.#wake();
    const unhook = signal === undefined ? () => {} : onAbort(signal, stop);
    try {
      const session = await this.#begun();
      const unpacker = new Unpacker(topic);
      while (session !== undefined) {
        signal?.throwIfAborted();
        if (this.#ended) return undefined;
        const arrived = session.shift();
        if (arrived !== undefined) {
          const body = unpacker.body(arrived, session.first);
          yield new ReceivedBatch({ topic, ...arrived }, arrived.batch, body instanceof Promise ? await body : body, serializer);
          session.taken(arrived);
        } else {
          if (session.failure !== undefined) throw session.failure;
          if (session.isDone) return undefined;
          await this.#something();
        }
      }
      return undefined;
    } finally {
      unhook();
      this.#finish();
    }
  }

  /** Ends the reading; the iteration under way ends without an error. May be called more than once. */
  async close(): Promise<void> {
    this.#finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #ended(): boolean {
    return this.#closed.signal.aborted || this.#parts.closing.aborted;
  }

  /** Undefined when it was closed meanwhile. */
  async #begun(): Promise<ReadSession | undefined> {
    try {
      return await this.#start();
    } catch (thrown) {
      this.#wanted.signal?.throwIfAborted();
      if (this.#ended) return undefined;
      throw thrown;
    }
  }

  #start(): Promise<ReadSession> {
    this.#starting ??= this.#open();
    return this.#starting;
  }

  async #open(): Promise<ReadSession> {
    const { topic, options, ports, metadata, connections, closing } = this.#parts;
    const { from, to, partitions, outOfRange = "error", signal } = this.#wanted;
    const stop = AbortSignal.any([closing, this.#closed.signal, ...(signal === undefined ? [] : [signal])]);
    const limits: CallLimits = { timeoutMs: options.deliveryTimeoutMs, signal: stop };
    const route = await abortable(metadata.topic(topic, limits), stop);
    const wanted = partitionsToRead(topic, route.partitions.length, partitions);
    const lookup = new OffsetLookup(metadata, options, ports);
    const begin = await lookup.begin(topic, wanted, from, limits, stop);
    const end = await lookup.end(topic, wanted, to, limits, stop);
    if (to === "latest" && outOfRange === "error") refuseBeyond(topic, begin, end);
    stop.throwIfAborted();
    const plan: ReadPlan = { topic, begin, end, follow: partitions === undefined && to === undefined, outOfRange };
    this.#session = new ReadSession(plan, options, ports, metadata, connections, () => this.#wake());
    this.#unhook = onAbort(closing, this.#finish);
    return this.#session;
  }

  /** Resolves when the session has something to say, or the reading is to end. */
  async #something(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#ended || this.#wanted.signal?.aborted === true) resolve();
    });
    this.#wake = () => {};
  }

  readonly #finish = (): void => {
    this.#unhook();
    this.#closed.abort();
    this.#session?.close();
    this.#wake();
  };
}

/** Up to what is the end now there is nothing to ask a broker for, so it would not refuse an offset behind it. @throws QuireError OFFSET_OUT_OF_RANGE */
function refuseBeyond(topic: string, begin: ReadPlan["begin"], end: ReadPlan["end"]): void {
  for (const [partition, at] of begin) {
    const latest = end.get(partition);
    if (at.position !== "offset" || latest === undefined || at.offset <= latest) continue;
    throw new QuireError("OFFSET_OUT_OF_RANGE", `offset ${at.offset} of ${topic}/${partition} is not there yet; the next one is ${latest}`, {
      details: { topic, partition, offset: at.offset, latest },
    });
  }
}
