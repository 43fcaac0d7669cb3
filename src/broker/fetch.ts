import { QuireError } from "../base/errors.js";
import { frameBytes } from "../base/frame-codec.js";
import type { Clock } from "../base/ports.js";
import type { Replica } from "../replica/types.js";
import type { Frame } from "../storage/log.js";
import { Cursor, type CursorOptions } from "./cursor.js";
import { earliestOffset, type PartitionKeeper } from "./partition-keeper.js";
import type { PartitionWatch } from "./partition-watch.js";
import type { FetchRequest, FetchResult } from "./types.js";

export interface FetchOptions extends CursorOptions {
  readonly watch: PartitionWatch;
  readonly clock: Clock;
  /** Fetches that may wait for records at a time. */
  readonly waitersMax: number;
  /** How many wait now. */
  waiters: number;
}

/** Batches from an offset on; waits for `bytesMin` of them, at most `waitMsMax`, while this broker serves the partition. */
export async function fetch(options: FetchOptions, request: FetchRequest, signal: AbortSignal): Promise<FetchResult> {
  const cursor = new Cursor(options, request, request.offset);
  const waitUntilMs = options.clock.monotonicMs() + request.waitMsMax;
  const frames: Frame[] = [];
  let bytes = 0;
  let partial: FetchResult | undefined;
  for (;;) {
    throwIfAborted(signal);
    let replica: Replica;
    try {
      const more = await cursor.read(request.bytesMax - bytes, frames.length === 0, () => !signal.aborted);
      for (const frame of more) bytes += frameBytes(frame);
      frames.push(...more);
      replica = cursor.check();
      // Below the high watermark and nothing came: the next batch does not fit.
      if (more.length === 0 && cursor.position < replica.highWatermark) bytes = Number.POSITIVE_INFINITY;
    } catch (error) {
      // What was committed may be told, even when the leadership was lost while waiting for more.
      if (partial !== undefined && partial.frames.length > 0) return partial;
      throw error;
    }
    partial = fetchResult(options.keeper, replica, cursor, [...frames]);
    const waitMs = waitUntilMs - options.clock.monotonicMs();
    if (bytes >= request.bytesMin || waitMs <= 0) return partial;
    if (cursor.position === replica.highWatermark) await waitForChange(options, replica, cursor, { waitMs, signal });
  }
}

export const fetchResult = (keeper: PartitionKeeper, replica: Replica, cursor: Pick<Cursor, "position">, frames: readonly Frame[]): FetchResult => ({
  frames,
  highWatermark: replica.highWatermark,
  logStartOffset: earliestOffset(replica),
  nextOffset: cursor.position,
  leader: { nodeId: keeper.self, term: replica.term },
});

/** Resolves at a change of the partition that matters here, when the time is over, or when the caller gave up. @throws QuireError THROTTLED */
function waitForChange(
  options: FetchOptions,
  replica: Replica,
  cursor: Cursor,
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  if (options.waiters >= options.waitersMax) {
    throw new QuireError("THROTTLED", `${options.waiters} fetches wait for records on this broker, which is the limit; ask with max_wait_ms 0, or subscribe`, {
      details: { waiters: options.waiters, limit: options.waitersMax },
      retryAfterMs: 500,
    });
  }
  options.waiters += 1;
  return new Promise((resolve) => {
    const end = (): void => {
      options.waiters -= 1;
      unwatch();
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const unwatch = options.watch.watch(replica, () => {
      if (!cursor.isCaughtUp(replica)) end();
    });
    const timer = options.clock.after(waitMs, end);
    signal.addEventListener("abort", end, { once: true });
  });
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new QuireError("CANCELLED", "the fetch was cancelled by its caller");
}
