/** One Subscribe stream to one broker: subscriptions by id, cumulative credit, and how long it has been silent. Knows nothing of topics. */
import type * as grpc from "@grpc/grpc-js";
import { QuireError, toQuireError } from "../base/errors.js";
import type { Clock } from "../base/ports.js";
import { openBidi } from "../wire/call.js";
import type { Init, PositionMessage, SubscribeBatches, SubscribeEnd, SubscribeRequest, SubscribeResponse, SubscribeStarted } from "../wire/messages.js";
import { fetchService } from "../wire/services.js";
import { fromGrpcError } from "../wire/status.js";
import type { Connections } from "./connections.js";

export interface SubscribeStreamEvents {
  /** Subscriptions may be added. */
  onOpen(): void;
  /** Credit for these bytes comes back with `taken`. */
  onBatches(batches: SubscribeBatches): void;
  onStarted(started: SubscribeStarted): void;
  onEnd(end: SubscribeEnd): void;
  /** All its subscriptions are gone. `open` may be called again: a new stream, nothing of the old one arrives. */
  onClosed(error: QuireError): void;
}

type Call = grpc.ClientDuplexStream<Init<SubscribeRequest>, SubscribeResponse>;

export class SubscribeStream {
  readonly address: string;
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #windowBytes: number;
  readonly #events: SubscribeStreamEvents;
  #call: Call | undefined;
  #opening = false;
  #closed = false;
  #heardMs = 0;
  /** Raised whenever a call begins: what was received through an earlier one gives no credit to this one. */
  #generation = 0;
  #takenBytes = 0;
  #grantedBytes = 0;

  constructor(address: string, connections: Connections, clock: Clock, windowBytes: number, events: SubscribeStreamEvents) {
    this.address = address;
    this.#connections = connections;
    this.#clock = clock;
    this.#windowBytes = windowBytes;
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#call !== undefined;
  }

  get generation(): number {
    return this.#generation;
  }

  silentMs(nowMs: number): number {
    return this.#call === undefined ? 0 : nowMs - this.#heardMs;
  }

  open(): void {
    if (this.#opening || this.#call !== undefined || this.#closed) return;
    this.#opening = true;
    this.#connections.ready(this.address, "read").then(
      (client) => {
        this.#opening = false;
        if (!this.#closed) this.#begin(openBidi(client, fetchService.Subscribe));
      },
      (thrown: unknown) => {
        this.#opening = false;
        if (!this.#closed) this.#events.onClosed(toQuireError(thrown));
      },
    );
  }

  add(subscriptionId: number, topic: string, partition: number, position: PositionMessage): void {
    this.#call?.write({ step: "add", add: { subscriptionId, topic, partition, position } });
  }

  remove(subscriptionId: number): void {
    this.#call?.write({ step: "remove", remove: { subscriptionId } });
  }

  /** The consumer is done with so many bytes of what came in `generation`: as many more may come. */
  taken(bytes: number, generation: number): void {
    if (generation !== this.#generation) return;
    this.#takenBytes += bytes;
    // Not for every batch: a quarter of the window is soon enough to keep it moving.
    if (this.#takenBytes + this.#windowBytes - this.#grantedBytes >= this.#windowBytes / 4) this.#grant();
  }

  /** Closes the call and says so: for a stream that fell silent. */
  fail(error: QuireError): void {
    const call = this.#call;
    if (call !== undefined) this.#lost(call, error);
  }

  /** Nothing is reported any more. */
  close(): void {
    this.#closed = true;
    const call = this.#call;
    this.#call = undefined;
    call?.cancel();
  }

  #begin(call: Call): void {
    this.#call = call;
    this.#generation += 1;
    this.#takenBytes = 0;
    this.#heardMs = this.#clock.monotonicMs();
    call.on("data", (response: SubscribeResponse) => {
      if (this.#call !== call) return;
      this.#heardMs = this.#clock.monotonicMs();
      this.#heard(response);
    });
    call.on("error", (error: grpc.ServiceError) => this.#lost(call, fromGrpcError(error)));
    call.on("end", () => this.#lost(call, new QuireError("SHUTTING_DOWN", `broker at ${this.address} ended the subscribe stream`)));
    this.#grant();
    this.#events.onOpen();
  }

  #heard(response: SubscribeResponse): void {
    switch (response.step) {
      case "batches":
        this.#events.onBatches(response.batches);
        break;
      case "started":
        this.#events.onStarted(response.started);
        break;
      case "end":
        this.#events.onEnd(response.end);
        break;
      default:
        // Heartbeats only had to be heard; positions are known without caught-up; later versions may say more.
        break;
    }
  }

  #grant(): void {
    this.#grantedBytes = this.#takenBytes + this.#windowBytes;
    this.#call?.write({ step: "credit", credit: { totalBytes: this.#grantedBytes } });
  }

  #lost(call: Call, error: QuireError): void {
    if (this.#call !== call) return;
    this.#call = undefined;
    call.cancel();
    this.#events.onClosed(error);
  }
}
