/**
 * Sends at a fixed rate. Records that are due at the same time are sent and counted together: with a promise and a value for each, the benchmark's
 * own heap took most of what the producer took, and the further it fell behind the more it held.
 */
import { machineMonotonicMs } from "../../base/system-ports.js";
import type { Topic } from "../../client/index.js";
import type { Payload } from "./payload.js";
import type { Due, Schedule } from "./schedule.js";
import type { Tally } from "./tally.js";

/** Timed records per second and process; beyond it, one in so many. */
const SAMPLES_PER_SECOND = 20_000;

export interface PacedRecords {
  /** This sender's own: a value waits for room in the client's buffer while others are made. */
  readonly payload: Payload;
  readonly nextKey: () => Buffer | undefined;
  /** Of a key and a value. */
  readonly bytes: number;
  /** Per second, of all senders of this process. */
  readonly rate: number;
}

/** Takes one in so many. */
class Sampler {
  readonly #every: number;
  #passed = 0;

  constructor(every: number) {
    this.#every = every;
  }

  /** How many of the next `records` are samples. */
  of(records: number): number {
    this.#passed += records;
    const samples = Math.floor(this.#passed / this.#every);
    this.#passed -= samples * this.#every;
    return samples;
  }
}

export class PacedSender {
  readonly #topic: Topic<Uint8Array>;
  readonly #schedule: Schedule;
  readonly #records: PacedRecords;
  readonly #tally: Tally;
  readonly #stamped: Sampler;
  readonly #timed: Sampler;
  /** The client has no room for what is due: what becomes due meanwhile is only counted. */
  #isHeldUp = false;

  constructor(topic: Topic<Uint8Array>, schedule: Schedule, records: PacedRecords, tally: Tally) {
    this.#topic = topic;
    this.#schedule = schedule;
    this.#records = records;
    this.#tally = tally;
    const every = Math.max(1, Math.ceil(records.rate / SAMPLES_PER_SECOND));
    this.#stamped = new Sampler(every);
    this.#timed = new Sampler(every);
  }

  /**
   * Sends what is due. What is late is sent at once and counts from when it was due, so a stall is as long as it was (coordinated omission). Returns
   * promises that resolve when it is answered, and never reject.
   */
  sendDue(nowMs: number): Promise<void>[] {
    const sending: Promise<void>[] = [];
    if (this.#isHeldUp) return sending;
    for (const due of this.#schedule.due(nowMs)) {
      sending.push(this.#send(due));
      if (this.#isHeldUp) break;
    }
    return sending;
  }

  async #send({ atMs, records }: Due): Promise<void> {
    let acknowledged = 0;
    const onProgress = (now: number, partition: number): void => {
      const nowMs = machineMonotonicMs();
      this.#tally.counted(now - acknowledged, (now - acknowledged) * this.#records.bytes);
      this.#tally.heard(partition, nowMs);
      this.#tally.latency(atMs, nowMs, this.#timed.of(now - acknowledged));
      acknowledged = now;
    };
    try {
      await this.#topic.sendAll(this.#values(atMs, records), { key: this.#records.nextKey, onProgress });
    } catch (thrown) {
      this.#tally.failed(thrown, records - acknowledged);
    }
  }

  /** The client asks for the next value when it has taken the one before. */
  *#values(atMs: number, records: number): Generator<Uint8Array> {
    this.#isHeldUp = true;
    try {
      for (let at = 0; at < records; at++) yield this.#records.payload.next(this.#stamped.of(1) === 1 ? atMs : 0);
    } finally {
      this.#isHeldUp = false;
    }
  }
}
