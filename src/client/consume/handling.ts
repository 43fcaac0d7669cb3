/** One record in its handler's hands: attempts, pauses between them, and what becomes of it when all have failed. */
import type { Logger } from "../../base/ports.js";
import { type ClientPorts, pause } from "../ports.js";
import type { ReceivedRecord } from "../record.js";
import { retryDelayMs } from "../retry.js";
import type { ResolvedConsume } from "./consume-options.js";
import type { ProgressCell } from "./progress-cell.js";

/** What a handler is given beside the record. */
export interface HandlerContext {
  /** Aborts when the handler should come to an end: the partition is wanted back for longer than `drainTimeoutMs`, is lost, or the consumer closes. */
  readonly signal: AbortSignal;
  /** Which attempt at this record this is, from 1. */
  readonly attempt: number;
  readonly topic: string;
  /**
   * With `commit: "manual"`: this record, and all before it in its partition, are processed. Resolves when that is committed. May be called later than
   * the handler's end.
   *
   * @throws QuireError PARTITION_NOT_OWNED or STALE_GENERATION when the partition is others' now, UNSUPPORTED when commits are not manual
   */
  commit(): Promise<void>;
}

/** Whatever it returns is awaited; then the record is processed. */
export type Handler<Value> = (record: ReceivedRecord<Value>, context: HandlerContext) => unknown;

/** A handler threw at every attempt, and `onFailure` is `stop`. `cause` is what it threw last. */
export class HandlerFailure extends Error {
  override name = "HandlerFailure";
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly attempts: number;

  constructor({ topic, partition, offset }: ReceivedRecord<unknown>, attempts: number, cause: unknown) {
    super(`the handler failed ${attempts} times at offset ${offset} of ${topic}/${partition}: ${messageOf(cause)}`, { cause });
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
    this.attempts = attempts;
  }
}

export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

/** Sends a record that nobody could handle where it is kept; resolves when that is acknowledged. */
export type BuryRecord = (record: ReceivedRecord<unknown>, failure: HandlerFailure) => Promise<void>;

/** The work at one partition, as handling sees it. */
export interface Bench {
  readonly signal: AbortSignal;
  /** Giving back: no further attempt is begun. */
  readonly isStopping: boolean;
  /** Since when an attempt is awaited; 0: none is. */
  attemptSinceMs: number;
  context(record: ReceivedRecord<unknown>, attempt: number): HandlerContext;
}

export class Handling<Value> {
  readonly #plan: Pick<ResolvedConsume, "retries" | "onFailure" | "group">;
  readonly #handler: Handler<Value>;
  readonly #cell: ProgressCell;
  readonly #ports: ClientPorts;
  readonly #logger: Logger;
  readonly #bury: BuryRecord;

  constructor(plan: ResolvedConsume, handler: Handler<Value>, cell: ProgressCell, ports: ClientPorts, logger: Logger, bury: BuryRecord) {
    this.#plan = plan;
    this.#handler = handler;
    this.#cell = cell;
    this.#ports = ports;
    this.#logger = logger;
    this.#bury = bury;
  }

  /** Whether the record is done with; not if the work was stopped before. A promise only if the handler made one. @throws HandlerFailure */
  handle(record: ReceivedRecord<Value>, bench: Bench): true | Promise<boolean> {
    this.#cell.began();
    try {
      const result = this.#handler(record, bench.context(record, 1));
      if (isThenable(result)) return this.#settle(record, bench, result);
    } catch (thrown) {
      this.#cell.ended();
      return this.#again(record, bench, thrown);
    }
    this.#cell.ended();
    return true;
  }

  async #settle(record: ReceivedRecord<Value>, bench: Bench, result: PromiseLike<unknown>): Promise<boolean> {
    try {
      await this.#awaited(bench, result);
      return true;
    } catch (thrown) {
      return await this.#again(record, bench, thrown);
    }
  }

  /** The attempt's end. */
  async #awaited(bench: Bench, result: PromiseLike<unknown>): Promise<void> {
    bench.attemptSinceMs = this.#ports.clock.monotonicMs();
    try {
      await result;
    } finally {
      bench.attemptSinceMs = 0;
      this.#cell.ended();
    }
  }

  async #again(record: ReceivedRecord<Value>, bench: Bench, thrown: unknown): Promise<boolean> {
    const { attempts, delayMsMin, delayMsMax } = this.#plan.retries;
    const delays = { retryDelayMsMin: delayMsMin, retryDelayMsMax: delayMsMax };
    let failure = thrown;
    for (let attempt = 1; ; attempt++) {
      // What a handler throws because it was told to stop is no failure of the record's.
      if (bench.signal.aborted) return false;
      if (attempt >= attempts) return await this.#give(record, new HandlerFailure(record, attempt, failure));
      if (bench.isStopping) return false;
      const { topic, partition, offset } = record;
      this.#logger.info({ group: this.#plan.group, topic, partition, offset, attempt, error: messageOf(failure) }, "a handler failed: it is tried again");
      await pause(this.#ports.clock, retryDelayMs(attempt, delays, this.#ports.random), bench.signal);
      if (bench.signal.aborted || bench.isStopping) return false;
      this.#cell.began();
      try {
        await this.#awaited(bench, this.#call(record, bench, attempt + 1));
        return true;
      } catch (again) {
        failure = again;
      }
    }
  }

  async #call(record: ReceivedRecord<Value>, bench: Bench, attempt: number): Promise<unknown> {
    return await this.#handler(record, bench.context(record, attempt));
  }

  async #give(record: ReceivedRecord<Value>, failure: HandlerFailure): Promise<boolean> {
    const { onFailure, group } = this.#plan;
    if (onFailure === "stop") throw failure;
    const { topic, partition, offset, attempts } = failure;
    if (onFailure !== "skip") await this.#bury(record, failure);
    this.#logger.warn({ group, topic, partition, offset, attempts, error: messageOf(failure.cause), onFailure }, "a record could not be handled: going on");
    return true;
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as { readonly then?: unknown }).then === "function";
