import type { TestContext } from "node:test";
import type { ReplicaSetId } from "../../src/base/ids.js";
import { KIB, MIB } from "../../src/base/limits.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import { systemClock, systemRandom } from "../../src/base/system-ports.js";
import { LocalDataPlane } from "../../src/broker/data-plane.js";
import { Coordinator } from "../../src/broker/groups/coordinator.js";
import type { ClusterAdmin, TopicChange, TopicPartition, TopicRequest } from "../../src/cluster/view.js";
import type { EdgeLimits } from "../../src/rpc/edge.js";
import type { Readiness } from "../../src/rpc/health.js";
import { PublicServer } from "../../src/rpc/server.js";
import { createServer } from "../../src/rpc/wide-server.js";
import { dial } from "../../src/wire/grpc-channel.js";
import { FakeGroupsView } from "../support/fake-groups-view.js";
import { FakeReplica } from "../support/fake-replica.js";
import { FakeView } from "../support/fake-view.js";
import { Stubs } from "../support/stubs.js";

export const defaultLimits: EdgeLimits = {
  recordBytesMax: MIB,
  batchBytesMax: 2 * MIB,
  streamsMax: 4,
  subscriptionsPerStreamMax: 8,
  unaryCallsMax: 100,
  forwardBytesMax: 8 * MIB,
  streamHeartbeatMs: 5_000,
};

/** The control plane's verbs, remembered. */
export class FakeAdmin implements ClusterAdmin {
  readonly calls: unknown[][] = [];
  /** What to do for each call; returns a topic where one is asked for. */
  answer: (...call: unknown[]) => unknown = () => undefined;

  async createTopic(request: TopicRequest) {
    return this.#called("createTopic", request) as Awaited<ReturnType<ClusterAdmin["createTopic"]>>;
  }
  async updateTopic(name: string, change: TopicChange) {
    return this.#called("updateTopic", name, change) as Awaited<ReturnType<ClusterAdmin["updateTopic"]>>;
  }
  async deleteTopic(name: string): Promise<void> {
    await this.#called("deleteTopic", name);
  }
  async transferLeader(at: TopicPartition, to: number): Promise<void> {
    await this.#called("transferLeader", at, to);
  }
  async registerBroker(): Promise<never> {
    throw new Error("brokers register with each other, not through the public edges");
  }

  async reserveProducerIds(count: number) {
    return this.#called("reserveProducerIds", count) as Awaited<ReturnType<ClusterAdmin["reserveProducerIds"]>>;
  }
  async initProducer(name: string) {
    return this.#called("initProducer", name) as Awaited<ReturnType<ClusterAdmin["initProducer"]>>;
  }

  #called(...call: unknown[]): unknown {
    this.calls.push(call);
    return this.answer(...call);
  }
}

class FakeReadiness implements Readiness {
  serving = true;
  readonly #watchers = new Set<() => void>();
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }
  set(serving: boolean): void {
    this.serving = serving;
    for (const watcher of [...this.#watchers]) watcher();
  }
}

export interface EdgeOptions {
  readonly nodeId?: number;
  readonly limits?: Partial<EdgeLimits>;
  readonly inflightBytesMax?: number;
  readonly leaderWaitMsMax?: number;
}

/** One broker with the real edges and data plane on a free port, over fake replicas and a fake view of the cluster. */
export async function startEdge(context: TestContext, { nodeId = 1, limits = {}, inflightBytesMax = 8 * MIB, leaderWaitMsMax = 1_000 }: EdgeOptions = {}) {
  const view = new FakeView(nodeId);
  const groups = new FakeGroupsView();
  const replicas = new Map<ReplicaSetId, FakeReplica>();
  const admin = new FakeAdmin();
  const readiness = new FakeReadiness();
  const dataPlane = new LocalDataPlane({
    view,
    replicaOf: (id) => replicas.get(id),
    clock: systemClock,
    hasRoom: () => true,
    hasRoomAt: () => true,
    recordBytesMax: 64 * KIB,
    batchBytesMax: 2 * MIB,
    inflightBytesMax,
    fetchWaitersMax: 100,
    producers: { tableOf: (id) => replicas.get(id)?.producers, epochOf: () => undefined, producersMax: 1_000, expireMs: 60_000 },
    groups,
    progressOf: (id) => replicas.get(id)?.progress,
  });
  const edgeLimits = { ...defaultLimits, recordBytesMax: 64 * KIB, ...limits };
  const coordinator = new Coordinator({ view, groups, admin: groups, clock: systemClock, logger: silentLogger });
  const server = new PublicServer({
    listen: "127.0.0.1:0",
    dial,
    createServer,
    view,
    admin,
    dataPlane,
    groups,
    groupsAdmin: groups,
    coordinator,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    limits: edgeLimits,
    readiness,
    leaderWaitMsMax,
  });
  await server.start();
  view.setAddress(nodeId, server.address);
  const stubs = new Stubs(server.address);
  context.after(async () => {
    stubs.close();
    dataPlane.close();
    await coordinator.close();
    await server.stop(200);
  });
  const lead = (topic: string, partition: number): FakeReplica => {
    const at = { topic, partition };
    const info = view.partition(at);
    if (info === undefined) throw new Error("no such partition");
    const replica = new FakeReplica(info.replicaSetId);
    replicas.set(info.replicaSetId, replica);
    view.setLeader(at, nodeId, 3);
    return replica;
  };
  return { view, groups, coordinator, replicas, admin, readiness, dataPlane, server, stubs, lead };
}

/** Two brokers that know each other: broker 2 leads every partition of `orders`; broker 1 leads the metadata and nothing else. */
export async function startPair(context: TestContext, partitions = 1, options: EdgeOptions = {}) {
  const asked = await startEdge(context, { ...options, nodeId: 1 });
  const leader = await startEdge(context, { ...options, nodeId: 2 });
  asked.view.setAddress(2, leader.server.address);
  leader.view.setAddress(1, asked.server.address);
  asked.view.addTopic("orders", partitions);
  leader.view.addTopic("orders", partitions);
  const replicas: FakeReplica[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    replicas.push(leader.lead("orders", partition));
    asked.view.setLeader({ topic: "orders", partition }, 2, 3);
  }
  return { asked, leader, replicas };
}
