import { assert } from "../base/assert.js";
import type { Init, ProduceResult } from "../wire/messages.js";

/** One batch that has no outcome yet, or whose turn has not come. */
export class Pending {
  readonly correlationId: number;
  readonly topic: string;
  readonly partition: number;
  readonly #order: OutcomeOrder;
  /** The batches of its partition, itself among them. */
  readonly queue: Pending[];
  result: Init<ProduceResult> | undefined;

  constructor(order: OutcomeOrder, queue: Pending[], correlationId: number, topic: string, partition: number) {
    this.#order = order;
    this.queue = queue;
    this.correlationId = correlationId;
    this.topic = topic;
    this.partition = partition;
  }

  settle(result: Init<ProduceResult>): void {
    assert(this.result === undefined, "a batch has one outcome");
    this.result = result;
    this.#order.settled(this);
  }
}

/**
 * Lets outcomes of one partition leave in the order of its batches, whatever order they come in: a refusal is known at once,
 * while batches before it still wait for their quorum.
 */
export class OutcomeOrder {
  readonly #deliver: (result: Init<ProduceResult>) => void;
  /** Per partition, batches whose outcome has not left, in the order they came. */
  readonly #queues = new Map<string, Pending[]>();
  #underWay = 0;

  constructor(deliver: (result: Init<ProduceResult>) => void) {
    this.#deliver = deliver;
  }

  /** Batches begun whose outcome has not left. */
  get underWay(): number {
    return this.#underWay;
  }

  begin(correlationId: number, topic: string, partition: number): Pending {
    const key = keyOf(topic, partition);
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = [];
      this.#queues.set(key, queue);
    }
    const pending = new Pending(this, queue, correlationId, topic, partition);
    queue.push(pending);
    this.#underWay += 1;
    return pending;
  }

  settled(pending: Pending): void {
    const { queue, topic, partition } = pending;
    if (queue[0] !== pending) return;
    let ready = 0;
    for (let result = queue[0]?.result; result !== undefined; result = queue[ready]?.result) {
      ready += 1;
      this.#underWay -= 1;
      this.#deliver(result);
    }
    if (ready === queue.length) this.#queues.delete(keyOf(topic, partition));
    else queue.splice(0, ready);
  }
}

const keyOf = (topic: string, partition: number): string => `${partition}/${topic}`;
