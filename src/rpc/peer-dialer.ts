import type { QuireError } from "../base/errors.js";
import type { Random, Timer } from "../base/ports.js";
import { OutgoingStream, type OutgoingStreamEvents, type OutgoingStreamOptions } from "./peer-outgoing-stream.js";

/** Keeps one outgoing stream standing: dials, and dials again after a pause that doubles and is half random, for ever. */
export class PeerDialer {
  readonly #options: OutgoingStreamOptions;
  readonly #random: Random;
  readonly #events: OutgoingStreamEvents;
  #stream: OutgoingStream | undefined;
  #pause: Timer | undefined;
  #failures = 0;
  #openedMs: number | undefined;
  #stopped = false;

  constructor(options: OutgoingStreamOptions, random: Random, events: OutgoingStreamEvents) {
    this.#options = options;
    this.#random = random;
    this.#events = events;
  }

  /** The stream, if the peer has answered on it. */
  get open(): OutgoingStream | undefined {
    return this.#stream?.incarnation === undefined ? undefined : this.#stream;
  }

  /** Dials at once if it was pausing or has not begun: at the start, or when the peer shows that it is there. */
  dial(): void {
    if (this.#stopped || this.#stream !== undefined) return;
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#openedMs = undefined;
    this.#stream = new OutgoingStream(this.#options, {
      onOpen: (incarnation) => {
        this.#openedMs = this.#options.clock.monotonicMs();
        this.#events.onOpen(incarnation);
      },
      onHeard: () => this.#events.onHeard(),
      onClosed: (error) => this.#closed(error),
    });
  }

  tick(nowMs: number): void {
    this.#stream?.tick(nowMs);
  }

  forgive(nowMs: number): void {
    this.#stream?.forgive(nowMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#pause?.cancel();
    this.#stream?.close();
    this.#stream = undefined;
  }

  #closed(error: QuireError): void {
    const { clock, timing } = this.#options;
    this.#stream = undefined;
    // Only a stream that stood for a while clears the record; one that is cut right after each handshake does not.
    if (this.#openedMs !== undefined && clock.monotonicMs() - this.#openedMs > timing.backoffMsMax) this.#failures = 0;
    const pauseMs = Math.min(timing.backoffMsMax, timing.backoffMsMin * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    this.#pause = clock.after(pauseMs / 2 + this.#random.below(Math.ceil(pauseMs / 2)), () => this.dial());
    this.#events.onClosed(error);
  }
}
