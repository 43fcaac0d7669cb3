import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Ledger, type ReadLine } from "../../scripts/demo/ledger.js";
import type { ReceivedRecord, Topic } from "../../src/client/index.js";

const KEYS = 20;
const PAUSE_MS = 5;
const PER_PAUSE = 5;

/** Sends numbered records steadily and keeps a ledger of every acknowledgement, while something else breaks the brokers. */
export class Workload implements AsyncDisposable {
  readonly #topic: Topic<Uint8Array>;
  readonly #ledger = new Ledger();
  readonly #outcomes: Promise<void>[] = [];
  readonly #failures: string[] = [];
  #next = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(topic: Topic<Uint8Array>) {
    this.#topic = topic;
    this.#running = this.#run();
  }

  get acknowledged(): number {
    return this.#ledger.acknowledgedCount;
  }

  /** Stops sending and waits for every outcome. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all(this.#outcomes);
  }

  /** A test that failed sends no more; what is still under way ends with its client. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Fails unless all that was acknowledged is there, in its place, in order per key, byte for byte, and nothing was refused. */
  async check(): Promise<void> {
    const read: ReadLine[] = [];
    for await (const record of this.#topic.read({ from: "earliest", to: "latest" })) read.push(lineOf(record));
    const verdict = this.#ledger.judge(read);
    assert.deepEqual(verdict.differences, []);
    assert.deepEqual(this.#failures, []);
    assert.equal(verdict.acknowledged, verdict.sent);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      for (let sent = 0; sent < PER_PAUSE; sent++) this.#outcomes.push(this.#send(this.#next++));
      await sleep(PAUSE_MS);
    }
  }

  async #send(number: number): Promise<void> {
    const key = `key-${number % KEYS}`;
    const bytes = Buffer.from(`record ${number} ${"x".repeat(number % 200)}`);
    this.#ledger.recordSent({ number, key, bytes });
    try {
      this.#ledger.recordAcknowledged(number, await this.#topic.send(bytes, { key, headers: { number: String(number) } }));
    } catch (error) {
      this.#failures.push(`record ${number}: ${String(error)}`);
    }
  }
}

function lineOf(record: ReceivedRecord<Uint8Array>): ReadLine {
  const number = record.headers.find((header) => header.key === "number")?.value.toString() ?? "-1";
  const { partition, offset, key, valueBytes } = record;
  return { partition, offset, number: Number(number), key: key ?? "", bytes: valueBytes ?? Buffer.alloc(0) };
}
