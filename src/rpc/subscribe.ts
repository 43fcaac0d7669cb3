import { Metadata, type ServerDuplexStream } from "@grpc/grpc-js";
import { unreachable } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { Offset } from "../base/ids.js";
import { KIB, MIB } from "../base/limits.js";
import type { Timer } from "../base/ports.js";
import type { FetchResult } from "../broker/types.js";
import type { Init, SubscribeAdd, SubscribeRequest, SubscribeResponse } from "../wire/messages.js";
import { toServiceError, toStatus } from "../wire/status.js";
import { batchMessage } from "./batch-message.js";
import { answerOf, type Edge, leaderAfter, leaderOf, selfAsLeader } from "./edge.js";
import { readOneAhead } from "./narrow-reads.js";
import { type LiveStream, type StreamSlots, shuttingDown } from "./slots.js";
import { StreamWriter } from "./stream-writer.js";
import { Subscription, type SubscriptionHost } from "./subscription.js";
import { integer, partitionNumber, positionField, refuseField, topicName } from "./validate.js";

type Call = ServerDuplexStream<SubscribeRequest, Init<SubscribeResponse>>;

/** What all streams of this broker may together have waiting for slow clients; each has an equal share. */
const WAITING_BYTES_MAX = 16 * MIB;
/**
 * A stream's share, at most and at least: record bytes per message (large enough to be cheap, small enough to take turns), and bytes that
 * may wait before no further message is read. What a stream holds is below two shares, or one batch where that is larger.
 */
const SHARE_BYTES_MAX = MIB;
const SHARE_BYTES_MIN = 32 * KIB;
const CONTROL_BYTES = 64;
/** Steps of the client under way, before its next ones are not read. */
const STEPS_MAX = 256;
const BATCH_HEADER_BYTES = 100;

/** Opens one Subscribe stream. */
export function openSubscribe(edge: Edge, slots: StreamSlots, call: Call): void {
  try {
    new SubscribeStream(edge, slots, call);
  } catch (thrown) {
    call.emit("error", toServiceError(answerOf(thrown, edge)));
  }
}

/**
 * Batches of many partitions on one stream. Subscriptions with something to read take turns, one read each; a turn is taken
 * only while the client's credit and the stream's share of memory allow: many clients that do not read cost little more than a few.
 */
class SubscribeStream implements LiveStream, SubscriptionHost {
  readonly dataPlane: Edge["dataPlane"];
  readonly #edge: Edge;
  readonly #call: Call;
  readonly #writer: StreamWriter<Init<SubscribeResponse>>;
  readonly #slots: StreamSlots;
  readonly #release: () => void;
  readonly #heartbeat: Timer;
  readonly #subscriptions = new Map<number, Subscription>();
  /** Who may have something to read, in the order of their turns. */
  #turns: Subscription[] = [];
  #pumping = false;
  #credit = 0;
  #sentBytes = 0;
  #stepsUnderWay = 0;
  #wroteSinceBeat = false;
  #halfClosed = false;

