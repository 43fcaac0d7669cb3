/** Refusals that several parts make: one wording, one set of details. */
import { QuireError } from "./errors.js";
import type { NodeId, Term } from "./ids.js";

export const topicNotFound = (topic: string): QuireError =>
  new QuireError("TOPIC_NOT_FOUND", `there is no topic ${JSON.stringify(topic)}; create it first, or check its spelling`, { details: { topic } });

/** `partitions`: how many the topic has. */
export const partitionNotFound = (topic: string, partition: number, partitions: number): QuireError =>
  new QuireError("PARTITION_NOT_FOUND", `topic ${topic} has no partition ${partition}; it has 0 to ${partitions - 1}`, {
    details: { topic, partition, partitions },
  });

/** Before a broker has replayed the metadata, that it does not know a thing means nothing. */
export const metadataNotRead = (self: NodeId): QuireError =>
  new QuireError("NOT_READY", `broker ${self} has not read the cluster's metadata yet; try again in a moment, or ask another broker`, { retryAfterMs: 100 });

type Details = Readonly<Record<string, string | number>>;

/** Who leads instead: with it, the way there. `name` is of the partition, or of the metadata. */
export const notLeader = (
  self: NodeId,
  name: string,
  leader: { readonly nodeId: NodeId; readonly address: string; readonly term: Term },
  { details, cause }: { readonly details?: Details; readonly cause?: unknown } = {},
): QuireError =>
  new QuireError("NOT_LEADER", `broker ${self} does not lead ${name}; broker ${leader.nodeId} at ${leader.address} does, in term ${leader.term}`, {
    details: { ...details, leaderNodeId: leader.nodeId, leaderAddress: leader.address, term: leader.term },
    cause,
  });

/** Nobody that is connected is known to lead; `name` as in `notLeader`. */
export const leaderUnknown = (self: NodeId, name: string, { details, cause }: { readonly details?: Details; readonly cause?: unknown } = {}): QuireError =>
  new QuireError("LEADER_UNKNOWN", `broker ${self} knows no leader of ${name} at the moment; an election takes less than a second or two`, {
    ...(details && { details }),
    retryAfterMs: 50,
    cause,
  });
