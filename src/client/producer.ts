/**
 * Everything this client has under way to be written: the bounded buffer, each partition's lane, a stream per broker, and the one timer that
 * watches deadlines. Decisions are `lane.ts`'s and `retry.ts`'s; here they are acted upon.
 */
import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import type { Timer } from "../base/ports.js";
import { Acks } from "../base/record-batch.js";
import type { ProduceResult } from "../wire/messages.js";
import { fromStatus } from "../wire/status.js";
import type { Compressor } from "./compressor.js";
import { type Connections, closedError } from "./connections.js";
import { Identities } from "./identities.js";
import { Lane } from "./lane.js";
import type { Metadata } from "./metadata.js";
import type { ClientOptions } from "./options.js";
import { type Completion, EncoderPool, OutgoingBatch, type OutgoingRecord } from "./outgoing-batch.js";
import type { ClientPorts } from "./ports.js";
import { ProduceStream } from "./produce-stream.js";
import { retryDelayMs, verdictOnWrite } from "./retry.js";
import { SendQueue } from "./send-queue.js";
import { Sequence, stamped } from "./sequence.js";
import { bufferFull, deadlineError, overtakenError, unknownOutcome } from "./write-errors.js";
import type { AppendLimits, Attempt, BrokerLink, WriteTarget } from "./write-target.js";

/** Deadlines, stalls and moved leaders are looked for so often while anything is under way. */
const SWEEP_MS = 100;
/** A leader that was replaced may still answer; what it has not answered so long after is given up. */
const MOVED_GRACE_MS = 200;

export class Producer {
  readonly queue: SendQueue;
  readonly #options: ClientOptions;
  readonly #ports: ClientPorts;
  readonly #metadata: Metadata;
  readonly #connections: Connections;
  readonly #compressor: Compressor | undefined;
  readonly #encoders: EncoderPool;
  /** By address. */
  readonly #links = new Map<string, BrokerLink>();
  /** Targets with anything in their lane. */
  readonly #active = new Set<WriteTarget>();
  readonly #dirty = new Set<WriteTarget>();
  #pumpScheduled = false;
  #timer: Timer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  /** Flushes under way: nothing lingers. */
  #hurries = 0;
  #stopped = false;
  #closed = false;
  /** Undefined without idempotence. */
  readonly #identities: Identities | undefined;
  /** Another has begun under this producer's name: nothing more is written. */
  #fenced: QuireError | undefined;

