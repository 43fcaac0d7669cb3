import { InvariantError } from "../base/assert.js";
import { type QuireError, toQuireError } from "../base/errors.js";
import type { Clock, Logger, Random } from "../base/ports.js";
import { metadataNotRead } from "../base/refusals.js";
import type { Coordinator } from "../broker/groups/coordinator.js";
import type { DataPlane } from "../broker/types.js";
import type { GroupsAdmin, GroupsView } from "../cluster/group-info.js";
import type { ClusterAdmin, ClusterView, TopicPartition } from "../cluster/view.js";
import type { PartitionLeaderMessage } from "../wire/messages.js";
import type { Forwarder } from "./forward.js";

export interface EdgeLimits {
  readonly recordBytesMax: number;
  readonly batchBytesMax: number;
  /** Streams of one kind. */
  readonly streamsMax: number;
  readonly subscriptionsPerStreamMax: number;
  /** Unary calls under way. */
  readonly unaryCallsMax: number;
  /** Record bytes of `Append` that wait for other brokers. */
  readonly forwardBytesMax: number;
  readonly streamHeartbeatMs: number;
}

/** What every public service works with. */
export interface Edge {
  readonly view: ClusterView;
  readonly admin: ClusterAdmin;
  readonly dataPlane: DataPlane;
  readonly groups: GroupsView;
  readonly groupsAdmin: GroupsAdmin;
  readonly coordinator: Coordinator;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: EdgeLimits;
  readonly forwarder: Forwarder;
}

/** @throws QuireError NOT_READY until this broker has read the cluster's metadata */
export function checkReady(view: ClusterView): void {
  if (!view.ready) throw metadataNotRead(view.self);
}

/** Who leads a partition as this broker knows it; zeros while unknown. */
export function leaderOf(view: ClusterView, at: TopicPartition): PartitionLeaderMessage {
  const partition = view.partition(at);
  const leader = partition === undefined ? undefined : view.leader(partition.replicaSetId);
  if (leader === undefined) return { nodeId: 0, address: "", term: 0 };
  return { nodeId: leader.nodeId, address: view.broker(leader.nodeId)?.address ?? "", term: leader.term };
}

/** This broker as the leader in `term`. */
export const selfAsLeader = (view: ClusterView, term: number): PartitionLeaderMessage => ({
  nodeId: view.self,
  address: view.broker(view.self)?.address ?? "",
  term,
});

/** The leader that a NOT_LEADER names, or else as this broker knows it. */
export function leaderAfter(error: QuireError, view: ClusterView, at: TopicPartition): PartitionLeaderMessage {
  const { leaderNodeId, leaderAddress, term } = error.details;
  if (error.reason !== "NOT_LEADER" || leaderNodeId === undefined) return leaderOf(view, at);
  return { nodeId: Number(leaderNodeId), address: String(leaderAddress ?? ""), term: Number(term ?? 0) };
}

/** Any throwable as an answer. A broken invariant stops the process as well: it is rethrown where nobody catches it. */
export function answerOf(thrown: unknown, { clock, logger }: Pick<Edge, "clock" | "logger">): QuireError {
  const error = toQuireError(thrown);
  const broken = thrown instanceof InvariantError ? thrown : error.cause;
  if (broken instanceof InvariantError) {
    clock.soon(() => {
      throw broken;
    });
  }
  if (error.reason === "INTERNAL") logger.error({ error: error.cause ?? error }, "unexpected failure of a request");
  return error;
}
