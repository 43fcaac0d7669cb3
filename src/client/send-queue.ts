/** Sends that wait for room in the buffer, first come first served, bounded. */
import { QuireError } from "../base/errors.js";

export interface WaitingSend {
  /** Monotonic. */
  readonly sentMs: number;
  /** It has its turn: there is room. */
  admit(): void;
  refuse(error: QuireError): void;
}

export class SendQueue {
  readonly #bytesMax: number;
  readonly #waitingMax: number;
  #bytes = 0;
  #waiting: (WaitingSend | undefined)[] = [];
  /** Those before it had their turn, and are forgotten. */
  #head = 0;
  #admitting = false;

  constructor(bytesMax: number, waitingMax: number) {
    this.#bytesMax = bytesMax;
    this.#waitingMax = waitingMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** Whether a record may be taken now, without getting before one that waits. One record may go beyond the limit. */
  get hasRoom(): boolean {
    return this.#bytes < this.#bytesMax && this.waiting === 0;
  }

  /** Refused with BUFFER_FULL when too many wait already. */
  wait(send: WaitingSend): void {
    if (this.waiting < this.#waitingMax) this.#waiting.push(send);
    else {
      const message = `${this.#bytes} bytes wait to be acknowledged (bufferBytesMax ${this.#bytesMax}), and ${this.waiting} sends wait for room (sendsWaitingMax)`;
      const details = { bufferedBytes: this.#bytes, bufferBytesMax: this.#bytesMax, sendsWaitingMax: this.#waitingMax };
      send.refuse(new QuireError("BUFFER_FULL", `${message}; await what you send, or use sendAll`, { details }));
    }
  }

  /** Resolves when everything that waits now has had its turn, or was refused. */
  turn(sentMs: number): Promise<void> {
    if (this.waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ sentMs, admit: resolve, refuse: () => resolve() }));
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Records of this many bytes are answered: others may follow. */
  release(bytes: number): void {
    this.#bytes -= bytes;
    this.#admit();
  }

  /** Refuses those that have waited since before `sentMs`. */
  expire(sentMs: number, error: () => QuireError): void {
    while (this.#head < this.#waiting.length) {
      if ((this.#waiting[this.#head]?.sentMs ?? 0) >= sentMs) return;
      this.#next()?.refuse(error());
    }
    this.#tidy();
  }

  #admit(): void {
    if (this.#admitting) return;
    this.#admitting = true;
    while (this.#head < this.#waiting.length && this.#bytes < this.#bytesMax) {
      this.#next()?.admit();
    }
    this.#admitting = false;
    this.#tidy();
  }

  /** A million may wait: what it costs to forget one does not grow with those behind it, and what it holds goes at once. */
  #next(): WaitingSend | undefined {
    const send = this.#waiting[this.#head];
    this.#waiting[this.#head] = undefined;
    this.#head += 1;
    return send;
  }

  #tidy(): void {
    if (this.#head * 2 < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}
