/** Refusals that members hear. */
import { QuireError } from "../../base/errors.js";
import type { NodeId } from "../../base/ids.js";
import type { ClusterView } from "../../cluster/view.js";

/** Whoever coordinates the group is named; without one this broker is going. */
export function notCoordinator(view: ClusterView, group: string, coordinator: NodeId | undefined): QuireError {
  const broker = coordinator === undefined ? undefined : view.broker(coordinator);
  if (broker === undefined || broker.nodeId === view.self) {
    return new QuireError("SHUTTING_DOWN", `broker ${view.self} no longer coordinates group ${group}; enter again at another broker`, { retryAfterMs: 100 });
  }
  return new QuireError("NOT_COORDINATOR", `broker ${view.self} does not coordinate group ${group}; broker ${broker.nodeId} at ${broker.address} does`, {
    details: { group, coordinatorNodeId: broker.nodeId, coordinatorAddress: broker.address },
  });
}

/** @param successor who came with its instance id; without one it was silent for too long, and may come again */
export const fenced = (group: string, memberId: string, successor: string | undefined): QuireError =>
  new QuireError(
    "MEMBER_FENCED",
    `${memberId} is no member of group ${group} any more: ${successor === undefined ? "it was silent for longer than its session timeout" : `${successor} came with its instance id`}`,
    { details: { group, memberId, ...(successor !== undefined && { successor }) } },
  );

export const replaced = (memberId: string): QuireError =>
  new QuireError("MEMBER_FENCED", `${memberId} has entered on another stream; give each consumer a member id of its own`, { details: { memberId } });

export const inconsistentStrategy = (group: string, asked: string, inForce: string): QuireError =>
  new QuireError("INCONSISTENT_GROUP", `strategy is ${asked}, and the members of group ${group} have ${inForce}; say the same, or leave it out`, {
    details: { group, strategy: asked, inForce },
    fields: [{ field: "enter.strategy", description: `is ${asked}; the group has ${inForce}` }],
  });
