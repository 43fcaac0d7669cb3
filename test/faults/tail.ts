import { setTimeout as sleep } from "node:timers/promises";
import type { Topic } from "../../src/client/index.js";
import { type ReadRecord, readRecord } from "./read-record.js";

const POLL_MS = 20;
/** A reader whose stream fell silent notices after two and a half heartbeats. */
const CATCH_UP_MS = 20_000;

/** A record as a reader was shown it. */
export interface Shown {
  readonly partition: number;
  readonly offset: number;
  readonly number: number;
}

/** Reads a topic from its first record on, through every fault, and remembers what it was shown. */
export class Tail {
  /** By partition: numbers of the records, by offset. */
  readonly #shown: number[][];
  readonly #close: () => Promise<void>;
  readonly #reading: Promise<void>;
  readonly #problems: string[] = [];

  constructor(records: AsyncIterable<Shown>, partitions: number, close: () => Promise<void>) {
    this.#shown = Array.from({ length: partitions }, () => []);
    this.#close = close;
    this.#reading = this.#read(records).catch((error: unknown) => {
      this.#problems.push(`the reader that reads all along ended: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  static of(topic: Topic<Uint8Array>, partitions: number): Tail {
    const reader = topic.read({ from: "earliest" });
    async function* records(): AsyncGenerator<Shown> {
      for await (const record of reader) yield { ...readRecord(record), partition: record.partition };
    }
    return new Tail(records(), partitions, () => reader.close());
  }

  async stop(): Promise<void> {
    await this.#close();
    await this.#reading;
  }

  /** What was shown must be what is there, in the same place, and all that is there must be shown soon. Problems are told once. */
  async judge(partition: number, read: readonly Pick<ReadRecord, "offset" | "number">[], patience: number): Promise<string[]> {
    const shown = this.#shown[partition] ?? [];
    const deadlineMs = performance.now() + CATCH_UP_MS * patience;
    while (shown.length < read.length && this.#problems.length === 0 && performance.now() < deadlineMs) await sleep(POLL_MS);
    const problems = this.#problems.splice(0);
    if (shown.length < read.length)
      problems.push(`partition ${partition}: the reader that reads all along was shown ${shown.length} of ${read.length} records`);
    const differing = read.find(({ offset, number }) => offset < shown.length && shown[offset] !== number);
    if (differing === undefined) return problems;
    const { offset, number } = differing;
    return [...problems, `partition ${partition}: offset ${offset} holds record ${number}, and a reader was shown record ${shown[offset]} there`];
  }

  async #read(records: AsyncIterable<Shown>): Promise<void> {
    for await (const { partition, offset, number } of records) {
      const shown = this.#shown[partition] ?? [];
      if (offset !== shown.length) this.#problems.push(`partition ${partition}: a reader was shown offset ${offset} where ${shown.length} comes next`);
      shown[offset] = number;
    }
  }
}
