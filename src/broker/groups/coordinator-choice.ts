import type { NodeId } from "../../base/ids.js";
import { murmur2 } from "../../base/murmur2.js";
import type { GroupInfo } from "../../cluster/group-info.js";
import type { ClusterView } from "../../cluster/view.js";

/** Who coordinates a group: whoever does, while it lives as seen from here; else the one that all brokers find alike. Undefined when no other broker lives. */
export function coordinatorOf(view: ClusterView, name: string, group: GroupInfo | undefined, without?: NodeId): NodeId | undefined {
  if (group !== undefined && group.coordinator !== without && view.isAlive(group.coordinator)) return group.coordinator;
  return firstAlive(view, name, without);
}

/** Spread evenly over brokers, and when one goes only its groups move: rendezvous hashing (Thaler and Ravishankar, 1998). */
function firstAlive(view: ClusterView, name: string, without: NodeId | undefined): NodeId | undefined {
  let first: NodeId | undefined;
  let highest = -1;
  for (const { nodeId } of view.brokers()) {
    if (nodeId === without || !view.isAlive(nodeId)) continue;
    const weight = murmur2(Buffer.from(`${nodeId}/${name}`)) >>> 0;
    if (weight > highest) {
      first = nodeId;
      highest = weight;
    }
  }
  return first;
}
