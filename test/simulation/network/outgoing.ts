import { defer, type NetworkProcess } from "./seam.js";

/** Messages that Node lets wait in a stream of objects before `write` returns false. */
const HIGH_WATER_MARK = 16;

type Done = (error?: Error | null) => void;

interface Waiting {
  readonly bytes: Buffer;
  readonly done: Done | undefined;
}

/** The sending half of one stream: what the receiver's window takes leaves at once, the rest waits in order. */
export class Outgoing {
  readonly #process: NetworkProcess;
  readonly #transmit: (bytes: Buffer) => void;
  readonly #onDrain: () => void;
  #window: number;
  #waiting: Waiting[] = [];
  /** Written, and not yet called back. */
  #length = 0;
  #needDrain = false;
  #connected: boolean;
  #atEnd: (() => void) | undefined;
  #ended = false;
  #gone = false;

  /** Unconnected, everything waits for `connect`. */
  constructor(process: NetworkProcess, windowBytes: number, connected: boolean, transmit: (bytes: Buffer) => void, onDrain: () => void) {
    this.#process = process;
    this.#window = windowBytes;
    this.#connected = connected;
    this.#transmit = transmit;
    this.#onDrain = onDrain;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  connect(): void {
    this.#connected = true;
    this.#flush();
  }

  write(bytes: Buffer, done: Done | undefined): boolean {
    this.#length += 1;
    if (this.#gone) this.#callBack(done, true);
    else if (this.#connected && this.#waiting.length === 0 && this.#window > 0) this.#send(bytes, done);
    else this.#waiting.push({ bytes, done });
    const more = this.#length < HIGH_WATER_MARK;
    if (!more) this.#needDrain = true;
    return more;
  }

  /** `atEnd` once everything that was written has left. */
  end(atEnd: () => void): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#atEnd = atEnd;
    this.#finishIfFlushed();
  }

  grow(bytes: number): void {
    this.#window += bytes;
    this.#flush();
  }

  /** The call is over. What waits never leaves; who wrote it is called back, since waiting for that would be for ever. */
  drop(): void {
    if (this.#gone) return;
    this.#gone = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { done } of waiting) this.#callBack(done, true);
  }

  #send(bytes: Buffer, done: Done | undefined): void {
    this.#window -= bytes.length;
    this.#transmit(bytes);
    this.#callBack(done, false);
  }

  #callBack(done: Done | undefined, isLost: boolean): void {
    defer(this.#process, () => {
      this.#length -= 1;
      done?.(isLost ? new Error("the call has ended") : null);
      if (!this.#needDrain || this.#length > 0 || this.#gone || this.#ended) return;
      this.#needDrain = false;
      this.#onDrain();
    });
  }

  #flush(): void {
    while (this.#connected && this.#window > 0 && !this.#gone) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#send(next.bytes, next.done);
    }
    this.#finishIfFlushed();
  }

  #finishIfFlushed(): void {
    if (!this.#connected || this.#gone || this.#waiting.length > 0) return;
    this.#atEnd?.();
    this.#atEnd = undefined;
  }
}
