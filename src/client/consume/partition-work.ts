/** One owned partition at work: its records to the handler one after the other, and what is done to be committed. */
import { QuireError } from "../../base/errors.js";
import type { Logger, Timer } from "../../base/ports.js";
import type { Slots } from "../../base/slots.js";
import type { ClientPorts } from "../ports.js";
import { ReceivedBatch, type ReceivedRecord } from "../record.js";
import type { Serializer } from "../serializers.js";
import { Unpacker } from "../unpack.js";
import type { Commits } from "./committer.js";
import type { ResolvedConsume } from "./consume-options.js";
import type { Bench, HandlerContext, Handling } from "./handling.js";
import type { TopicReading, Waiting } from "./topic-reading.js";

/** A handler that never waits lets others have their turn after so long; looked at every so many records. */
const TURN_MS = 10;
const TURN_RECORDS = 32;

export interface WorkParts<Value> {
  readonly plan: ResolvedConsume;
  readonly ports: ClientPorts;
  readonly logger: Logger;
  readonly serializer: Serializer<Value>;
  readonly handling: Handling<Value>;
  readonly slots: Slots;
  readonly reading: TopicReading;
  readonly commits: Commits;
}

export class PartitionWork<Value> implements Bench {
  readonly topic: string;
  readonly partition: number;
  readonly #parts: WorkParts<Value>;
  readonly #unpacker: Unpacker;
  readonly #abort = new AbortController();
  #isStopping = false;
  #isPaused: boolean;
  #ended: Promise<void> | undefined;
  #drain: Timer | undefined;
  #wake: () => void = () => {};
  #turnMs = 0;
  #turnRecords = 0;
  /** First record that is committed without having been handled yet: only with `commit: "before"`. */
  #ahead = 0;
  /** Next record to be handled, once known; -1 before. */
  position = -1;
  highWatermark: number;
  attemptSinceMs = 0;
  /** What is being handled, or was last. */
  offset = -1;

  constructor(parts: WorkParts<Value>, isPaused: boolean, highWatermark: number) {
    this.#parts = parts;
    this.topic = parts.commits.place.topic;
    this.partition = parts.commits.place.partition;
    this.#unpacker = new Unpacker(this.topic);
    this.#isPaused = isPaused;
    this.highWatermark = highWatermark;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  context(record: ReceivedRecord<unknown>, attempt: number): HandlerContext {
    return new Context(this, record, attempt, this.#parts.plan.commit === "manual" ? this.#parts.commits : undefined);
  }

  /** Works until it is stopped. @throws what no retry can heal, as the consumer's options have it */
  run(): Promise<void> {
    this.#ended ??= this.#run();
    return this.#ended;
  }

  /** Something arrived. */
  readonly wake = (): void => this.#wake();

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#parts.reading.pause(this.partition, isPaused);
    this.#wake();
  }

  /** Begins nothing more; resolves when the record under way has come to its end, which its signal asks for after `drainTimeoutMs`. */
  async stop(): Promise<void> {
    const { ports, plan } = this.#parts;
    this.#isStopping = true;
    this.#drain ??= ports.clock.after(plan.drainTimeoutMs, () => this.#abort.abort(new QuireError("CANCELLED", "the partition is to be given back")));
    this.#wake();
    await this.ended();
    this.#drain.cancel();
  }

  /** Resolves when the handler has come to its end, and no other record will be begun. */
  async ended(): Promise<void> {
    // Whoever called run hears of its failure.
    await this.#ended?.catch(() => {});
  }

  /** The partition is others' already, or the consumer ends: the handler is told to stop. */
  lose(why: QuireError): void {
    this.#isStopping = true;
    this.#drain?.cancel();
    this.#parts.commits.lose(why, true);
    this.#abort.abort(why);
    this.#wake();
  }

  async #run(): Promise<void> {
    const { reading } = this.#parts;
    let isDone = true;
    while (!this.#isStopping) {
      const waiting = this.#isPaused ? undefined : reading.shift(this.partition);
      this.#leapBefore(waiting ?? reading.peek(this.partition));
      if (waiting === undefined) {
        await this.#something();
        continue;
      }
      try {
        isDone = await this.#batch(waiting);
      } finally {
        reading.done(waiting);
      }
    }
    if (isDone) this.#leapBefore(reading.peek(this.partition));
  }

