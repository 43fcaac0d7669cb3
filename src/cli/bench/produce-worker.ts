/** Producers of a benchmark: as fast as the client takes records, so many sends under way, or at a fixed rate. */
import { machineMonotonicMs, systemClock } from "../../base/system-ports.js";
import { bytes, connect, type Quire, QuireError, type Topic } from "../../client/index.js";
import { Payload } from "./payload.js";
import { Schedule } from "./schedule.js";
import { Tally } from "./tally.js";
import type { ProduceJob } from "./worker-messages.js";

/** Of records sent in bulk one in about so many bytes is sent by itself, and timed. */
const BULK_BYTES_PER_SAMPLE = 20_000;
/** Timed records per second and process; beyond it, one in so many. */
const SAMPLES_PER_SECOND = 20_000;
/** How often a bulk send looks at the clock. */
const CLOCK_EVERY = 64;
/** A fixed rate must not be held up by the client's own bound, which is there for programs that do not wait. */
const SENDS_WAITING_MAX = 2_000_000;
/**
 * Of a fixed rate. Beyond it, what is due is only counted until others are answered: the time that matters is when a record was due, and a million
 * records in memory would keep this process from sending at all.
 */
const SENDS_UNDER_WAY_MAX = 50_000;
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
    const options = { brokers: job.brokers, ...job.client, ...(job.rate > 0 ? { sendsWaitingMax: SENDS_WAITING_MAX } : {}) };
    return new ProduceWorker(job, await Promise.all(Array.from({ length: job.producers }, () => connect(options))));
  }

  /** Resolves when stopped and everything sent is answered. */
  async run(): Promise<void> {
    const { rate, underWay, producers } = this.#job;
    const beginMs = machineMonotonicMs();
    await Promise.all(
      this.#clients.map(({ topic }, at) => {
        // Producers of one rate take turns.
        if (rate > 0) return this.#paced(topic, rate / producers, beginMs + (at * 1e3) / rate);
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

  #sendAside(topic: Topic<Uint8Array>, dueMs: number, isTimed: boolean): void {
    const sending = this.#send(topic, dueMs, isTimed);
    this.#underWay.add(sending);
    void sending.then(() => this.#underWay.delete(sending));
  }

  /** Never rejects. */
  async #send(topic: Topic<Uint8Array>, dueMs: number, isTimed: boolean): Promise<void> {
    try {
      const value = this.#payload.stamped(isTimed ? dueMs : 0);
      const { partition } = await topic.send(value, { key: this.#nextKey() });
      const nowMs = machineMonotonicMs();
      this.tally.counted(1, this.#job.recordBytes + this.#keyBytes);
      this.tally.heard(partition, nowMs);
      if (isTimed) this.tally.latency(dueMs, nowMs);
    } catch (thrown) {
      this.tally.failed(thrown);
    }
  }

  async #oneByOne(topic: Topic<Uint8Array>): Promise<void> {
    while (!this.#stopped) await this.#send(topic, machineMonotonicMs(), true);
  }

  /** What is late is sent at once and counts from when it was due, so a stall is as long as it was (coordinated omission). */
  async #paced(topic: Topic<Uint8Array>, rate: number, beginMs: number): Promise<void> {
    const sampleEvery = Math.max(1, Math.ceil(this.#job.rate / SAMPLES_PER_SECOND));
    const schedule = new Schedule(beginMs, rate);
    let sent = 0;
    const sendDue = (): void => {
      if (this.#underWay.size >= SENDS_UNDER_WAY_MAX) return;
      for (const dueMs of schedule.due(machineMonotonicMs())) {
        this.#sendAside(topic, dueMs, sent % sampleEvery === 0);
        sent += 1;
        if (this.#underWay.size >= SENDS_UNDER_WAY_MAX) return;
      }
    };
    await new Promise<void>((resolve) => {
      const timer = systemClock.every(TICK_MS, () => {
        if (!this.#stopped) return sendDue();
        timer.cancel();
        resolve();
      });
    });
  }

  async #bulk(topic: Topic<Uint8Array>): Promise<void> {
    const recordBytes = this.#job.recordBytes + this.#keyBytes;
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
      if (at % sampleEvery === 0) this.#sendAside(topic, machineMonotonicMs(), true);
      else yield this.#payload.next();
    }
  }
}
