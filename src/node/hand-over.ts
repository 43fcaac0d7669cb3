import type { NodeId } from "../base/ids.js";
import type { Clock, Logger } from "../base/ports.js";
import type { Member, Replica } from "../replica/types.js";

export interface HandOverOptions {
  readonly self: NodeId;
  readonly replicas: readonly Replica[];
  readonly isAlive: (nodeId: NodeId) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** After this the rest is left to elections. */
  readonly timeoutMs: number;
}

const CONCURRENCY = 32;

/** The voter that can take over soonest: connected, and least far behind. */
export function successorOf(leader: Replica, self: NodeId, isAlive: (nodeId: NodeId) => boolean): Member | undefined {
  const candidates = leader.configuration.voters.filter((voter) => voter.nodeId !== self && isAlive(voter.nodeId));
  return candidates.sort((a, b) => (leader.matchOf(b.replicaId) ?? 0) - (leader.matchOf(a.replicaId) ?? 0))[0];
}

/** Before a polite stop: moves every leadership of this broker to another replica, so that producers wait milliseconds and not an election. */
export async function handOverAll({ self, replicas, isAlive, clock, logger, timeoutMs }: HandOverOptions): Promise<void> {
  const led = replicas.filter((replica) => replica.role === "leader" && replica.failure === undefined);
  const total = led.length;
  if (total === 0) return;
  const giveUpMs = clock.monotonicMs() + timeoutMs;
  let moved = 0;
  const workers = Array.from({ length: Math.min(CONCURRENCY, total) }, async () => {
    for (let replica = led.pop(); replica !== undefined && clock.monotonicMs() < giveUpMs; replica = led.pop()) {
      const successor = successorOf(replica, self, isAlive);
      if (successor === undefined) continue;
      // A refusal (a change of members is under way, say) leaves this one to an election.
      if (await replica.transfer(successor.replicaId).catch(() => false)) moved += 1;
    }
  });
  await Promise.all(workers);
  if (moved > 0) logger.info({ moved, led: total }, "leaderships moved to other brokers");
}