  /**
   * Everything that came before `next` is handled, and what was to come then may be gone: the place where reading went on is committed however commits
   * are made, since whoever goes on with the partition must not leap once more, past what was written since.
   */
  #leapBefore(next: Waiting | undefined): void {
    const offset = this.#parts.reading.leaptTo(this.partition);
    if (offset <= this.position || (next !== undefined && next.from < offset)) return;
    this.position = offset;
    this.highWatermark = Math.max(this.highWatermark, offset);
    this.#parts.commits.mark(offset);
  }

  async #something(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = () => {};
  }

  /** Whether all of it is handled. */
  async #batch(waiting: Waiting): Promise<boolean> {
    const { reading, serializer } = this.#parts;
    const { topic, partition } = this;
    this.highWatermark = Math.max(this.highWatermark, waiting.highWatermark);
    const body = this.#unpacker.body(waiting, reading.peek(partition));
    const batch = new ReceivedBatch({ ...waiting, topic, partition }, waiting.batch, body instanceof Promise ? await body : body, serializer);
    const records = batch[Symbol.iterator]();
    for (;;) {
      const record = this.#next(records, batch);
      if (record === undefined) return true;
      if (!(await this.#mayBegin(record, batch.to)) || !(await this.#one(record))) return false;
      this.#done(record.offset + 1);
      if (++this.#turnRecords % TURN_RECORDS === 0) await this.#turn();
    }
  }

  /** Undefined at the batch's end, and of a batch that cannot be read on, if that is to be skipped. @throws QuireError CORRUPT_BATCH, UNSUPPORTED */
  #next(records: Iterator<ReceivedRecord<Value>, undefined>, batch: ReceivedBatch<Value>): ReceivedRecord<Value> | undefined {
    try {
      return records.next().value;
    } catch (error) {
      if (this.#parts.plan.onFailure !== "skip") throw error;
      const { topic, partition, from, to } = batch;
      this.#parts.logger.warn({ topic, partition, from, to, error }, "a batch cannot be read: going on behind it");
      this.#done(to);
      return undefined;
    }
  }

  /** Whether to handle the record, once that may be: not while paused, not when stopping, not before a commit that goes first. */
  async #mayBegin(record: ReceivedRecord<Value>, batchEnd: number): Promise<boolean> {
    const { plan, commits } = this.#parts;
    // What is committed already is handled, or it would be lost without need.
    if (plan.commit === "before" && record.offset < this.#ahead) return !this.signal.aborted;
    while (this.#isPaused && !this.#isStopping) await this.#something();
    if (this.#isStopping) return false;
    if (plan.commit !== "before") return true;
    const ahead = Math.min(record.offset + plan.aheadRecords, batchEnd);
    try {
      await commits.commit(ahead);
    } catch {
      // Lost, which the committer has told.
      return false;
    }
    this.#ahead = ahead;
    return !this.signal.aborted;
  }

  async #one(record: ReceivedRecord<Value>): Promise<boolean> {
    const { slots, handling } = this.#parts;
    await slots.acquire();
    try {
      if (this.signal.aborted || (this.#isStopping && record.offset >= this.#ahead)) return false;
      this.offset = record.offset;
      this.position = record.offset;
      return await handling.handle(record, this);
    } finally {
      slots.release();
    }
  }

  #done(next: number): void {
    this.position = next;
    if (this.#parts.plan.commit === "after") this.#parts.commits.mark(next);
  }

  async #turn(): Promise<void> {
    const { clock } = this.#parts.ports;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#turnMs < TURN_MS) return;
    await new Promise<void>((resolve) => clock.soon(resolve));
    this.#turnMs = clock.monotonicMs();
  }
}

class Context implements HandlerContext {
  readonly signal: AbortSignal;
  readonly attempt: number;
  readonly topic: string;
  readonly #offset: number;
  readonly #commits: Commits | undefined;

  constructor(bench: Bench, { topic, offset }: ReceivedRecord<unknown>, attempt: number, commits: Commits | undefined) {
    this.signal = bench.signal;
    this.attempt = attempt;
    this.topic = topic;
    this.#offset = offset;
    this.#commits = commits;
  }

  async commit(): Promise<void> {
    if (this.#commits === undefined) throw new QuireError("UNSUPPORTED", 'commits are automatic; consume with commit: "manual" to commit by hand');
    await this.#commits.commit(this.#offset + 1);
  }
}
