import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Quire, QuireError, type Topic } from "../../src/client/index.js";
import { bytesOf, type Kind, type Lane, Ledger } from "./ledger.js";

const PAUSE_MS = 10;
const PER_PAUSE = 4;
/** Of one partition, sent and not answered: a partition that is cut off does not keep the others from being written to. */
const PENDING_MAX = 500;
/** Longer than any fault: what is rejected before was rejected for what it is, not for the time it took. */
const DELIVERY_TIMEOUT_MS = 120_000;
const KINDS: readonly Kind[] = ["at-least-once", "at-most-once", "once"];
const KEYS_PER_KIND = 2;

/** One client that sends again what may have been written, one that does not, and one that does with sequences. */
export type Clients = Readonly<Record<Kind, Quire>>;

export async function connectClients(brokers: readonly string[]): Promise<Clients> {
  const options = { brokers, deliveryTimeoutMs: DELIVERY_TIMEOUT_MS, sendsWaitingMax: 100_000 };
  return {
    "at-least-once": await connect({ ...options, idempotence: false }),
    "at-most-once": await connect({ ...options, idempotence: false, retryUnknown: false }),
    once: await connect(options),
  };
}

interface PartitionPulse {
  lastAcknowledgedMs: number;
  longestGapMs: number;
  /** When the newest record that was acknowledged had been sent. */
  servedMs: number;
  pending: number;
}

/** Sends numbered records to every partition of a topic without a pause, and remembers what became of each, and when. */
export class Load {
  readonly ledger: Ledger;
  readonly partitions: number;
  readonly #topics: Readonly<Record<Kind, Topic<Uint8Array>>>;
  readonly #pulses: PartitionPulse[];
  readonly #running: Promise<void>;
  #pending = 0;
  #stopped = false;

  constructor(clients: Clients, topic: string, partitions: number) {
    this.partitions = partitions;
    this.#topics = {
      "at-least-once": clients["at-least-once"].topic(topic),
      "at-most-once": clients["at-most-once"].topic(topic),
      once: clients.once.topic(topic),
    };
    this.ledger = new Ledger(lanes(partitions));
    const nowMs = performance.now();
    this.#pulses = Array.from({ length: partitions }, () => ({ lastAcknowledgedMs: nowMs, longestGapMs: 0, servedMs: 0, pending: 0 }));
    this.#running = this.#run();
  }

  /** For whoever asks for its state, reads it or moves its leaders. */
  get topic(): Topic<Uint8Array> {
    return this.#topics["at-least-once"];
  }

  /** Gaps before now do not count any more. */
  forgetGaps(): void {
    const nowMs = performance.now();
    for (const pulse of this.#pulses) Object.assign(pulse, { longestGapMs: 0, lastAcknowledgedMs: nowMs });
  }

  /** The longest time without an acknowledgement, of the partition that had the longest. */
  get longestGapMs(): number {
    const nowMs = performance.now();
    return Math.max(...this.#pulses.map(({ longestGapMs, lastAcknowledgedMs }) => Math.max(longestGapMs, nowMs - lastAcknowledgedMs)));
  }

  /** The partitions in which nothing sent after that time has been acknowledged. */
  notServedSince(sinceMs: number): number[] {
    return this.#pulses.flatMap(({ servedMs }, partition) => (servedMs > sinceMs ? [] : [partition]));
  }

  /** Sends no more. Resolves when every outcome is known. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    while (this.#pending > 0) await sleep(PAUSE_MS);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      for (let sent = 0; sent < PER_PAUSE; sent++) this.#sendNext();
      await sleep(PAUSE_MS);
    }
  }

  #sendNext(): void {
    const lane = this.ledger.laneOf(this.ledger.size);
    const pulse = this.#pulses[lane?.partition ?? -1];
    if (lane === undefined || pulse === undefined) return;
    const number = this.ledger.sending();
    if (pulse.pending >= PENDING_MAX) return this.ledger.skip(number);
    this.#pending += 1;
    pulse.pending += 1;
    const sentMs = performance.now();
    this.#topics[lane.kind]
      .send(bytesOf(number), { key: lane.key, partition: lane.partition, headers: { number: String(number) } })
      .then(
        ({ offset }) => {
          this.ledger.acknowledge(number, offset);
          const nowMs = performance.now();
          pulse.longestGapMs = Math.max(pulse.longestGapMs, nowMs - pulse.lastAcknowledgedMs);
          pulse.lastAcknowledgedMs = nowMs;
          pulse.servedMs = Math.max(pulse.servedMs, sentMs);
        },
        (error: unknown) => {
          const reason = error instanceof QuireError ? error.reason : String(error);
          this.ledger.reject(number, reason === "WRITE_OUTCOME_UNKNOWN", reason);
        },
      )
      .finally(() => {
        this.#pending -= 1;
        pulse.pending -= 1;
      })
      .catch(() => undefined);
  }
}

function lanes(partitions: number): Lane[] {
  return Array.from({ length: KEYS_PER_KIND }, (_, at) => at).flatMap((at) =>
    KINDS.flatMap((kind) => Array.from({ length: partitions }, (_, partition) => ({ key: `${kind}-${partition}-${at}`, partition, kind }))),
  );
}
