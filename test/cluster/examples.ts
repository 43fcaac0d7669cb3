import type { NodeId, ReplicaId, ReplicaSetId } from "../../src/base/ids.js";
import { replicaId, replicaSetId, term } from "../../src/base/ids.js";
import type { Random } from "../../src/base/ports.js";
import { type FoundingRecord, makeFoundingRecord } from "../../src/cluster/membership.js";
import type { BrokerInfo, TopicSettings, TopicSpec } from "../../src/cluster/view.js";

export const node = (id: number): NodeId => id as NodeId;
export const id = (set: number): ReplicaSetId => replicaSetId(set);
export const rid = (replica: number): ReplicaId => replicaId(replica);
export { term };

export const broker = (nodeId: number, incarnation = `disk-${nodeId}`, rack = ""): BrokerInfo => ({
  nodeId: node(nodeId),
  incarnation,
  address: `host${nodeId}:9701`,
  peerAddress: `host${nodeId}:9801`,
  rack,
});

export const founding = (...nodeIds: number[]): FoundingRecord =>
  makeFoundingRecord(
    "cluster-1",
    nodeIds.map((nodeId) => `${nodeId}@host${nodeId}:9801`).join(","),
    nodeIds.map((nodeId) => broker(nodeId)),
  );

export const settings: TopicSettings = {
  retentionMs: 0,
  retentionBytes: 0,
  segmentBytes: 2 ** 27,
  segmentAgeMs: 0,
  flush: "batch",
  flushIntervalMs: 1_000,
  batchBytesMax: 2 ** 21,
};

export const spec = (name: string, partitions = 1, replicas = 3): TopicSpec => ({ name, partitions, replicas, writeQuorum: 2, readQuorum: 2, settings });

/** Chance that repeats itself. */
export function seededRandom(seed = 1): Random {
  let state = seed;
  let uuids = 0;
  return {
    below(bound) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state % bound;
    },
    uuid: () => `uuid-${seed}-${++uuids}`,
  };
}
