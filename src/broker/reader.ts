import { assert } from "../base/assert.js";
import type { Offset } from "../base/ids.js";
import type { TopicPartition } from "../cluster/view.js";
import { Cursor, type CursorOptions } from "./cursor.js";
import { fetchResult } from "./fetch.js";
import type { PartitionKeeper } from "./partition-keeper.js";
import type { PartitionWatch } from "./partition-watch.js";
import type { FetchResult, PartitionReader } from "./types.js";

export interface ReaderOptions extends CursorOptions {
  readonly watch: PartitionWatch;
}

/** Reads a partition forwards for a subscription. While it is caught up it costs one registration and nothing else. */
export class LocalReader implements PartitionReader {
  readonly #keeper: PartitionKeeper;
  readonly #watch: PartitionWatch;
  readonly #cursor: Cursor;
  #highWatermark: Offset;
  #ready: () => void = () => {};
  #unwatch: (() => void) | undefined;
  #reading = false;
  #closed = false;

  /** @throws QuireError when this broker cannot read the partition at `start` */
  constructor(options: ReaderOptions, at: TopicPartition, start: Offset) {
    this.#keeper = options.keeper;
    this.#watch = options.watch;
    this.#cursor = new Cursor(options, at, start);
    this.#highWatermark = this.#cursor.check().highWatermark;
  }

  get position(): Offset {
    return this.#cursor.position;
  }

  /** As of the last time this broker served the partition to this reader. */
  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  async next(bytesMax: number): Promise<FetchResult | undefined> {
    assert(!this.#reading, "one call of next at a time");
    this.#stopWatching();
    this.#reading = true;
    try {
      const frames = await this.#cursor.read(bytesMax, true, () => !this.#closed);
      if (this.#closed) return undefined;
      const replica = this.#cursor.check();
      this.#highWatermark = replica.highWatermark;
      if (frames.length > 0) return fetchResult(this.#keeper, replica, this.#cursor, frames);
      this.#unwatch = this.#watch.watch(replica, () => {
        if (this.#cursor.isCaughtUp(replica)) return;
        this.#stopWatching();
        this.#ready();
      });
      return undefined;
    } finally {
      this.#reading = false;
    }
  }

  seek(position: Offset): void {
    this.#stopWatching();
    this.#cursor.seek(position);
  }

  onReady(ready: () => void): void {
    this.#ready = ready;
  }

  close(): void {
    this.#closed = true;
    this.#stopWatching();
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }
}
