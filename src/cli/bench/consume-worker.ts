/** A consumer of a benchmark: decodes every record and looks at its value, as a program would. */
import { machineMonotonicMs, systemClock } from "../../base/system-ports.js";
import { bytes, connect, type Quire, type Reader } from "../../client/index.js";
import { stampOf } from "./payload.js";
import { Tally } from "./tally.js";
import type { ConsumeJob } from "./worker-messages.js";

/** Records that do not come for so long are missing. */
const SILENT_MS_MAX = 20_000;

export class ConsumeWorker {
  readonly tally = new Tally();
  readonly #quire: Quire;
  readonly #reader: Reader<Uint8Array>;
  readonly #partitions: readonly number[];
  /** Where each partition is, and is to end. */
  readonly #next = new Map<number, number>();
  #ends: ReadonlyMap<number, number> | undefined;

  private constructor(quire: Quire, { topic, partitions, from }: ConsumeJob) {
    this.#quire = quire;
    this.#partitions = partitions;
    this.#reader = quire.topic(topic, { serializer: bytes }).read({ from, partitions, outOfRange: "earliest" });
  }

  /** What is sent from now on will be read, also with `from: "latest"`. */
  static async open(job: ConsumeJob): Promise<ConsumeWorker> {
    const worker = new ConsumeWorker(await connect({ brokers: job.brokers }), job);
    await worker.#reader.started();
    return worker;
  }

  /** Resolves when every partition has reached its end. */
  async run(): Promise<void> {
    const beginMs = machineMonotonicMs();
    for await (const batch of this.#reader.batches()) {
      let batchBytes = 0;
      const nowMs = machineMonotonicMs();
      for (const record of batch) {
        const value = record.valueBytes;
        if (value === undefined) continue;
        batchBytes += value.length + (record.keyBytes?.length ?? 0);
        const stampMs = stampOf(value);
        // Older ones were sent before this run, or are none.
        if (stampMs >= beginMs && stampMs <= nowMs) this.tally.latency(stampMs, nowMs);
      }
      this.tally.counted(batch.size, batchBytes);
      this.#next.set(batch.partition, batch.to);
      if (this.#isDone) break;
    }
    await this.#quire.close();
  }

  /**
   * Ends where each of its partitions has reached its offset, or when nothing more comes.
   *
   * @param ends by partition; it may have those of other consumers too
   */
  stop(ends: Readonly<Record<number, number>>): void {
    this.#ends = new Map(this.#partitions.map((partition) => [partition, ends[partition] ?? 0]));
    if (this.#isDone) return this.#close();
    let before = this.tally.records;
    systemClock.every(SILENT_MS_MAX, () => {
      if (this.tally.records === before) this.#close();
      before = this.tally.records;
    });
  }

  #close(): void {
    void this.#reader.close();
  }

  get #isDone(): boolean {
    if (this.#ends === undefined) return false;
    for (const [partition, end] of this.#ends) if ((this.#next.get(partition) ?? 0) < end) return false;
    return true;
  }
}
