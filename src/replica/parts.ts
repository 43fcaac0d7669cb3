/** What one replica is made of, and what it tells whoever runs it. */

import type { LogIndex, ReplicaId, ReplicaSetId } from "../base/ids.js";
import type { Logger } from "../base/ports.js";
import type { Core } from "../consensus/core.js";
import type { Log } from "../storage/log.js";
import type { ReplicaStore, Snapshot } from "../storage/replica-store.js";
import type { ReplicationBudget } from "./replication-budget.js";
import type { CutPolicy } from "./snapshot-plan.js";
import type { Payload, Peers, Replica, StateMachine } from "./types.js";

export interface ReplicaParts {
  readonly replicaSetId: ReplicaSetId;
  readonly replicaId: ReplicaId;
  readonly core: Core<Payload>;
  readonly log: Log;
  readonly store: ReplicaStore;
  readonly machine: StateMachine;
  readonly cutPolicy: CutPolicy;
  /** The snapshot that `machine` was restored from, without its state, which nobody needs to hold any longer. */
  readonly restoredFrom: Pick<Snapshot, "index" | "nextOffset" | "configuration">;
  readonly snapshotsKept: readonly LogIndex[];
  readonly peers: Peers;
  readonly logger: Logger;
  /** Shared with other replicas of this broker. */
  readonly budget: ReplicationBudget;
  readonly host: ReplicaHostCallbacks;
}

/** What a replica tells its host. */
export interface ReplicaHostCallbacks {
  /** Whether it needs ticks from now on. */
  ticking(replica: Replica, needed: boolean): void;
  /** Role, term, leader, or whether it serves, changed. */
  leadershipChanged(replica: Replica): void;
  /** It stopped for good. `isLogDamaged`: what it held can be had from the others, and from nowhere else. */
  failed(replica: Replica, why: { isLogDamaged: boolean }): void;
}

/** Whether there is anyone to be filled from: a sole copy, damaged as it is, stays where it is. */
export const hasOtherVoters = ({ configuration, replicaId }: Pick<Replica, "configuration" | "replicaId">): boolean =>
  configuration.voters.some((voter) => voter.replicaId !== replicaId);
