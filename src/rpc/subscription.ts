import { type QuireError, toQuireError } from "../base/errors.js";
import type { Offset } from "../base/ids.js";
import type { DataPlane, PartitionReader, Position } from "../broker/types.js";
import type { TopicPartition } from "../cluster/view.js";

/** What a subscription asks of its stream. */
export interface SubscriptionHost {
  readonly dataPlane: Pick<DataPlane, "listOffset" | "reader">;
  /** A position was found; batches from there on follow. */
  started(subscription: Subscription, offset: Offset, term: number): void;
  /** There may be something to read. */
  runnable(subscription: Subscription): void;
  ended(subscription: Subscription, error: QuireError | undefined): void;
}

/**
 * One subscription of a stream. Steps of the client (begin, seek, remove) are carried out one after the other, each when
 * no read is under way, so that batches of an old position never follow the Started of a new one.
 */
export class Subscription {
  readonly id: number;
  readonly at: TopicPartition;
  readonly #host: SubscriptionHost;
  #reader: PartitionReader | undefined;
  /** Steps that were asked for and not carried out. */
  #steps: Promise<void> = Promise.resolve();
  #stepsWaiting = 0;
  #reading: Promise<void> | undefined;
  #ended = false;
  /** Queued to be read by the stream; set by it. */
  queued = false;
  /** Whether the client knows that it has caught up: it was told, and can tell from all batches since. */
  toldCaughtUp = false;

  constructor(host: SubscriptionHost, id: number, at: TopicPartition) {
    this.#host = host;
    this.id = id;
    this.at = at;
  }

  /** Whether it may be read now: begun, and no step waits. */
  get readable(): boolean {
    return !this.#ended && this.#reader !== undefined && this.#stepsWaiting === 0;
  }

  get position(): Offset | undefined {
    return this.#reader?.position;
  }

  /** Begins, or goes on, at a position. */
  seek(position: Position): Promise<void> {
    return this.#step(async () => {
      const { dataPlane } = this.#host;
      const { offset, term } = await dataPlane.listOffset(this.at, position);
      await this.#reading;
      if (this.#ended) return;
      if (this.#reader === undefined) {
        this.#reader = dataPlane.reader(this.at, offset);
        this.#reader.onReady(() => this.#host.runnable(this));
      } else this.#reader.seek(offset);
      this.toldCaughtUp = false;
      this.#host.started(this, offset, term);
    });
  }

  remove(): Promise<void> {
    return this.#step(async () => {
      await this.#reading;
      this.end(undefined);
    });
  }

  /** Reads once; `use` gets what was read, or undefined when caught up, before any step is carried out. */
  async read(bytesMax: number, use: (result: Awaited<ReturnType<PartitionReader["next"]>>) => void): Promise<void> {
    const reader = this.#reader;
    if (reader === undefined || this.#ended) return;
    const reading = reader.next(bytesMax).then(
      (result) => {
        if (!this.#ended) use(result);
      },
      (thrown: unknown) => this.end(toQuireError(thrown)),
    );
    this.#reading = reading;
    await reading;
    this.#reading = undefined;
  }

  end(error: QuireError | undefined): void {
    if (this.#ended) return;
    this.close();
    this.#host.ended(this, error);
  }

  /** Ends without telling. */
  close(): void {
    this.#ended = true;
    this.#reader?.close();
  }

  #step(run: () => Promise<void>): Promise<void> {
    this.#stepsWaiting += 1;
    this.#steps = this.#steps.then(async () => {
      try {
        if (!this.#ended) await run();
      } catch (thrown) {
        this.end(toQuireError(thrown));
      } finally {
        this.#stepsWaiting -= 1;
      }
      if (this.readable) this.#host.runnable(this);
    });
    return this.#steps;
  }
}