  constructor(options: ClientOptions, ports: ClientPorts, metadata: Metadata, connections: Connections, compressor?: Compressor) {
    this.#options = options;
    this.#ports = ports;
    this.#metadata = metadata;
    this.#connections = connections;
    this.#compressor = compressor;
    this.#encoders = new EncoderPool(options.batchBytes);
    this.queue = new SendQueue(options.bufferBytesMax, options.sendsWaitingMax);
    const identityEvents = { onKnown: () => this.#touchAll(), onRefused: (error: QuireError) => this.#refuseAll(error) };
    if (options.idempotence) this.#identities = new Identities(metadata.calls, options, identityEvents);
    metadata.onChange(() => this.#leadersChanged());
  }

  target(topic: string, partition: number): WriteTarget {
    const lane = new Lane<OutgoingBatch>({ inFlightMax: this.#options.inFlightBatchesMax });
    return { topic, partition, lane, sequence: new Sequence(), link: undefined, triedNodeId: 0, triedTerm: 0, movedMs: 0, leaderlessMs: 0 };
  }

  /** Whether `stop` or `close` was called: nothing more is to be appended by users. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** What waits and what is under way goes on; nothing new is taken. */
  stop(): void {
    this.#stopped = true;
  }

  /** Puts a record into the target's open batch. The caller has checked the record's size, and that there is room. */
  append(target: WriteTarget, record: OutgoingRecord, completion: Completion, { sentMs, bytesAtMost, batchBytesMax, lingerMs, isLast }: AppendLimits): void {
    if (this.#fenced !== undefined) {
      completion.rejected(this.#fenced, 1);
      return;
    }
    const { lane } = target;
    const { deliveryTimeoutMs, batchBytes } = this.#options;
    let batch = lane.open;
    let isNews = false;
    // A batch has one deadline, that of its first record: one much younger would be told too early, so it begins another.
    if (batch === undefined || batch.bytes + bytesAtMost > batchBytesMax || sentMs + deliveryTimeoutMs * 0.9 > batch.deadlineMs) {
      batch = new OutgoingBatch(
        target.partition,
        { lingersUntilMs: this.#ports.clock.monotonicMs() + lingerMs, deadlineMs: sentMs + deliveryTimeoutMs },
        record.timestampMs,
        this.#encoders,
        this.#compressor && { by: this.#compressor, onReady: () => this.#touch(target) },
      );
      lane.begin(batch);
      this.#active.add(target);
      isNews = true;
    }
    this.queue.add(batch.add(record, completion));
    if (isLast || batch.bytes >= Math.min(batchBytes, batchBytesMax) || batch.records >= limits.batchRecords) {
      lane.close();
      isNews = true;
    }
    // One more record in an open batch changes nothing about when it may leave.
    if (isNews) this.#touch(target);
  }

  /** Resolves once everything appended before was answered, one way or the other. */
  async flush(): Promise<void> {
    this.#hurries += 1;
    try {
      for (const target of this.#active) this.#touch(target);
      await this.queue.turn(this.#ports.clock.monotonicMs());
      for (const target of this.#active) this.#touch(target);
      const waits: Promise<void>[] = [];
      for (const target of this.#active) {
        // The lane answers in order, but for what expires: so each batch is waited for.
        for (const batch of target.lane.batches()) waits.push(new Promise((resolve) => batch.whenSettled(resolve)));
      }
      await Promise.all(waits);
    } finally {
      this.#hurries -= 1;
    }
  }

  /** What is still under way is rejected. */
  close(): void {
    this.#stopped = true;
    this.#closed = true;
    this.#timer?.cancel();
    this.queue.expire(Number.POSITIVE_INFINITY, closedError);
    for (const link of this.#links.values()) link.stream.close();
    this.#links.clear();
    for (const target of this.#active) {
      for (const batch of target.lane.clear()) {
        batch.reject(batch.attempts === 0 ? closedError() : unknownOutcome(target, "the client was closed", batch.lastError));
        this.queue.release(batch.bytes);
      }
    }
    this.#active.clear();
  }

  /** Something may be sent: look, once, after this turn's IO. */
  #touch(target: WriteTarget): void {
    this.#dirty.add(target);
    if (this.#pumpScheduled || this.#closed) return;
    this.#pumpScheduled = true;
    this.#ports.clock.soon(() => this.#pump());
  }

  #pump(): void {
    this.#pumpScheduled = false;
    if (this.#closed) return;
    const nowMs = this.#ports.clock.monotonicMs();
    let wakeMs = this.#active.size > 0 ? nowMs + SWEEP_MS : Number.POSITIVE_INFINITY;
    const targets = [...this.#dirty];
    this.#dirty.clear();
    for (const target of targets) wakeMs = Math.min(wakeMs, this.#sendFrom(target, nowMs));
    for (const link of this.#links.values()) link.stream.flush();
    this.#wakeAt(wakeMs);
  }

  /** Sends what the lane allows; returns when to look again. */
  #sendFrom(target: WriteTarget, nowMs: number): number {
    const leader = this.#metadata.cache.leader(target.topic, target.partition);
    if (leader === undefined || target.lane.isEmpty) return Number.POSITIVE_INFINITY;
    const identity = this.#identities?.current();
    if (this.#identities !== undefined && identity === undefined) return Number.POSITIVE_INFINITY;
    const link = this.#link(leader.nodeId, leader.address);
    if (target.lane.inFlight.length > 0 && target.link !== link) return Number.POSITIVE_INFINITY;
    if (!link.stream.writable) {
      if (link.resumeMs > nowMs) return link.resumeMs;
      link.stream.open();
      return Number.POSITIVE_INFINITY;
    }
    target.link = link;
    target.triedNodeId = leader.nodeId;
    target.triedTerm = leader.term;
    while (link.stream.writable) {
      if (identity !== undefined && target.sequence.isUsedUp(identity)) {
        this.#identities?.renew(identity);
        break;
      }
      const batch = target.lane.take(nowMs, this.#hurries > 0);
      if (batch === undefined) break;
      batch.attempts += 1;
      if (identity !== undefined) batch.stamp ??= target.sequence.stamp(identity, batch.records);
      const timeoutMs = Math.max(1, Math.ceil(Math.min(this.#options.requestTimeoutMs, batch.deadlineMs - nowMs)));
      const { topic, partition, lane } = target;
      link.stream.send(
        { target, batch },
        { topic, partition, acks: Acks[this.#options.acks], timeoutMs, run: lane.run, batch: stamped(batch.message(), batch.stamp) },
      );
    }
    return target.lane.wakeMs() ?? Number.POSITIVE_INFINITY;
  }

  #link(nodeId: number, address: string): BrokerLink {
    const known = this.#links.get(address);
    if (known !== undefined) return known;
    const stream: ProduceStream<Attempt> = new ProduceStream(address, this.#connections, this.#ports.clock, {
      onWritable: () => this.#touchAll(),
      onResult: (attempt, result) => this.#answered(link, attempt, result),
      onClosed: (error, unanswered) => this.#lost(link, error, unanswered),
    });
    const link: BrokerLink = { nodeId, stream, failures: 0, resumeMs: 0, lastError: undefined, suspectedMs: 0 };
    this.#links.set(address, link);
    return link;
  }

  #answered(link: BrokerLink, { target, batch }: Attempt, result: ProduceResult): void {
    link.failures = 0;
    if (result.leader !== null) this.#metadata.hint(target.topic, target.partition, result.leader);
    if (result.error !== null) this.#failed(target, batch, fromStatus(result.error), link.nodeId);
    else {
      target.leaderlessMs = 0;
      const overtaken = target.lane.acknowledged(batch);
      batch.acknowledge(result.baseOffset);
      this.#left(target, batch);
      for (const other of overtaken) {
        other.reject(overtakenError(target, other));
        this.#gaveUp(target, other);
      }
    }
    this.#touch(target);
  }

  #failed(target: WriteTarget, batch: OutgoingBatch, error: QuireError, nodeId: number): void {
    const { lane } = target;
    batch.lastError = error;
    if (error.status === "RESOURCE_EXHAUSTED") target.leaderlessMs = 0;
    if (error.retry === "idempotent") batch.outcomeUnknown = true;
    const { stamp, outcomeUnknown } = batch;
    const isCurrent = stamp !== undefined && target.sequence.isCurrent(stamp);
    const verdict = verdictOnWrite(error, { stamp, isCurrent, outcomeUnknown, retryUnknown: this.#options.retryUnknown });
    if (batch.settled || (verdict !== "resend" && verdict !== "renumber")) {
      // Known wrongly, or deleted: the next send asks anew.
      if (error.reason === "TOPIC_NOT_FOUND") this.#metadata.cache.forgetTopic(target.topic);
      // What is numbered behind a batch that will never be written would leave a gap.
      lane.rejected(batch, error.retry === "never" && stamp === undefined);
      const mayBeWritten = verdict === "unknown" || (stamp !== undefined && outcomeUnknown);
      batch.reject(mayBeWritten ? unknownOutcome(target, error.message, error) : error);
      this.#gaveUp(target, batch);
      if (verdict === "fenced") this.#fence(error);
      return;
    }
    if (verdict === "renumber") {
      target.sequence.gaveUp(stamp);
      batch.stamp = undefined;
    }
    lane.failed(batch);
    const leader = this.#metadata.cache.leader(target.topic, target.partition);
    const elsewhere = leader !== undefined && leader.nodeId !== nodeId && lane.failuresInRow <= 1;
    if (!elsewhere) lane.pauseUntil(this.#ports.clock.monotonicMs() + retryDelayMs(lane.failuresInRow, this.#options, this.#ports.random, error));
  }

  /** The connection is gone, and with it the answers. */
  #lost(link: BrokerLink, error: QuireError, unanswered: readonly Attempt[]): void {
    const { clock, random } = this.#ports;
    link.failures += 1;
    link.lastError = error;
    if (unanswered.length === 0 || link.failures > 1) link.resumeMs = clock.monotonicMs() + retryDelayMs(link.failures, this.#options, random);
    this.#metadata.suspect(link.nodeId);
    for (const { target, batch } of unanswered) this.#unknown(target, batch, error);
    this.#options.logger.debug({ address: link.stream.address, error, unanswered: unanswered.length }, "produce stream lost");
    this.#touchAll();
  }

  #unknown(target: WriteTarget, batch: OutgoingBatch, error: QuireError): void {
    const unknown = unknownOutcome(target, error.message, error);
    batch.lastError = unknown;
    batch.outcomeUnknown = true;
    if (batch.settled || !(this.#options.retryUnknown || batch.stamp !== undefined)) {
      target.lane.rejected(batch, false);
      batch.reject(unknown);
      this.#gaveUp(target, batch);
    } else target.lane.failed(batch);
    this.#touch(target);
  }

  #left(target: WriteTarget, batch: OutgoingBatch): void {
    if (target.lane.isEmpty) {
      this.#active.delete(target);
      target.leaderlessMs = 0;
    }
    this.queue.release(batch.bytes);
  }

  /** It will not be sent again, written or not. */
  #gaveUp(target: WriteTarget, batch: OutgoingBatch): void {
    target.sequence.gaveUp(batch.stamp);
    this.#left(target, batch);
  }

  #fence(error: QuireError): void {
    this.#fenced = error;
    this.#options.logger.error({ error, producer: this.#options.producer }, "another producer has begun under this name: nothing more is written");
    this.#refuseAll(error);
  }

  /** Nothing of what waits will be sent; what is in flight gets its answer. */
  #refuseAll(error: QuireError): void {
    for (const target of this.#active) {
      for (const batch of target.lane.expire(Number.POSITIVE_INFINITY)) {
        if (target.lane.inFlight.includes(batch)) continue;
        batch.reject(batch.outcomeUnknown ? unknownOutcome(target, error.message, error) : error);
        this.#gaveUp(target, batch);
      }
    }
  }

  #leadersChanged(): void {
    for (const target of this.#active) {
      const leader = this.#metadata.cache.leader(target.topic, target.partition);
      if (leader === undefined || (leader.nodeId === target.triedNodeId && leader.term === target.triedTerm)) continue;
      target.lane.resume();
      this.#touch(target);
    }
  }

  #touchAll(): void {
    for (const target of this.#active) this.#touch(target);
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = atMs;
    this.#timer = this.#ports.clock.after(Math.max(0, atMs - this.#ports.clock.monotonicMs()), () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.#sweep();
    });
  }

  #sweep(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    const { deliveryTimeoutMs, stallMs } = this.#options;
    this.queue.expire(nowMs - deliveryTimeoutMs, () => bufferFull(deliveryTimeoutMs, this.queue.bytes));
    for (const target of this.#active) {
      this.#expire(target, nowMs);
      this.#giveUpOldLeader(target, nowMs);
      this.#lookForLeader(target, nowMs);
      this.#touch(target);
    }
    for (const link of this.#links.values()) {
      if (link.stream.stalledMs(nowMs) < stallMs || nowMs - link.suspectedMs < stallMs) continue;
      link.suspectedMs = nowMs;
      this.#metadata.suspect(link.nodeId);
    }
  }

  #lookForLeader(target: WriteTarget, nowMs: number): void {
    const { lane } = target;
    const isLed = this.#metadata.cache.leader(target.topic, target.partition) !== undefined;
    // What only lingers is not kept from anyone.
    if (isLed && lane.inFlight.length === 0 && lane.failuresInRow === 0) target.leaderlessMs = 0;
    else if (target.leaderlessMs === 0) target.leaderlessMs = nowMs;
    else if (nowMs - target.leaderlessMs >= this.#options.stallMs) this.#metadata.askElsewhere();
  }

  #expire(target: WriteTarget, nowMs: number): void {
    for (const batch of target.lane.expire(nowMs)) {
      if (batch.settled) continue;
      const inFlight = target.lane.inFlight.includes(batch);
      batch.reject(
        deadlineError(target, batch, {
          inFlight,
          deliveryTimeoutMs: this.#options.deliveryTimeoutMs,
          linkError: target.link?.lastError ?? this.#identities?.problem,
        }),
      );
      if (!inFlight) this.#gaveUp(target, batch);
    }
  }

  /** Batches sent to a leader that another has replaced, and that does not answer: paused, cut off, or dead without a word. */
  #giveUpOldLeader(target: WriteTarget, nowMs: number): void {
    const { lane, link } = target;
    const leader = this.#metadata.cache.leader(target.topic, target.partition);
    if (lane.inFlight.length === 0 || leader === undefined || link === undefined || leader.address === link.stream.address || leader.term <= target.triedTerm) {
      target.movedMs = 0;
      return;
    }
    if (target.movedMs === 0) target.movedMs = nowMs;
    if (nowMs - target.movedMs < MOVED_GRACE_MS) return;
    target.movedMs = 0;
    link.stream.forget((attempt) => attempt.target === target);
    const error = new QuireError("BROKER_UNREACHABLE", `broker ${link.nodeId} no longer leads ${target.topic}/${target.partition} and does not answer`);
    for (const batch of [...lane.inFlight]) this.#unknown(target, batch, error);
  }
}
