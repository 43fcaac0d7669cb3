/** A member of a consumer group, as the user sees it: from being taken in to its end. */
import { QuireError } from "../../base/errors.js";
import { onAbort } from "../../base/on-abort.js";
import type { Timer } from "../../base/ports.js";
import { Slots } from "../../base/slots.js";
import { type Connections, closedError } from "../connections.js";
import type { Metadata } from "../metadata.js";
import type { ClientOptions } from "../options.js";
import { abortable, type ClientPorts, pause } from "../ports.js";
import type { Serializer } from "../serializers.js";
import type { Begin } from "./claims.js";
import { type Commits, Committer, type OwnedPlace } from "./committer.js";
import type { ResolvedConsume } from "./consume-options.js";
import { type BuryRecord, type Handler, Handling } from "./handling.js";
import { Holdings } from "./holdings.js";
import { type FromHost, fromErrorMessage } from "./membership-messages.js";
import type { MemberLink, Memberships } from "./memberships.js";
import { PartitionWork } from "./partition-work.js";
import { ProgressCell } from "./progress-cell.js";
import { TopicReading } from "./topic-reading.js";

export interface ConsumerParts {
  readonly options: ClientOptions;
  readonly ports: ClientPorts;
  readonly metadata: Metadata;
  readonly connections: Connections;
  readonly memberships: Memberships;
  /** Called once, when it has ended. Not by `done`: whose rejection anybody of us looks at is one that nobody need look at. */
  readonly ended: (consumer: Consumer) => void;
}

/** What a consumer works at of one partition. Offsets are undefined before anything is known. */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Of the next record for the handler. */
  readonly position: number | undefined;
  /** As acknowledged. */
  readonly committed: number | undefined;
  /** Just past the last record there is, as far as is known here. */
  readonly highWatermark: number | undefined;
}

/** One partition, for `pause` and `resume`. */
export interface PausedPartition {
  readonly topic: string;
  readonly partition: number;
}

/** After aborted handlers, so much is left for commits, by default. */
const CLOSE_MARGIN_MS = 5_000;
/** For the coordinator to confirm that we left. */
const LEAVE_MS = 3_000;

/**
 * A consumer that its group has taken in. Made by `consume`. It works until `close`, or until something ends it that no retry can heal; then `done` rejects,
 * which nobody should miss: left alone, that ends the process.
 */
export class Consumer implements AsyncDisposable {
  readonly group: string;
  /** Unique; shown by `describe`. */
  readonly memberId: string;
  /**
   * Settles when the consumer has ended: resolves after `close`.
   *
   * Rejects with a `HandlerFailure` (a record could not be handled, and `onFailure` is `stop`), a QuireError DEADLINE (a handler hangs, see
   * `progressTimeoutMs`), MEMBER_FENCED (its instance was begun elsewhere), or what the brokers refuse for good.
   */
  readonly done: Promise<void>;
  readonly #plan: ResolvedConsume;
  readonly #parts: ConsumerParts;
  readonly #options: ClientOptions;
  readonly #committer: Committer;
  readonly #holdings: Holdings;
  readonly #handling: Handling<unknown>;
  readonly #serializer: Serializer<unknown>;
  readonly #cell = new ProgressCell();
  readonly #slots: Slots;
  readonly #readings = new Map<string, TopicReading>();
  readonly #paused = new Set<string>();
  readonly #entered: Promise<void>;
  readonly #unhook: () => void;
  readonly #hangs: Timer;
  #link: MemberLink;
  #isPaused = false;
  #isEntered = false;
  #ending: Promise<void> | undefined;
  #failure: { readonly why: unknown } | undefined;
  #isOut = false;
  #takenIn: () => void = () => {};
  #refused: (why: unknown) => void = () => {};
  #settle: () => void = () => {};
  #wentOut: () => void = () => {};

