/**
 * Keeps every partition of one reading subscribed at its leader, each going on exactly where it was, and holds what came until
 * the consumer takes it. Bounded: each stream's credit is one window, and no stream is opened while a window's worth waits.
 */
import { QuireError } from "../base/errors.js";
import type { Timer } from "../base/ports.js";
import type { PositionMessage, RecordBatch, SubscribeBatches, SubscribeEnd, SubscribeStarted } from "../wire/messages.js";
import { fromStatus } from "../wire/status.js";
import type { Connections } from "./connections.js";
import type { Metadata } from "./metadata.js";
import type { ClientOptions } from "./options.js";
import type { ClientPorts } from "./ports.js";
import type { ReadOptions } from "./read-options.js";
import { atOffset, earliest, latest } from "./read-positions.js";
import { mayRetryRead, retryDelayMs } from "./retry.js";
import { SubscribeStream } from "./subscribe-stream.js";

/** One partition being read. */
interface Position {
  readonly partition: number;
  /** Where the next subscription begins: an offset once anything is known. */
  at: PositionMessage;
  /** First offset not yet received; 0 while `at` is not an offset. */
  next: number;
  /** Reading stops before it. */
  readonly to: number;
  link: BrokerLink | undefined;
  subscriptionId: number;
  /** The leader's term, to tell news from old. */
  term: number;
  failures: number;
  resumeMs: number;
  /** Since when no leader serves it; 0 while one does. */
  leaderlessMs: number;
  done: boolean;
  /** Not to be subscribed for now. */
  held: boolean;
  /** The next subscription goes on elsewhere, since what was to come is gone. */
  isLeaping: boolean;
}

interface BrokerLink {
  readonly stream: SubscribeStream;
  readonly positions: Map<number, Position>;
  failures: number;
  resumeMs: number;
}

/** A batch that waits for the consumer. */
export interface Arrived {
  readonly partition: number;
  readonly batch: RecordBatch;
  readonly from: number;
  readonly to: number;
  readonly highWatermark: number;
  readonly stream: SubscribeStream;
  readonly generation: number;
}

export interface ReadPlan {
  readonly topic: string;
  readonly begin: ReadonlyMap<number, PositionMessage>;
  readonly end: ReadonlyMap<number, number>;
  /** Also read partitions that the topic grows by. */
  readonly follow: boolean;
  readonly outOfRange: NonNullable<ReadOptions["outOfRange"]>;
  /** Records are gone, and the partition is read on from `offset`. What came before has been told before. */
  readonly onLeap?: (partition: number, offset: number) => void;
}

export class ReadSession {
  readonly #plan: ReadPlan;
  readonly #options: ClientOptions;
  readonly #ports: ClientPorts;
  readonly #metadata: Metadata;
  readonly #connections: Connections;
  readonly #changed: () => void;
  readonly #positions = new Map<number, Position>();
  readonly #links = new Map<string, BrokerLink>();
  readonly #stopWatching: () => void;
  readonly #watchdog: Timer;
  #arrived: Arrived[] = [];
  #arrivedBytes = 0;
  #retry: Timer | undefined;
  #nextSubscription = 1;
  #scheduled = false;
  #closed = false;
  failure: QuireError | undefined;

  /** @param changed called when something arrived, failed or ended */
  constructor(plan: ReadPlan, options: ClientOptions, ports: ClientPorts, metadata: Metadata, connections: Connections, changed: () => void) {
    this.#plan = plan;
    this.#options = options;
    this.#ports = ports;
    this.#metadata = metadata;
    this.#connections = connections;
    this.#changed = changed;
    for (const [partition, at] of plan.begin) this.#addPosition(partition, at);
    this.#stopWatching = metadata.onChange(() => this.#schedule());
    this.#watchdog = ports.clock.every(Math.max(20, Math.min(1_000, options.silenceMs / 5)), () => this.#watch());
    this.#schedule();
  }

  /** Every partition has reached its end, and all that arrived was taken. */
  get isDone(): boolean {
    return this.#arrived.length === 0 && !this.#plan.follow && [...this.#positions.values()].every((position) => position.done);
  }

  get arrivedBytes(): number {
    return this.#arrivedBytes;
  }

  /** What `shift` gives, if anything. */
  get first(): Arrived | undefined {
    return this.#arrived[0];
  }

  /** What arrived first. Call `taken` when the consumer is done with it. */
  shift(): Arrived | undefined {
    return this.#arrived.shift();
  }

  /** The consumer is done with the batch, or keeps it on its own account: as many bytes may come again. */
  taken({ batch, stream, generation }: Arrived): void {
    this.#arrivedBytes -= batch.body.length;
    stream.taken(batch.body.length, generation);
    this.#schedule();
  }

  /** Reads one more partition. */
  add(partition: number, at: PositionMessage): void {
    this.remove(partition);
    this.#addPosition(partition, at);
    this.#schedule();
  }

