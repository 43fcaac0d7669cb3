import { QuireError } from "../../src/base/errors.js";
import type { PartitionLeaderMessage, RecordBatch, SubscribeRequest } from "../../src/wire/messages.js";
import type { Handlers } from "../../src/wire/method.js";
import type { fetchService } from "../../src/wire/services.js";
import { toStatus } from "../../src/wire/status.js";
import { type FakeNode, offsetOf } from "./fake-cluster.js";

interface Subscription {
  readonly topic: string;
  readonly partition: number;
  next: number;
}

type Call = Parameters<Handlers<typeof fetchService>["Subscribe"]>[0];

/** The server's end of one Subscribe stream. */
export class FakeSubscriptions {
  readonly #broker: FakeNode;
  readonly #call: Call;
  readonly #subscriptions = new Map<number, Subscription>();
  #creditBytes = 0;
  #sentBytes = 0;

  constructor(broker: FakeNode, call: Call) {
    this.#broker = broker;
    this.#call = call;
    broker.subscribeStreams += 1;
    const pump = (): void => this.#pump();
    broker.cluster.watchers.add(pump);
    const heartbeat = setInterval(() => {
      if (!broker.mute) call.write({ step: "heartbeat", heartbeat: {} });
      pump();
    }, broker.heartbeatMs);
    call.on("data", (request: SubscribeRequest) => this.#heard(request));
    call.on("error", () => {});
    call.on("end", () => call.end());
    call.on("cancelled", () => {
      broker.cluster.watchers.delete(pump);
      clearInterval(heartbeat);
    });
  }

  #heard(request: SubscribeRequest): void {
    if (request.step === "credit") this.#creditBytes = request.credit.totalBytes;
    else if (request.step === "remove") this.#subscriptions.delete(request.remove.subscriptionId);
    else if (request.step === "add") {
      const { subscriptionId, topic, partition, position } = request.add;
      try {
        const log = this.#broker.cluster.partition(topic, partition);
        const offset = offsetOf(log, position);
        if (log.leader !== this.#broker.nodeId) throw new QuireError("NOT_LEADER", `broker ${this.#broker.nodeId} does not lead`);
        if (offset < log.logStart || offset > log.nextOffset)
          throw new QuireError("OFFSET_OUT_OF_RANGE", `offset ${offset} is not in ${log.logStart} to ${log.nextOffset}`);
        this.#subscriptions.set(subscriptionId, { topic, partition, next: offset });
        this.#broker.subscriptionsStarted += 1;
        if (!this.#broker.mute) this.#call.write({ step: "started", started: { subscriptionId, offset, leader: this.#leader(topic, partition) } });
      } catch (error) {
        this.#call.write({ step: "end", end: { subscriptionId, error: toStatus(error as QuireError), leader: this.#leader(topic, partition) } });
      }
    }
    this.#pump();
  }

  #leader(topic: string, partition: number): PartitionLeaderMessage | null {
    return this.#broker.cluster.topics.has(topic) && this.#broker.stale === undefined ? this.#broker.cluster.hint(topic, partition) : null;
  }

  #pump(): void {
    if (this.#broker.mute) return;
    for (const [subscriptionId, subscription] of this.#subscriptions) {
      const log = this.#broker.cluster.topics.get(subscription.topic)?.partitions[subscription.partition];
      if (log === undefined || log.leader !== this.#broker.nodeId) {
        this.#subscriptions.delete(subscriptionId);
        const error = log === undefined ? new QuireError("TOPIC_NOT_FOUND", "the topic is gone") : new QuireError("NOT_LEADER", "leads no more");
        this.#call.write({ step: "end", end: { subscriptionId, error: toStatus(error), leader: this.#leader(subscription.topic, subscription.partition) } });
        continue;
      }
      for (const batch of log.batches) {
        if (batch.baseOffset + batch.recordCount <= subscription.next) continue;
        if (this.#sentBytes >= this.#creditBytes) return;
        this.#send(subscriptionId, this.#broker.repeats ? [batch, log.batches[0] ?? batch] : [batch], log.nextOffset);
        subscription.next = batch.baseOffset + batch.recordCount;
      }
    }
  }

  #send(subscriptionId: number, batches: RecordBatch[], highWatermark: number): void {
    for (const batch of batches) this.#sentBytes += batch.body.length;
    this.#broker.sentBytes += batches.reduce((sum, batch) => sum + batch.body.length, 0);
    this.#call.write({ step: "batches", batches: { subscriptionId, batches, highWatermark } });
  }
}