  /** @internal */
  constructor(plan: ResolvedConsume, parts: ConsumerParts, serializer: Serializer<unknown>, handler: Handler<unknown>, bury: BuryRecord) {
    const { ports, options: given, metadata, connections } = parts;
    const { group, commitIntervalMs } = plan;
    const options = plan.readAheadBytes === undefined ? given : { ...given, readAheadBytes: plan.readAheadBytes };
    this.group = group;
    this.memberId = ports.random.uuid();
    this.#plan = plan;
    this.#parts = parts;
    this.#options = options;
    this.#serializer = serializer;
    this.#slots = new Slots(plan.concurrency);
    this.#handling = new Handling(plan, handler, this.#cell, ports, options.logger, bury);
    const who = { group, memberId: this.memberId, options, ports, metadata };
    this.#committer = new Committer({ ...who, commitIntervalMs, connections });
    this.#holdings = new Holdings({
      ...who,
      from: plan.from,
      committer: this.#committer,
      start: (commits, begin, failed) => this.#start(commits, begin, failed),
      stopped: (place) => this.#stopped(place),
      failed: (thrown) => this.#fail(thrown),
      tell: (stream, version, places) => this.#link.hold(stream, version, places),
    });
    this.done = new Promise((resolve, reject) => {
      this.#settle = () => (this.#failure === undefined ? resolve() : reject(this.#failure.why));
    });
    this.#entered = new Promise((resolve, reject) => {
      this.#takenIn = resolve;
      this.#refused = reject;
    });
    const lookMs = Math.max(10, Math.min(1_000, plan.progressTimeoutMs / 20));
    this.#hangs = ports.clock.every(lookMs, () => this.#lookForHanging());
    this.#unhook = plan.signal === undefined ? () => {} : onAbort(plan.signal, () => void this.close());
    const { topics, pattern, instanceId, clientId, strategy, sessionTimeoutMs, progressTimeoutMs } = plan;
    const member = { group, memberId: this.memberId, topics, pattern, instanceId, clientId, strategy, sessionTimeoutMs, progressTimeoutMs };
    this.#link = parts.memberships.enter(member, this.#cell, (news) => this.#heard(news));
  }

  /** @internal Resolves when the group has taken it in. @throws QuireError why not */
  async entered(): Promise<void> {
    const { ports } = this.#parts;
    const { adminTimeoutMs } = this.#options;
    const { signal } = this.#plan;
    const stop = new AbortController();
    const timeUp = pause(ports.clock, adminTimeoutMs, stop.signal).then(() => {
      if (!stop.signal.aborted)
        this.#refused(new QuireError("DEADLINE", `group ${this.group} did not take the consumer in within ${adminTimeoutMs} ms (adminTimeoutMs)`));
    });
    try {
      await (signal === undefined ? this.#entered : abortable(this.#entered, signal));
    } catch (thrown) {
      this.done.catch(() => {});
      void this.close({ timeoutMs: 0 });
      signal?.throwIfAborted();
      throw thrown;
    } finally {
      stop.abort();
      await timeUp;
    }
  }

  /** What it works at now. */
  assignment(): readonly AssignedPartition[] {
    const known = (offset: number | undefined): number | undefined => (offset === undefined || offset < 0 ? undefined : offset);
    return this.#holdings.works.map(({ place, work, commits }) => ({
      topic: place.topic,
      partition: place.partition,
      position: known(work?.position),
      committed: known(commits?.committed),
      highWatermark: known(work?.highWatermark),
    }));
  }

  /** Begins no more records, of everything or of some partitions, until `resume`. It stays a member and keeps its partitions. */
  pause(partitions?: readonly PausedPartition[]): void {
    this.#setPaused(partitions, true);
  }

  /** Goes on after `pause`: with everything, or with some partitions. */
  resume(partitions?: readonly PausedPartition[]): void {
    this.#setPaused(partitions, false);
  }

  /**
   * Begins no more records, lets those under way come to their end, commits, and leaves the group, whose other members take over at once. At the latest after
   * `timeoutMs` (default: `drainTimeoutMs`, after which handlers are told to stop, and 5 s) it leaves with handlers still at work; their records come again
   * elsewhere. May be called more than once; never rejects.
   */
  close({ timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#ending ??= this.#end(timeoutMs ?? this.#plan.drainTimeoutMs + CLOSE_MARGIN_MS);
    return this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(timeoutMs: number): Promise<void> {
    const { clock } = this.#parts.ports;
    this.#hangs.cancel();
    if (!this.#isOut) {
      const stop = new AbortController();
      await Promise.race([this.#holdings.drain(), pause(clock, timeoutMs, stop.signal)]);
      stop.abort();
    }
    this.#holdings.close();
    this.#committer.close();
    for (const reading of this.#readings.values()) reading.close();
    this.#link.leave();
    if (!this.#isOut) await this.#left();
    this.#unhook();
    this.#refused(this.#failure?.why ?? closedError());
    this.#settle();
    this.#parts.ended(this);
  }

  async #left(): Promise<void> {
    const stop = new AbortController();
    const out = new Promise<void>((resolve) => {
      this.#wentOut = resolve;
    });
    await Promise.race([out, pause(this.#parts.ports.clock, LEAVE_MS, stop.signal)]);
    stop.abort();
  }

  #heard(news: FromHost): void {
    const { logger } = this.#options;
    const { group, memberId } = this;
    switch (news.say) {
      case "entered":
        this.#isEntered = true;
        logger.debug({ group, memberId, coordinator: news.coordinatorNodeId }, "entered the group");
        this.#takenIn();
        break;
      case "assignment":
        if (this.#ending === undefined) this.#holdings.assign(news.stream, news.version, news.partitions);
        break;
      case "fenced":
        logger.warn({ group, memberId, why: news.why.message }, "was silent for too long: entering the group anew");
        this.#holdings.fenced(fromErrorMessage(news.why));
        break;
      case "lost":
        logger.debug({ group, memberId, address: news.address, why: news.why.message }, "membership stream lost");
        break;
      case "ended":
        this.#isOut = true;
        this.#wentOut();
        if (this.#ending === undefined) this.#thrownOut(news.why === undefined ? closedError() : fromErrorMessage(news.why));
        break;
      default:
        break;
    }
  }

  /** No member any more: nothing could be committed, so there is nothing to wait for. */
  #thrownOut(why: QuireError): void {
    if (!this.#isEntered) this.done.catch(() => {});
    this.#holdings.close(why);
    this.#fail(why);
  }

  #fail(why: unknown): void {
    if (this.#failure !== undefined || this.#ending !== undefined) return;
    this.#failure = { why };
    this.#options.logger.error({ group: this.group, memberId: this.memberId, error: why }, "the consumer ends");
    void this.close();
  }

  #start(commits: Commits, begin: Begin, failed: (thrown: unknown) => void): PartitionWork<unknown> {
    const { topic, partition } = commits.place;
    const { ports } = this.#parts;
    const reading = this.#reading(topic);
    const isPaused = this.#isPaused || this.#paused.has(`${topic}/${partition}`);
    const shared = { plan: this.#plan, ports, logger: this.#options.logger, serializer: this.#serializer, handling: this.#handling, slots: this.#slots };
    const work = new PartitionWork<unknown>({ ...shared, reading, commits }, isPaused, begin.highWatermark);
    if (begin.at.position === "offset") work.position = begin.at.offset;
    work.run().catch(failed);
    reading.add(partition, begin.at, isPaused, work.wake);
    return work;
  }

  #stopped({ topic, partition }: OwnedPlace): void {
    const reading = this.#readings.get(topic);
    reading?.remove(partition);
    if (reading?.isEmpty !== true) return;
    reading.close();
    this.#readings.delete(topic);
  }

  #reading(topic: string): TopicReading {
    const known = this.#readings.get(topic);
    if (known !== undefined) return known;
    const { ports, metadata, connections } = this.#parts;
    const parts = { topic, outOfRange: this.#plan.from, options: this.#options, ports, metadata, connections };
    const reading = new TopicReading(parts, (error) => this.#readingFailed(topic, error));
    this.#readings.set(topic, reading);
    return reading;
  }

  #readingFailed(topic: string, error: QuireError): void {
    // A topic that is deleted is taken from its members; one that is made anew under its name is assigned anew.
    if (error.reason === "TOPIC_NOT_FOUND" || error.reason === "PARTITION_NOT_FOUND")
      this.#options.logger.warn({ group: this.group, topic, error }, "nothing more to read");
    else this.#fail(error);
  }

  #setPaused(partitions: readonly PausedPartition[] | undefined, isPaused: boolean): void {
    if (partitions === undefined) {
      this.#isPaused = isPaused;
      if (!isPaused) this.#paused.clear();
    }
    for (const { topic, partition } of partitions ?? []) {
      if (isPaused) this.#paused.add(`${topic}/${partition}`);
      else this.#paused.delete(`${topic}/${partition}`);
    }
    for (const { place, work } of this.#holdings.works) work?.pause(this.#isPaused || this.#paused.has(`${place.topic}/${place.partition}`));
  }

  #lookForHanging(): void {
    const nowMs = this.#parts.ports.clock.monotonicMs();
    const { progressTimeoutMs } = this.#plan;
    for (const work of this.#holdings.underWay) {
      const { attemptSinceMs, topic, partition, offset } = work;
      if (attemptSinceMs === 0 || nowMs - attemptSinceMs <= progressTimeoutMs) continue;
      const forMs = Math.round(nowMs - attemptSinceMs);
      const message = `the handler has been at offset ${offset} of ${topic}/${partition} for ${forMs} ms; the limit is ${progressTimeoutMs} ms (progressTimeoutMs)`;
      const why = new QuireError("DEADLINE", message, { details: { group: this.group, topic, partition, offset, progressTimeoutMs } });
      this.#holdings.abandon(work, why);
      this.#fail(why);
      return;
    }
  }
}
