/** Asks the cluster who this client is as an idempotent producer: once, when it first sends, and again when its epochs are used up. */
import { type QuireError, toQuireError } from "../base/errors.js";
import { produceService } from "../wire/services.js";
import type { Calls } from "./calls.js";
import type { ClientOptions } from "./options.js";
import type { Identity } from "./sequence.js";

export interface IdentityEvents {
  /** There is an identity now. */
  onKnown(): void;
  /** There will be none, for this reason. */
  onRefused(error: QuireError): void;
}

export class Identities {
  readonly #calls: Calls;
  /** Empty for none. */
  readonly #name: string;
  readonly #timeoutMs: number;
  readonly #events: IdentityEvents;
  #current: Identity | undefined;
  #problem: QuireError | undefined;
  #isAsking = false;

  constructor(calls: Calls, { producer, requestTimeoutMs, deliveryTimeoutMs }: ClientOptions, events: IdentityEvents) {
    this.#calls = calls;
    this.#name = producer;
    // So that whoever waits to send hears in time why there is none.
    this.#timeoutMs = Math.min(requestTimeoutMs, deliveryTimeoutMs / 2);
    this.#events = events;
  }

  /** Why there is none yet, if asking has failed. */
  get problem(): QuireError | undefined {
    return this.#problem;
  }

  /** The identity; undefined while it is being asked for, which this begins. */
  current(): Identity | undefined {
    if (this.#current === undefined) void this.#ask();
    return this.#current;
  }

  /** All epochs of `identity` are used up. */
  renew(identity: Identity): void {
    if (this.#current === identity) this.#current = undefined;
    this.current();
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      // Asked twice, it is begun twice: the second answer holds, and nobody wrote as the first.
      const { producerId, epoch, epochs } = await this.#calls.call(produceService.InitProducer, { name: this.#name }, { timeoutMs: this.#timeoutMs });
      this.#current = { producerId, firstEpoch: epoch, lastEpoch: epoch + epochs - 1 };
      this.#problem = undefined;
      this.#events.onKnown();
    } catch (thrown) {
      this.#problem = toQuireError(thrown);
      if (this.#problem.retry === "never") this.#events.onRefused(this.#problem);
    } finally {
      this.#isAsking = false;
    }
  }
}
