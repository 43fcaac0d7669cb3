import { QuireError } from "../base/errors.js";

/** A long stream, as the server may end it. */
export interface LiveStream {
  /** Ends politely: what is ready is sent, then SHUTTING_DOWN. */
  shutdown(): void;
}

/** The streams of one kind that are open, bounded. */
export class StreamSlots {
  readonly #kind: string;
  readonly #max: number;
  readonly #open = new Set<LiveStream>();
  #closed = false;

  constructor(kind: string, max: number) {
    this.#kind = kind;
    this.#max = max;
  }

  /** The returned function gives the slot back. @throws QuireError TOO_MANY_STREAMS, SHUTTING_DOWN */
  open(stream: LiveStream): () => void {
    if (this.#closed) throw shuttingDown();
    if (this.#open.size >= this.#max) {
      throw new QuireError(
        "TOO_MANY_STREAMS",
        `${this.#open.size} ${this.#kind} streams are open on this broker, which is the limit; use one stream for many partitions`,
        {
          details: { streams: this.#open.size, limit: this.#max },
          retryAfterMs: 1_000,
        },
      );
    }
    this.#open.add(stream);
    return () => {
      this.#open.delete(stream);
    };
  }

  get size(): number {
    return this.#open.size;
  }

  /** Ends all of them, and takes no more. */
  close(): void {
    this.#closed = true;
    for (const stream of [...this.#open]) stream.shutdown();
  }
}

export const shuttingDown = (): QuireError =>
  new QuireError("SHUTTING_DOWN", "this broker is shutting down; its partitions move to other brokers", { retryAfterMs: 100 });
