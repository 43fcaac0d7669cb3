/**
 * What a consumer reads of one topic, kept apart by partition. A partition whose handler is slow is read no further than its share, and does not keep the
 * others waiting for credit: what it has received is taken on our own account, within a bound; beyond that, reading stops as a whole.
 */
import type { QuireError } from "../../base/errors.js";
import type { PositionMessage } from "../../wire/messages.js";
import type { Connections } from "../connections.js";
import type { Metadata } from "../metadata.js";
import type { ClientOptions } from "../options.js";
import type { ClientPorts } from "../ports.js";
import { type Arrived, ReadSession } from "../read-session.js";

/** A partition is read on while it has less than this part of the window waiting. */
const SHARE = 4;
/** Windows' worth on our own account, at the most. */
const WINDOWS_MAX = 4;

/** A batch that waits for the partition's handler. */
export interface Waiting extends Arrived {
  /** Its credit is given back already. */
  isRefunded: boolean;
}

interface Lane {
  readonly partition: number;
  readonly wake: () => void;
  readonly waiting: Waiting[];
  bytes: number;
  isFull: boolean;
  isPaused: boolean;
  /** Where it was last read on because records are gone; -1 while none are. */
  leaptTo: number;
}

export interface ReadingParts {
  readonly topic: string;
  readonly outOfRange: "earliest" | "latest";
  readonly options: ClientOptions;
  readonly ports: ClientPorts;
  readonly metadata: Metadata;
  readonly connections: Connections;
}

export class TopicReading {
  readonly #session: ReadSession;
  readonly #windowBytes: number;
  readonly #failed: (error: QuireError) => void;
  readonly #lanes = new Map<number, Lane>();
  #refundedBytes = 0;
  #hasFailed = false;

  /** @param failed nothing of this topic arrives any more */
  constructor({ topic, outOfRange, options, ports, metadata, connections }: ReadingParts, failed: (error: QuireError) => void) {
    this.#windowBytes = options.readAheadBytes;
    this.#failed = failed;
    const plan = {
      topic,
      begin: new Map(),
      end: new Map(),
      follow: false,
      outOfRange,
      onLeap: (partition: number, offset: number) => this.#leapt(partition, offset),
    };
    this.#session = new ReadSession(plan, options, ports, metadata, connections, () => this.#route());
  }

  get isEmpty(): boolean {
    return this.#lanes.size === 0;
  }

  /** @param wake something arrived */
  add(partition: number, at: PositionMessage, isPaused: boolean, wake: () => void): void {
    this.#lanes.set(partition, { partition, wake, waiting: [], bytes: 0, isFull: false, isPaused, leaptTo: -1 });
    this.#session.add(partition, at);
    if (isPaused) this.#session.hold(partition, true);
  }

  remove(partition: number): void {
    const lane = this.#lanes.get(partition);
    if (lane === undefined) return;
    this.#session.remove(partition);
    this.#lanes.delete(partition);
    for (const waiting of lane.waiting.splice(0)) this.#release(waiting);
  }

  pause(partition: number, isPaused: boolean): void {
    const lane = this.#lanes.get(partition);
    if (lane === undefined) return;
    lane.isPaused = isPaused;
    this.#hold(lane);
  }

  /** What waits, first first. Call `done` after each `shift`. */
  peek(partition: number, at = 0): Waiting | undefined {
    return this.#lanes.get(partition)?.waiting[at];
  }

  shift(partition: number): Waiting | undefined {
    return this.#lanes.get(partition)?.waiting.shift();
  }

  /** Where the partition was read on because records before it are gone; what waits was before that, or comes after it. -1 for nowhere. */
  leaptTo(partition: number): number {
    return this.#lanes.get(partition)?.leaptTo ?? -1;
  }

  done(waiting: Waiting): void {
    this.#release(waiting);
    const lane = this.#lanes.get(waiting.partition);
    if (lane === undefined) return;
    lane.bytes -= waiting.batch.body.length;
    if (lane.isFull && lane.bytes <= this.#windowBytes / SHARE / 2) lane.isFull = false;
    this.#hold(lane);
  }

  close(): void {
    this.#lanes.clear();
    this.#session.close();
  }

  #route(): void {
    for (let arrived = this.#session.shift(); arrived !== undefined; arrived = this.#session.shift()) {
      const lane = this.#lanes.get(arrived.partition);
      if (lane === undefined) {
        this.#session.taken(arrived);
        continue;
      }
      lane.waiting.push({ ...arrived, isRefunded: false });
      lane.bytes += arrived.batch.body.length;
      // One partition alone has nobody to make room for: credit does.
      if (this.#lanes.size > 1 && lane.bytes >= this.#windowBytes / SHARE) this.#fill(lane);
      lane.wake();
    }
    const { failure } = this.#session;
    if (failure === undefined || this.#hasFailed) return;
    this.#hasFailed = true;
    this.#failed(failure);
  }

  #leapt(partition: number, offset: number): void {
    const lane = this.#lanes.get(partition);
    if (lane === undefined) return;
    lane.leaptTo = offset;
    lane.wake();
  }

  #fill(lane: Lane): void {
    lane.isFull = true;
    this.#hold(lane);
    for (const waiting of lane.waiting) {
      const { length } = waiting.batch.body;
      if (waiting.isRefunded) continue;
      if (this.#refundedBytes + length > WINDOWS_MAX * this.#windowBytes) return;
      waiting.isRefunded = true;
      this.#refundedBytes += length;
      this.#session.taken(waiting);
    }
  }

  #hold(lane: Lane): void {
    this.#session.hold(lane.partition, lane.isFull || lane.isPaused);
  }

  #release(waiting: Waiting): void {
    if (waiting.isRefunded) this.#refundedBytes -= waiting.batch.body.length;
    else this.#session.taken(waiting);
  }
}
