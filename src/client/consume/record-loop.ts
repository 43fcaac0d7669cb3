/** A consumer as a loop: asking for the next record says that the one before is done. */
import { QuireError } from "../../base/errors.js";
import type { ReceivedRecord } from "../record.js";
import type { Consumer } from "./consumer.js";
import type { Handler } from "./handling.js";

/** A record in the loop's hands, or on the way there. */
interface Offered<Value> {
  readonly record: ReceivedRecord<Value>;
  readonly done: () => void;
  readonly refuse: (why: unknown) => void;
}

/** @param begin makes a consumer that works at one record at a time, at one attempt */
export async function* recordLoop<Value>(
  begin: (handler: Handler<Value>) => Promise<Consumer>,
  signal: AbortSignal | undefined,
): AsyncGenerator<ReceivedRecord<Value>, undefined> {
  const queue = new LoopQueue<Value>();
  const consumer = await begin((record, { signal: stop }) => queue.offer(record, stop));
  consumer.done.then(
    () => queue.end(undefined),
    (why: unknown) => queue.end({ why }),
  );
  let current: Offered<Value> | undefined;
  try {
    for (;;) {
      current = await queue.next();
      if (current === undefined) {
        signal?.throwIfAborted();
        return undefined;
      }
      yield current.record;
      current.done();
    }
  } finally {
    const closed = consumer.close();
    queue.close();
    // The loop was left with it: it is not done, and not waited for.
    current?.refuse(left());
    await closed;
  }
}

const left = (): QuireError => new QuireError("CANCELLED", "the loop was left");

class LoopQueue<Value> {
  #offered: Offered<Value>[] = [];
  #isClosed = false;
  #end: { readonly failure: { readonly why: unknown } | undefined } | undefined;
  #wake: () => void = () => {};

  /** Resolves when the loop is done with it. */
  offer(record: ReceivedRecord<Value>, stop: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed || stop.aborted) return reject(left());
      const refused = (): void => {
        this.#offered = this.#offered.filter((other) => other !== offered);
        reject(stop.reason);
      };
      const settled = (settle: () => void): void => {
        stop.removeEventListener("abort", refused);
        settle();
      };
      const offered: Offered<Value> = { record, done: () => settled(resolve), refuse: (why) => settled(() => reject(why)) };
      stop.addEventListener("abort", refused, { once: true });
      this.#offered.push(offered);
      this.#wake();
    });
  }

  /** Undefined at the end. @throws what ended the consumer */
  async next(): Promise<Offered<Value> | undefined> {
    for (;;) {
      const next = this.#offered.shift();
      if (next !== undefined) return next;
      if (this.#end?.failure !== undefined) throw this.#end.failure.why;
      if (this.#end !== undefined) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  end(failure: { readonly why: unknown } | undefined): void {
    this.#end = { failure };
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    for (const offered of this.#offered.splice(0)) offered.refuse(left());
  }
}