  /** Reads it no more. What arrived of it and was not shifted is dropped. */
  remove(partition: number): void {
    const position = this.#positions.get(partition);
    if (position === undefined) return;
    this.#finish(position);
    this.#positions.delete(partition);
    const dropped = this.#arrived.filter((arrived) => arrived.partition === partition);
    if (dropped.length === 0) return;
    this.#arrived = this.#arrived.filter((arrived) => arrived.partition !== partition);
    for (const arrived of dropped) this.taken(arrived);
  }

  /** Stops reading a partition where it is, or goes on there. What is on its way when it stops comes again. */
  hold(partition: number, held: boolean): void {
    const position = this.#positions.get(partition);
    if (position === undefined || position.held === held || position.done) return;
    position.held = held;
    if (held && position.link !== undefined) {
      position.link.stream.remove(position.subscriptionId);
      this.#detach(position);
    } else if (!held) this.#schedule();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatching();
    this.#watchdog.cancel();
    this.#retry?.cancel();
    for (const link of this.#links.values()) link.stream.close();
    this.#arrived = [];
    this.#changed();
  }

  #addPosition(partition: number, at: PositionMessage): void {
    const to = this.#plan.end.get(partition) ?? Number.POSITIVE_INFINITY;
    const next = at.position === "offset" ? at.offset : 0;
    this.#positions.set(partition, {
      partition,
      at,
      next,
      to,
      link: undefined,
      subscriptionId: 0,
      term: 0,
      failures: 0,
      resumeMs: 0,
      leaderlessMs: 0,
      done: next >= to,
      held: false,
      isLeaping: false,
    });
  }

  /** Looks once, after this turn's IO, what is to be subscribed. */
  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#ports.clock.soon(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#assign();
    });
  }

  #assign(): void {
    if (this.#plan.follow) this.#followGrowth();
    const nowMs = this.#ports.clock.monotonicMs();
    let wakeMs = Number.POSITIVE_INFINITY;
    for (const position of this.#positions.values()) {
      if (position.done || position.held) continue;
      this.#leaveOldLeader(position);
      if (position.link === undefined) wakeMs = Math.min(wakeMs, this.#subscribe(position, nowMs));
    }
    this.#retry?.cancel();
    this.#retry = wakeMs === Number.POSITIVE_INFINITY ? undefined : this.#ports.clock.after(Math.max(1, wakeMs - nowMs), () => this.#schedule());
  }

  #followGrowth(): void {
    const count = this.#metadata.cache.topic(this.#plan.topic)?.partitions.length ?? 0;
    for (let partition = this.#positions.size; partition < count; partition++) this.#addPosition(partition, earliest);
  }

  /** Someone else leads in a later term: what is still to come comes from there. */
  #leaveOldLeader(position: Position): void {
    const leader = this.#metadata.cache.leader(this.#plan.topic, position.partition);
    const { link } = position;
    if (link === undefined || leader === undefined || leader.address === link.stream.address || leader.term <= position.term) return;
    link.stream.remove(position.subscriptionId);
    this.#detach(position);
  }

  /** Subscribes, if its leader can be reached; returns when to look again. */
  #subscribe(position: Position, nowMs: number): number {
    if (position.resumeMs > nowMs) return position.resumeMs;
    const leader = this.#metadata.cache.leader(this.#plan.topic, position.partition);
    if (leader === undefined) return Number.POSITIVE_INFINITY;
    const link = this.#link(leader.address);
    if (!link.stream.isOpen) {
      if (link.resumeMs > nowMs) return link.resumeMs;
      // A consumer that does not take while streams break again and again must not gather a window from each.
      if (this.#arrivedBytes < this.#options.readAheadBytes) link.stream.open();
      return Number.POSITIVE_INFINITY;
    }
    position.link = link;
    position.term = leader.term;
    position.subscriptionId = this.#nextSubscription++;
    link.positions.set(position.subscriptionId, position);
    link.stream.add(position.subscriptionId, this.#plan.topic, position.partition, position.at);
    return Number.POSITIVE_INFINITY;
  }

  #link(address: string): BrokerLink {
    const known = this.#links.get(address);
    if (known !== undefined) return known;
    const { clock } = this.#ports;
    const stream = new SubscribeStream(address, this.#connections, clock, this.#options.readAheadBytes, {
      onOpen: () => this.#schedule(),
      onBatches: (batches) => this.#received(link, batches),
      onStarted: (started) => this.#started(link, started),
      onEnd: (end) => this.#ended(link, end),
      onClosed: (error) => this.#lost(link, error),
    });
    const link: BrokerLink = { stream, positions: new Map(), failures: 0, resumeMs: 0 };
    this.#links.set(address, link);
    return link;
  }

  #received(link: BrokerLink, { subscriptionId, batches, highWatermark }: SubscribeBatches): void {
    const position = link.positions.get(subscriptionId);
    const { stream } = link;
    link.failures = 0;
    let news = false;
    for (const batch of batches) {
      const to = Math.min(batch.baseOffset + batch.recordCount, position?.to ?? 0);
      // Below the position: received before the stream was opened again. No position: removed while this was on its way.
      if (position === undefined || position.done || to <= position.next) {
        stream.taken(batch.body.length, stream.generation);
        continue;
      }
      const from = Math.max(batch.baseOffset, position.next);
      this.#arrived.push({ partition: position.partition, batch, from, to, highWatermark, stream, generation: stream.generation });
      this.#arrivedBytes += batch.body.length;
      position.failures = 0;
      position.next = to;
      position.at = atOffset(to);
      news = true;
      if (to >= position.to) this.#finish(position);
    }
    if (news) this.#changed();
  }

  #started(link: BrokerLink, { subscriptionId, offset, leader }: SubscribeStarted): void {
    const position = link.positions.get(subscriptionId);
    if (position === undefined) return;
    link.failures = 0;
    position.failures = 0;
    if (leader !== null) this.#hint(position, leader);
    if (leader !== null) position.term = Math.max(position.term, leader.term);
    if (position.at.position === "offset") return;
    position.next = offset;
    position.at = atOffset(offset);
    if (position.isLeaping) {
      position.isLeaping = false;
      this.#plan.onLeap?.(position.partition, offset);
    }
    if (offset >= position.to) {
      this.#finish(position);
      this.#changed();
    }
  }

  #ended(link: BrokerLink, { subscriptionId, error: status, leader }: SubscribeEnd): void {
    const position = link.positions.get(subscriptionId);
    if (position === undefined) return;
    const from = link.stream.address;
    this.#detach(position);
    if (leader !== null) this.#hint(position, leader);
    const error = status === null ? new QuireError("SHUTTING_DOWN", `broker at ${from} ended the subscription`) : fromStatus(status);
    if (error.reason === "OFFSET_OUT_OF_RANGE" && this.#plan.outOfRange !== "error") {
      const { topic, outOfRange } = this.#plan;
      this.#options.logger.warn({ topic, partition: position.partition, offset: position.next, outOfRange, error }, "records are gone: going on without them");
      position.at = this.#plan.outOfRange === "earliest" ? earliest : latest;
      position.next = 0;
      position.isLeaping = true;
    } else if (!mayRetryRead(error)) {
      this.#fail(error);
      return;
    }
    this.#backOff(position, error, from);
    this.#schedule();
  }

  #backOff(position: Position, error: QuireError, from: string): void {
    position.failures += 1;
    const leader = this.#metadata.cache.leader(this.#plan.topic, position.partition);
    if (position.failures === 1 && leader !== undefined && leader.address !== from) return;
    position.resumeMs = this.#ports.clock.monotonicMs() + retryDelayMs(position.failures, this.#options, this.#ports.random, error);
  }

  #lost(link: BrokerLink, error: QuireError): void {
    const { clock, random } = this.#ports;
    link.failures += 1;
    link.resumeMs = clock.monotonicMs() + (link.failures === 1 && link.positions.size > 0 ? 0 : retryDelayMs(link.failures, this.#options, random));
    for (const position of [...link.positions.values()]) this.#detach(position);
    this.#options.logger.debug({ address: link.stream.address, error }, "subscribe stream lost");
    if (error.reason === "UNSUPPORTED" || error.reason === "INVALID_FIELD") this.#fail(error);
    else this.#schedule();
  }

  #hint(position: Position, leader: NonNullable<SubscribeStarted["leader"]>): void {
    this.#metadata.hint(this.#plan.topic, position.partition, leader);
  }

  #finish(position: Position): void {
    position.done = true;
    if (position.link === undefined) return;
    position.link.stream.remove(position.subscriptionId);
    this.#detach(position);
  }

  #detach(position: Position): void {
    position.link?.positions.delete(position.subscriptionId);
    position.link = undefined;
    position.subscriptionId = 0;
  }

  #watch(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    for (const { stream } of this.#links.values()) {
      const silentMs = stream.silentMs(nowMs);
      if (silentMs > this.#options.silenceMs)
        stream.fail(new QuireError("BROKER_UNREACHABLE", `broker at ${stream.address} was silent for ${Math.round(silentMs)} ms`));
    }
    for (const position of this.#positions.values()) this.#lookForLeader(position, nowMs);
  }

  #lookForLeader(position: Position, nowMs: number): void {
    // A consumer that does not take keeps streams closed by itself.
    const isServed =
      position.done || position.held || (position.link !== undefined && position.failures === 0) || this.#arrivedBytes >= this.#options.readAheadBytes;
    if (isServed) position.leaderlessMs = 0;
    else if (position.leaderlessMs === 0) position.leaderlessMs = nowMs;
    else if (nowMs - position.leaderlessMs >= this.#options.stallMs) this.#metadata.askElsewhere();
  }

  #fail(error: QuireError): void {
    this.failure ??= error;
    this.#changed();
  }
}
