import { toQuireError } from "../base/errors.js";
import type { Offset } from "../base/ids.js";
import type { Clock, Logger, Timer } from "../base/ports.js";
import type { ClusterView, TopicPartition } from "../cluster/view.js";
import type { Replica } from "../replica/types.js";
import { retiredThrough } from "./retention.js";

export interface RetentionKeeperOptions {
  /** Replicas of this broker. */
  readonly replicas: () => Iterable<Replica>;
  readonly view: Pick<ClusterView, "partitionOf">;
  readonly trim: (at: TopicPartition, before: Offset) => Promise<Offset>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between two looks. */
  readonly periodMs: number;
}

/**
 * Lets old records go: the leader decides, by age and size, and what it decides is replicated as `trim` like any entry.
 * One timer per broker, whatever the number of partitions.
 */
export class RetentionKeeper {
  readonly #options: RetentionKeeperOptions;
  readonly #timer: Timer;
  #busy = false;

  constructor(options: RetentionKeeperOptions) {
    this.#options = options;
    this.#timer = options.clock.every(options.periodMs, () => {
      if (!this.#busy) void this.look();
    });
  }

  /** One look at every partition led here. */
  async look(): Promise<void> {
    const { replicas, clock, logger } = this.#options;
    this.#busy = true;
    try {
      for (const replica of [...replicas()]) {
        if (!replica.serving) continue;
        const wanted = this.#wanted(replica, clock.wallMs());
        if (wanted === undefined) continue;
        try {
          const start = await this.#options.trim(wanted.at, wanted.before);
          logger.info({ ...wanted.at, logStartOffset: start }, "old records went, by retention");
        } catch (error) {
          logger.debug({ ...wanted.at, why: toQuireError(error).message }, "old records stay for now");
        }
      }
    } finally {
      this.#busy = false;
    }
  }

  stop(): void {
    this.#timer.cancel();
  }

  #wanted(replica: Replica, nowMs: number): { at: TopicPartition; before: Offset } | undefined {
    const found = this.#options.view.partitionOf(replica.replicaSetId);
    if (found === undefined) return undefined;
    const before = retiredThrough(replica.log.segments(), found.topic.settings, { logBytes: replica.log.bytes, wallMs: nowMs })?.endOffset;
    if (before === undefined || before <= replica.logStartOffset || before > replica.highWatermark) return undefined;
    return { at: { topic: found.topic.name, partition: found.partition.partition }, before };
  }
}
