import type { Clock, Timer } from "../base/ports.js";
import type { ClusterView, TopicPartition } from "../cluster/view.js";
import type { Replica } from "../replica/types.js";

export interface ProducersKeeperOptions {
  /** Replicas of this broker. */
  readonly replicas: () => Iterable<Replica>;
  readonly view: Pick<ClusterView, "partitionOf">;
  readonly tellTime: (replica: Replica, at: TopicPartition) => void;
  readonly clock: Clock;
  /** A partition forgets a producer that wrote nothing for so long. */
  readonly expireMs: number;
}

const LOOKS_PER_EXPIRY = 32;
const PERIOD_MS_MIN = 100;
const PERIOD_MS_MAX = 3_600_000;

/**
 * Lets idle producers be forgotten: the leader's clock decides, and what it decides is replicated as a `producers` entry, some eight of them while
 * a producer is idle for as long as it may be, and none where nobody writes. One timer per broker.
 */
export class ProducersKeeper {
  readonly #timer: Timer;

  constructor({ replicas, view, tellTime, clock, expireMs }: ProducersKeeperOptions) {
    const periodMs = Math.min(PERIOD_MS_MAX, Math.max(PERIOD_MS_MIN, Math.round(expireMs / LOOKS_PER_EXPIRY)));
    this.#timer = clock.every(periodMs, () => {
      for (const replica of [...replicas()]) {
        const found = view.partitionOf(replica.replicaSetId);
        if (found !== undefined) tellTime(replica, { topic: found.topic.name, partition: found.partition.partition });
      }
    });
  }

  stop(): void {
    this.#timer.cancel();
  }
}