  constructor(edge: Edge, slots: StreamSlots, call: Call) {
    this.#edge = edge;
    this.dataPlane = edge.dataPlane;
    this.#call = call;
    this.#slots = slots;
    this.#release = slots.open(this);
    readOneAhead(call);
    this.#writer = new StreamWriter(call, SHARE_BYTES_MAX, () => {
      this.#readOrPause();
      this.#pump();
    });
    this.#heartbeat = edge.clock.every(edge.limits.streamHeartbeatMs / 2, () => this.#beat());
    call.on("data", (message: SubscribeRequest) => this.#receive(message));
    call.on("end", () => {
      this.#halfClosed = true;
      this.#endIfUseless();
    });
    call.on("error", () => this.#abandon());
    call.on("cancelled", () => this.#abandon());
    call.on("close", () => this.#abandon());
    // The client learns at once that the stream stands.
    call.sendMetadata(new Metadata());
  }

  shutdown(): void {
    this.#fail(shuttingDown());
  }

  started(subscription: Subscription, offset: Offset, term: number): void {
    this.#control({ step: "started", started: { subscriptionId: subscription.id, offset, leader: selfAsLeader(this.#edge.view, term) } });
  }

  runnable(subscription: Subscription): void {
    if (subscription.queued) return;
    subscription.queued = true;
    this.#turns.push(subscription);
    this.#pump();
  }

  ended(subscription: Subscription, error: QuireError | undefined): void {
    this.#subscriptions.delete(subscription.id);
    const leader = error === undefined ? leaderOf(this.#edge.view, subscription.at) : leaderAfter(error, this.#edge.view, subscription.at);
    if (error !== undefined) answerOf(error, this.#edge);
    this.#control({ step: "end", end: { subscriptionId: subscription.id, error: error === undefined ? null : toStatus(error), leader } });
    this.#endIfUseless();
  }

  #receive(message: SubscribeRequest): void {
    try {
      this.#carryOut(message);
    } catch (thrown) {
      this.#fail(answerOf(thrown, this.#edge));
    }
  }

  #carryOut(message: SubscribeRequest): void {
    switch (message.step) {
      case "add":
        return this.#add(message.add);
      case "seek": {
        const { subscriptionId, position } = message.seek;
        const target = positionField(position, "seek.position");
        return this.#withSubscription(subscriptionId, "seek.subscription_id", (subscription) => subscription.seek(target));
      }
      case "remove":
        return this.#withSubscription(message.remove.subscriptionId, "remove.subscription_id", (subscription) => subscription.remove());
      case "credit":
        this.#credit = Math.max(this.#credit, integer(message.credit.totalBytes, "credit.total_bytes", 0, Number.MAX_SAFE_INTEGER));
        return this.#pump();
      case undefined:
        return refuseField("step", "is missing or not known to this broker", "set one of add, seek, remove and credit");
      default:
        return unreachable(message);
    }
  }

  #add({ subscriptionId, topic, partition, position }: SubscribeAdd): void {
    const id = integer(subscriptionId, "add.subscription_id", 1, Number.MAX_SAFE_INTEGER);
    const at = { topic: topicName(topic, "add.topic"), partition: partitionNumber(partition, "add.partition") };
    const start = positionField(position, "add.position");
    if (this.#subscriptions.has(id)) {
      throw new QuireError("SUBSCRIPTION_ALREADY_EXISTS", `subscription ${id} is on this stream already; give each one an id of its own`, {
        details: { subscriptionId: id },
      });
    }
    const subscription = new Subscription(this, id, at);
    const max = this.#edge.limits.subscriptionsPerStreamMax;
    if (this.#subscriptions.size >= max) {
      const error = new QuireError("TOO_MANY_STREAMS", `the stream has ${max} subscriptions, which is the limit; open another stream`, {
        details: { limit: max },
      });
      this.ended(subscription, error);
      return;
    }
    this.#subscriptions.set(id, subscription);
    this.#track(subscription.seek(start));
  }

  /** A subscription that ended a moment ago may still be spoken to; its End, or another, is the answer. */
  #withSubscription(id: number, field: string, run: (subscription: Subscription) => Promise<void>): void {
    const subscription = this.#subscriptions.get(integer(id, field, 1, Number.MAX_SAFE_INTEGER));
    if (subscription !== undefined) {
      this.#track(run(subscription));
      return;
    }
    const error = new QuireError("SUBSCRIPTION_NOT_FOUND", `subscription ${id} is not, or no longer, on this stream`, { details: { subscriptionId: id } });
    this.#control({ step: "end", end: { subscriptionId: id, error: toStatus(error), leader: null } });
  }

  /** Counts a step until it is done; steps do not reject. */
  #track(step: Promise<void>): void {
    this.#stepsUnderWay += 1;
    this.#readOrPause();
    step.then(
      () => {
        this.#stepsUnderWay -= 1;
        this.#readOrPause();
      },
      (thrown: unknown) => this.#fail(answerOf(thrown, this.#edge)),
    );
  }

  /** A client that does not read what it caused is not read either. */
  #readOrPause(): void {
    const read = !this.#writer.ended && this.#stepsUnderWay < STEPS_MAX && this.#writer.writable;
    if (read === !this.#call.isPaused()) return;
    if (read) this.#call.resume();
    else this.#call.pause();
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#takeTurns().catch((thrown: unknown) => this.#fail(answerOf(thrown, this.#edge)));
  }

  async #takeTurns(): Promise<void> {
    try {
      while (this.#maySend()) {
        const subscription = this.#turns.shift();
        if (subscription === undefined) break;
        subscription.queued = false;
        if (!subscription.readable) continue;
        const bytesMax = Math.min(this.#shareBytes, this.#credit - this.#sentBytes);
        await subscription.read(bytesMax, (result) => this.#send(subscription, result));
      }
    } finally {
      // In the same turn as the last look at the queue, so that nobody queues unseen in between.
      this.#pumping = false;
    }
    this.#endIfUseless();
  }

  #maySend(): boolean {
    return this.#writer.writable && this.#writer.bytes < this.#shareBytes && this.#sentBytes < this.#credit;
  }

  get #shareBytes(): number {
    return Math.min(SHARE_BYTES_MAX, Math.max(SHARE_BYTES_MIN, Math.floor(WAITING_BYTES_MAX / this.#slots.size)));
  }

  #send(subscription: Subscription, result: FetchResult | undefined): void {
    if (result === undefined) {
      if (subscription.toldCaughtUp) return;
      subscription.toldCaughtUp = true;
      this.#control({ step: "caughtUp", caughtUp: { subscriptionId: subscription.id, offset: subscription.position ?? 0 } });
      return;
    }
    let bytes = 0;
    for (const { body } of result.frames) bytes += body.length;
    this.#sentBytes += bytes;
    const { highWatermark, frames } = result;
    // After the first CaughtUp, batches up to the high watermark say as much as another one.
    if (result.nextOffset < highWatermark) subscription.toldCaughtUp = false;
    this.#write(
      { step: "batches", batches: { subscriptionId: subscription.id, batches: frames.map(batchMessage), highWatermark } },
      bytes + frames.length * BATCH_HEADER_BYTES,
    );
    this.runnable(subscription);
  }

  #control(message: Init<SubscribeResponse>): void {
    this.#write(message, CONTROL_BYTES);
  }

  #write(message: Init<SubscribeResponse>, bytes: number): void {
    this.#wroteSinceBeat = true;
    this.#writer.write(message, bytes);
    this.#readOrPause();
  }

  /** Every half interval; a stream that was silent for one says that it lives. */
  #beat(): void {
    if (!this.#wroteSinceBeat && this.#writer.writable) this.#control({ step: "heartbeat", heartbeat: {} });
    this.#wroteSinceBeat = false;
  }

  /** A client that has said all still gets what its credit allows. */
  #endIfUseless(): void {
    const open = this.#subscriptions.size > 0 && this.#sentBytes < this.#credit;
    if (!this.#halfClosed || open || this.#writer.ended) return;
    this.#writer.end();
    this.#abandon();
  }

  #fail(error: QuireError): void {
    this.#writer.fail(toServiceError(error));
    this.#abandon();
  }

  #abandon(): void {
    this.#writer.abandon();
    this.#heartbeat.cancel();
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
    this.#turns = [];
    this.#release();
  }
}
