import { QuireError } from "../base/errors.js";
import type { NodeId } from "../base/ids.js";
import { type Load, spreadLeaders, spreadReplicas } from "./spread.js";

/** A broker that may take replicas, with what it has already. */
export interface Candidate {
  readonly nodeId: NodeId;
  /** Brokers of one rack fail together; empty for none, which counts as a rack of its own. */
  readonly rack: string;
  readonly replicas: number;
  readonly preferredLeaders: number;
}

export interface PlacementRequest {
  readonly partitions: number;
  /** N. */
  readonly replicas: number;
  readonly candidates: readonly Candidate[];
  /** Any whole number: where among equals to begin. Equal requests give equal placements. */
  readonly rotation: number;
}

/**
 * Chooses the brokers of each partition's replicas, preferred leader first. No two replicas of a partition share a
 * broker, nor a rack while there are enough racks; within those bounds replicas and preferred leaders of the topic are spread evenly
 * over brokers (counts differ by at most one where that is possible), and among equals the broker with less of other topics is taken.
 *
 * @throws QuireError NOT_ENOUGH_BROKERS
 */
export function place({ partitions, replicas, candidates, rotation }: PlacementRequest): NodeId[][] {
  if (replicas > candidates.length) {
    throw new QuireError(
      "NOT_ENOUGH_BROKERS",
      `${replicas} replicas need ${replicas} brokers; the cluster has ${candidates.length}: ask for fewer replicas or add brokers`,
      {
        details: { replicas, brokers: candidates.length },
      },
    );
  }
  const loads = loadsOf(candidates, rotation);
  const rows = spreadReplicas(loads, partitions, replicas);
  spreadLeaders(loads, rows);
  return rows.map((row) => row.map((load) => load.nodeId));
}

function loadsOf(candidates: readonly Candidate[], rotation: number): Load[] {
  const sorted = [...candidates].sort((a, b) => a.nodeId - b.nodeId);
  const start = ((rotation % sorted.length) + sorted.length) % sorted.length;
  const rotated = [...sorted.slice(start), ...sorted.slice(0, start)];
  const racks = new Map<string, Load["rack"]>();
  return rotated.map((candidate) => {
    // A broker without a rack shares its fate with nobody: a rack of its own.
    const name = candidate.rack === "" ? `broker ${candidate.nodeId}` : `rack ${candidate.rack}`;
    const rack = racks.get(name) ?? { brokers: 0, replicas: 0 };
    rack.brokers += 1;
    racks.set(name, rack);
    return { nodeId: candidate.nodeId, rack, replicas: 0, leaders: 0, replicasElsewhere: candidate.replicas, leadersElsewhere: candidate.preferredLeaders };
  });
}
