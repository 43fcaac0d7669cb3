import { defer, type NetworkProcess } from "./seam.js";

interface Arrived {
  readonly bytes: Buffer;
  /** Copies that a fault made were never taken from the sender's window. */
  readonly counts: boolean;
}

export interface IncomingOptions {
  readonly process: NetworkProcess;
  readonly windowBytes: number;
  /** Gives a message to the application. */
  readonly emit: (bytes: Buffer) => void;
  /** All messages were given, and no more will come. */
  readonly emitEnd: () => void;
  /** The sender may send so much more. */
  readonly grant: (bytes: number) => void;
}

/** The receiving half of one stream, as a Node stream in object mode: flows once somebody listens, pauses, and then still reads a few ahead. */
export class Incoming {
  readonly #options: IncomingOptions;
  readonly #queue: Arrived[] = [];
  /** How many of the first in the queue count as read: a stream that is paused reads ahead. */
  #readAhead = 0;
  #consumedBytes = 0;
  #flowing: boolean | undefined;
  #resuming = false;
  #ending = false;
  #ended = false;
  #gone = false;
  /** Read by `isPaused` and changed by `src/rpc/narrow-reads.ts`, as Node's own. */
  readonly state = { highWaterMark: 16 };

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  get isPaused(): boolean {
    return this.#flowing === false;
  }

  /** True when the application got it at once. */
  push(bytes: Buffer, counts = true): boolean {
    if (this.#gone || this.#ending) return false;
    if (this.#flowing === true && !this.#resuming && this.#queue.length === 0) {
      if (counts) this.#consume(bytes.length);
      this.#options.emit(bytes);
      return true;
    }
    this.#queue.push({ bytes, counts });
    this.#readOn();
    return false;
  }

  /** The sender has said all. */
  end(): void {
    this.#ending = true;
    this.#endIfEmpty();
  }

  /** What was not given to the application never is. */
  drop(): void {
    this.#gone = true;
    this.#queue.length = 0;
    this.#readAhead = 0;
  }

  /** An error overtakes what was not read; the end still comes. */
  endNow(): void {
    this.#queue.length = 0;
    this.#readAhead = 0;
    this.end();
  }

  /** Somebody listens: flows, unless it was paused before. */
  listen(): void {
    if (this.#flowing === undefined) this.resume();
  }

  pause(): void {
    this.#flowing = false;
  }

  resume(): void {
    if (this.#flowing === true) return;
    this.#flowing = true;
    if (this.#resuming) return;
    this.#resuming = true;
    defer(this.#options.process, () => {
      this.#resuming = false;
      this.#flow();
    });
  }

  #flow(): void {
    while (this.#flowing === true && !this.#gone) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      if (this.#readAhead > 0) this.#readAhead -= 1;
      else if (next.counts) this.#consume(next.bytes.length);
      this.#readOn();
      this.#options.emit(next.bytes);
    }
    this.#endIfEmpty();
  }

  #readOn(): void {
    while (this.#readAhead < Math.min(this.#queue.length, this.state.highWaterMark)) {
      const arrived = this.#queue[this.#readAhead];
      this.#readAhead += 1;
      if (arrived?.counts === true) this.#consume(arrived.bytes.length);
    }
  }

  /** As nghttp2: the sender is told when half of the window was read. */
  #consume(bytes: number): void {
    this.#consumedBytes += bytes;
    if (this.#consumedBytes < this.#options.windowBytes / 2) return;
    const granted = this.#consumedBytes;
    this.#consumedBytes = 0;
    this.#options.grant(granted);
  }

  #endIfEmpty(): void {
    if (!this.#ending || this.#ended || this.#gone || this.#flowing !== true || this.#resuming || this.#queue.length > 0) return;
    this.#ended = true;
    defer(this.#options.process, () => {
      if (!this.#gone) this.#options.emitEnd();
    });
  }
}
