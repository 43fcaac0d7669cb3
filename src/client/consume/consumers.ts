/** All consumers of one client: begins them, and ends them before the client. */
import { QuireError } from "../../base/errors.js";
import { limits } from "../../base/limits.js";
import { closedError } from "../connections.js";
import { checkNames, refuse } from "../options.js";
import type { SendOptions, SendResult } from "../send.js";
import type { Serializer } from "../serializers.js";
import {
  CONSUME_NAMES,
  type ConsumeEachOptions,
  type ConsumeOptions,
  type ConsumeSubscription,
  type ConsumeTopicsOptions,
  type ResolvedConsume,
  resolveConsume,
} from "./consume-options.js";
import { Consumer, type ConsumerParts } from "./consumer.js";
import { type BuryRecord, type Handler, messageOf } from "./handling.js";
import { Memberships } from "./memberships.js";

export interface ConsumersParts extends Omit<ConsumerParts, "memberships" | "ended"> {
  readonly closing: AbortSignal;
  /** Sends bytes as they are. */
  readonly send: (topic: string, value: Uint8Array | undefined, options: SendOptions) => Promise<SendResult>;
}

const LOOP_NAMES = CONSUME_NAMES.filter((name) => !["concurrency", "retries", "onFailure"].includes(name));
/** A header's value that only explains need not be longer. */
const ERROR_LENGTH_MAX = 1_000;

export class Consumers {
  readonly #parts: ConsumersParts;
  readonly #memberships: Memberships;
  readonly #consumers = new Set<Consumer>();
  #isClosed = false;

  constructor(parts: ConsumersParts) {
    this.#parts = parts;
    this.#memberships = new Memberships(parts.options, parts.ports, parts.metadata);
  }

  /** Resolves when the group has taken the consumer in. @throws QuireError why not */
  async begin<Value>(plan: ResolvedConsume, serializer: Serializer<Value>, handler: Handler<Value>): Promise<Consumer> {
    if (typeof handler !== "function") throw new QuireError("INVALID_SETTING", `the handler is a function, not ${typeof handler}`);
    plan.signal?.throwIfAborted();
    const { metadata, closing } = this.#parts;
    const { topics, onFailure, signal } = plan;
    const needed = typeof onFailure === "object" ? [...topics, onFailure.deadLetter] : topics;
    // A broker may hear of a topic later than we: those that are there are not refused for that.
    await Promise.all(needed.map((topic) => metadata.topic(topic, signal === undefined ? {} : { signal })));
    if (this.#isClosed || closing.aborted) throw closedError();
    const consumer = new Consumer(
      plan,
      { ...this.#parts, memberships: this.#memberships, ended: (ended) => void this.#consumers.delete(ended) },
      serializer as Serializer<unknown>,
      handler as Handler<unknown>,
      this.#bury(plan),
    );
    this.#consumers.add(consumer);
    await consumer.entered();
    return consumer;
  }

  /** Consumers are at work, or about to be. */
  get isBusy(): boolean {
    return this.#consumers.size > 0;
  }

  /** Each as `Consumer.close`. */
  async close(timeoutMs: number | undefined): Promise<void> {
    this.#isClosed = true;
    if (this.isBusy) await Promise.all([...this.#consumers].map((consumer) => consumer.close(timeoutMs === undefined ? {} : { timeoutMs })));
    this.#memberships.close();
  }

  #bury({ onFailure, group }: ResolvedConsume): BuryRecord {
    return async (record, failure) => {
      if (typeof onFailure !== "object") return;
      const { keyBytes, valueBytes, headers, topic, partition, offset, timestampMs } = record;
      const where = {
        "quire-dead-letter-topic": topic,
        "quire-dead-letter-partition": String(partition),
        "quire-dead-letter-offset": String(offset),
        "quire-dead-letter-timestamp-ms": String(timestampMs),
        "quire-dead-letter-group": group,
        "quire-dead-letter-attempts": String(failure.attempts),
        "quire-dead-letter-error": messageOf(failure.cause).slice(0, ERROR_LENGTH_MAX),
      };
      const added = Object.entries(where).map(([key, value]) => ({ key, value }));
      // Of a dead letter that could not be handled either, where it was last counts.
      const kept = headers.filter(({ key }) => !Object.hasOwn(where, key)).slice(0, limits.headersPerRecord - added.length);
      await this.#parts.send(onFailure.deadLetter, valueBytes, { key: keyBytes, headers: [...kept, ...added] });
    };
  }
}

export const planOf = (group: string, topic: string, options: ConsumeOptions): ResolvedConsume => resolveConsume(group, { topics: [topic] }, options);

/** Of a loop, which has one record at a time and answers for none behind it. @throws QuireError INVALID_SETTING, INVALID_NAME */
export function planOfLoop(group: string, topic: string, options: ConsumeEachOptions): ResolvedConsume {
  checkNames("consumeEach", options, LOOP_NAMES);
  if ((options.commit as string) === "manual") refuse("commit", 'a loop commits by itself: use commit "after" or "before", or consume with a handler');
  return { ...planOf(group, topic, options), concurrency: 1, retries: { attempts: 1, delayMsMin: 1, delayMsMax: 1 }, onFailure: "stop", aheadRecords: 1 };
}

/** @throws QuireError INVALID_SETTING, INVALID_NAME */
export function planOfMany<Value>(group: string, subscription: ConsumeSubscription, options: ConsumeTopicsOptions<Value>): ResolvedConsume {
  const { serializer: _, ...others } = options;
  return resolveConsume(group, subscription, others);
}
