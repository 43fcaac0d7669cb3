/** How much of a topic's tolerance is used up now. */
import type { Tolerance } from "./tolerance.js";

export interface PartitionNow {
  readonly partition: number;
  /** Node ids. */
  readonly replicas: readonly number[];
  /** 0 while unknown. */
  readonly leader: number;
}

export interface Now {
  readonly partition: number;
  readonly down: readonly number[];
  readonly state: "whole" | "degraded" | "stopped";
  /** Brokers that may still fail, the leader included, with the partition going on by itself. */
  readonly mayStillFail: number;
}

export function now(partitions: readonly PartitionNow[], alive: ReadonlySet<number>, survives: Tolerance): Now[] {
  return partitions.map(({ partition, replicas, leader }) => {
    const down = replicas.filter((nodeId) => !alive.has(nodeId));
    const goesOn = alive.has(leader) && down.length <= survives.downForWrites;
    return {
      partition,
      down,
      state: !goesOn ? "stopped" : down.length > 0 ? "degraded" : "whole",
      mayStillFail: goesOn ? Math.max(0, survives.downForElections - down.length) : 0,
    };
  });
}
