import type { ReplicaSetId } from "../../src/base/ids.js";
import { MIB } from "../../src/base/limits.js";
import { type DataPlaneOptions, LocalDataPlane } from "../../src/broker/data-plane.js";
import { FakeClock } from "../support/fake-clock.js";
import { FakeGroupsView } from "../support/fake-groups-view.js";
import { FakeReplica } from "../support/fake-replica.js";
import { FakeView } from "../support/fake-view.js";

export const AT = { topic: "orders", partition: 0 } as const;

/** Broker 1 of three, leading the only partition of `orders`. */
export function fixture(change: Partial<DataPlaneOptions> = {}) {
  const clock = new FakeClock();
  const view = new FakeView(1);
  const topic = view.addTopic("orders");
  const [partition] = topic.assignments;
  if (partition === undefined) throw new Error("the topic has a partition");
  const replica = new FakeReplica(partition.replicaSetId);
  const groups = new FakeGroupsView();
  const replicas = new Map<ReplicaSetId, FakeReplica>([[partition.replicaSetId, replica]]);
  const dataPlane = new LocalDataPlane({
    view,
    replicaOf: (id) => replicas.get(id),
    clock,
    hasRoom: () => true,
    hasRoomAt: () => true,
    recordBytesMax: MIB,
    batchBytesMax: 2 * MIB,
    inflightBytesMax: MIB,
    fetchWaitersMax: 2,
    producers: { tableOf: (id) => replicas.get(id)?.producers, epochOf: () => undefined, producersMax: 1_000, expireMs: 60_000 },
    groups,
    progressOf: (id) => replicas.get(id)?.progress,
    ...change,
  });
  return { clock, view, groups, topic, replica, replicas, dataPlane };
}
