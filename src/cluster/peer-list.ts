import { QuireError } from "../base/errors.js";
import type { NodeId } from "../base/ids.js";
import { limits } from "../base/limits.js";

/** One line of the peer list that the founders of a cluster are started with. */
export interface FoundingPeer {
  readonly nodeId: NodeId;
  /** `host:port` */
  readonly peerAddress: string;
}

/** The peer list in one form, however it was ordered, so that brokers can compare theirs. */
export const canonicalPeerList = (peers: readonly FoundingPeer[]): string =>
  [...peers]
    .sort((a, b) => a.nodeId - b.nodeId)
    .map(({ nodeId, peerAddress }) => `${nodeId}@${peerAddress}`)
    .join(",");

/** @throws QuireError INVALID_SETTING for a list by which no cluster can form */
export function checkPeerList(peers: readonly FoundingPeer[], self: NodeId): void {
  const refuse = (why: string): never => {
    throw new QuireError("INVALID_SETTING", `peers: ${why}`, { details: { setting: "peers" } });
  };
  if (peers.length > limits.replicasPerPartition) {
    refuse(
      `${peers.length} brokers cannot found a cluster; at most ${limits.replicasPerPartition} vote on its metadata: start with those and let the others join`,
    );
  }
  for (const [at, { nodeId, peerAddress }] of peers.entries()) {
    const twin = peers.slice(0, at).find((other) => other.nodeId === nodeId || other.peerAddress === peerAddress);
    if (twin?.nodeId === nodeId) refuse(`node id ${nodeId} is given to both ${twin.peerAddress} and ${peerAddress}`);
    if (twin !== undefined) refuse(`${peerAddress} is given to both broker ${twin.nodeId} and broker ${nodeId}`);
  }
  if (!peers.some((peer) => peer.nodeId === self)) refuse(`the list names brokers ${peers.map((peer) => peer.nodeId).join(", ")}, but not this one, ${self}`);
}
