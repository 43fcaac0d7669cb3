/** Producers of a benchmark: as fast as the client takes records, so many sends under way, or at a fixed rate. */
import { machineMonotonicMs, systemClock } from "../../base/system-ports.js";
import { bytes, connect, type Quire, QuireError, type Topic } from "../../client/index.js";
import { PacedSender } from "./paced-sender.js";
import { Payload } from "./payload.js";
import { Schedule } from "./schedule.js";
import { Tally } from "./tally.js";
import type { ProduceJob } from "./worker-messages.js";

/** Of records sent in bulk one in about so many bytes is sent by itself, and timed. */
const BULK_BYTES_PER_SAMPLE = 20_000;
/** How often a bulk send looks at the clock. */
const CLOCK_EVERY = 64;
const TICK_MS = 1;

export class ProduceWorker {
  readonly tally = new Tally();
  readonly #job: ProduceJob;
  readonly #clients: readonly { readonly quire: Quire; readonly topic: Topic<Uint8Array> }[];
  readonly #payload: Payload;
  readonly #keys: readonly Buffer[];
  readonly #keyBytes: number;
  #keyAt = 0;
  #stopped = false;
  readonly #underWay = new Set<Promise<void>>();

  private constructor(job: ProduceJob, clients: readonly Quire[]) {
    this.#job = job;
    this.#clients = clients.map((quire) => ({ quire, topic: quire.topic(job.topic, { serializer: bytes }) }));
    this.#payload = new Payload(job.recordBytes);
    this.#keys = Array.from({ length: job.keys }, (_, at) => Buffer.from(`key-${String(at).padStart(8, "0")}`));
    this.#keyBytes = this.#keys[0]?.length ?? 0;
  }

  static async open(job: ProduceJob): Promise<ProduceWorker> {
    const options = { brokers: job.brokers, ...job.client };
    return new ProduceWorker(job, await Promise.all(Array.from({ length: job.producers }, () => connect(options))));
  }

  /** Resolves when stopped and everything sent is answered. */
  async run(): Promise<void> {
    const { rate, underWay, producers } = this.#job;
    const beginMs = machineMonotonicMs();
    await Promise.all(
      this.#clients.map(({ topic }, at) => {
        // Producers of one rate take turns.
        if (rate > 0) return this.#paced(topic, new Schedule(beginMs + (at * 1e3) / rate, rate / producers));
        if (underWay > 0) return Promise.all(Array.from({ length: underWay }, () => this.#oneByOne(topic)));
        return this.#bulk(topic);
      }),
    );
    await Promise.all(this.#underWay);
    await Promise.all(this.#clients.map(({ quire }) => quire.close()));
  }

  stop(): void {
    this.#stopped = true;
  }

  #nextKey(): Buffer | undefined {
    this.#keyAt = (this.#keyAt + 1) % Math.max(1, this.#keys.length);
    return this.#keys[this.#keyAt];
  }

  get #recordBytes(): number {
    return this.#job.recordBytes + this.#keyBytes;
  }

  /** @param sending never rejects */
  #aside(sending: Promise<void>): void {
    this.#underWay.add(sending);
    void sending.then(() => this.#underWay.delete(sending));
  }

  /** Timed. Never rejects. */
  async #send(topic: Topic<Uint8Array>): Promise<void> {
    const beginMs = machineMonotonicMs();
    try {
      const value = this.#payload.stamped(beginMs);
      const { partition } = await topic.send(value, { key: this.#nextKey() });
      const nowMs = machineMonotonicMs();
      this.tally.counted(1, this.#recordBytes);
      this.tally.heard(partition, nowMs);
      this.tally.latency(beginMs, nowMs);
    } catch (thrown) {
      this.tally.failed(thrown);
    }
  }

  async #oneByOne(topic: Topic<Uint8Array>): Promise<void> {
    while (!this.#stopped) await this.#send(topic);
  }

  async #paced(topic: Topic<Uint8Array>, schedule: Schedule): Promise<void> {
    const { rate, recordBytes } = this.#job;
    const records = { payload: new Payload(recordBytes), nextKey: () => this.#nextKey(), bytes: this.#recordBytes, rate };
    const sender = new PacedSender(topic, schedule, records, this.tally);
    await new Promise<void>((resolve) => {
      const timer = systemClock.every(TICK_MS, () => {
        if (!this.#stopped) for (const sending of sender.sendDue(machineMonotonicMs())) this.#aside(sending);
        else {
          timer.cancel();
          resolve();
        }
      });
    });
  }

  async #bulk(topic: Topic<Uint8Array>): Promise<void> {
    const recordBytes = this.#recordBytes;
    let acknowledged = 0;
    const onProgress = (now: number): void => {
      this.tally.counted(now - acknowledged, (now - acknowledged) * recordBytes);
      acknowledged = now;
    };
    const key = this.#keys.length === 0 ? {} : { key: () => this.#nextKey() };
    await topic.sendAll(this.#bulkValues(topic), { ...key, onProgress }).catch((thrown: unknown) => {
      const lost = thrown instanceof QuireError ? Number(thrown.details["notAcknowledged"] ?? 1) : 1;
      this.tally.failed(thrown, lost);
    });
  }

  *#bulkValues(topic: Topic<Uint8Array>): Generator<Uint8Array> {
    const sampleEvery = Math.max(2, Math.round(BULK_BYTES_PER_SAMPLE / this.#job.recordBytes));
    for (let at = 1; ; at++) {
      if (at % CLOCK_EVERY === 0 && this.#stopped) return;
      if (at % sampleEvery === 0) this.#aside(this.#send(topic));
      else yield this.#payload.next();
    }
  }
}
