/** Brokers over real gRPC and real connections that keep records in arrays: what the client library is tested against. */
import * as grpc from "@grpc/grpc-js";
import { QuireError } from "../../src/base/errors.js";
import type { MetadataMessage, TopicMessage, WatchMetadataResponse } from "../../src/wire/admin-messages.js";
import type { ListGroupsRequest, ResetOffsetsRequest } from "../../src/wire/group-messages.js";
import type { Init, OffsetAnswer, ProduceBatch, ProduceResponse, ProduceResult, RecordBatch, StatusMessage } from "../../src/wire/messages.js";
import type { Handlers } from "../../src/wire/method.js";
import { adminService, clusterService, fetchService, groupService, produceService } from "../../src/wire/services.js";
import { fromStatus, toServiceError, toStatus } from "../../src/wire/status.js";
import { FakeCluster, type FakeNode, offsetOf } from "./fake-cluster.js";
import { FakeSubscriptions } from "./fake-subscriptions.js";
import { TcpProxy } from "./tcp-proxy.js";

/** A cluster with its brokers running; `stop` ends them. */
export async function startFakeCluster(brokers = 3): Promise<{ cluster: FakeCluster; stop: () => Promise<void> }> {
  const cluster = new FakeCluster();
  const started: FakeBroker[] = [];
  for (let nodeId = 1; nodeId <= brokers; nodeId++) started.push(await FakeBroker.start(cluster, nodeId));
  cluster.brokers.push(...started);
  return {
    cluster,
    stop: async () => {
      for (const broker of started) await broker.close();
    },
  };
}

class FakeBroker implements FakeNode {
  readonly nodeId: number;
  readonly cluster: FakeCluster;
  readonly #server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  #proxy: TcpProxy | undefined;
  mute = false;
  repeats = false;
  subscribeStreams = 0;
  subscriptionsStarted = 0;
  metadataStreams = 0;
  heartbeatMs = 50;
  sentBytes = 0;
  hiddenTopic = "";
  stale: MetadataMessage | undefined;

  private constructor(cluster: FakeCluster, nodeId: number) {
    this.cluster = cluster;
    this.nodeId = nodeId;
  }

  static async start(cluster: FakeCluster, nodeId: number): Promise<FakeBroker> {
    const broker = new FakeBroker(cluster, nodeId);
    const add = (service: object, handlers: object): void =>
      broker.#server.addService(service as grpc.ServiceDefinition, handlers as grpc.UntypedServiceImplementation);
    add(produceService, {
      Produce: (call: Parameters<Handlers<typeof produceService>["Produce"]>[0]) => broker.#produce(call),
      InitProducer: guarded(({ name }: { name: string }) => cluster.initProducer(name)),
    });
    add(clusterService, broker.#clusterHandlers());
    add(adminService, broker.#adminHandlers());
    add(fetchService, {
      Subscribe: (call: Parameters<Handlers<typeof fetchService>["Subscribe"]>[0]) => new FakeSubscriptions(broker, call),
      ListOffsets: broker.#listOffsets,
    });
    add(groupService, broker.#groupHandlers());
    const port = await new Promise<number>((resolve, reject) => {
      broker.#server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)));
    });
    broker.#proxy = await TcpProxy.start(port);
    return broker;
  }

  get address(): string {
    return this.proxy.address;
  }

  get proxy(): TcpProxy {
    if (this.#proxy === undefined) throw new Error("the broker is started");
    return this.#proxy;
  }

  async close(): Promise<void> {
    await this.#proxy?.close();
    this.#server.forceShutdown();
  }

  #produce(call: Parameters<Handlers<typeof produceService>["Produce"]>[0]): void {
    let turn = Promise.resolve();
    // What arrived behind the batch at which the connection broke never arrived, as it were.
    let broken = false;
    const brokenRuns = new Set<string>();
    call.on("data", (request: { batches: readonly ProduceBatch[] }) => {
      for (const batch of request.batches) {
        turn = turn.then(async () => {
          if (broken) return;
          const run = `${batch.topic}/${batch.partition} ${batch.run}`;
          const drop = (): void => {
            broken = true;
            this.proxy.drop();
          };
          const result = await this.#take(batch, brokenRuns.has(run), drop);
          const error = result?.error;
          if (error != null && !this.cluster.ignoresRuns && fromStatus(error as StatusMessage).retry !== "never") brokenRuns.add(run);
          const response: Init<ProduceResponse> = { results: result === undefined ? [] : [result] };
          if (result !== undefined && !call.destroyed) call.write(response);
        });
      }
    });
    call.on("error", () => {});
    call.on("end", () => call.end());
  }

  async #take(produce: ProduceBatch, behindRefused: boolean, drop: () => void): Promise<Init<ProduceResult> | undefined> {
    const { topic, partition, correlationId, batch } = produce;
    this.cluster.received.push({ nodeId: this.nodeId, batch: produce });
    const wish = await this.cluster.onBatch(produce, this);
    const refuse = (error: QuireError): Init<ProduceResult> => ({
      correlationId,
      error: toStatus(error),
      leader: this.cluster.topics.has(topic) && this.stale === undefined ? this.cluster.hint(topic, partition) : null,
    });
    if (behindRefused) return refuse(new QuireError("EARLIER_BATCH_REFUSED", "a batch before this one was refused"));
    if (wish instanceof QuireError) return refuse(wish);
    if (this.stale !== undefined) return refuse(new QuireError("LEADER_UNKNOWN", `broker ${this.nodeId} knows of no leader`));
    if (wish === "drop") drop();
    if (wish === "drop") return undefined;
    try {
      if (this.cluster.partition(topic, partition).leader !== this.nodeId)
        return refuse(new QuireError("NOT_LEADER", `broker ${this.nodeId} does not lead ${topic}/${partition}`));
      const baseOffset = this.cluster.append(topic, partition, batch as RecordBatch);
      if (wish === "append-and-drop") drop();
      if (wish !== undefined) return undefined;
      return { correlationId, baseOffset, replicasOnDisk: 2, leader: this.cluster.hint(topic, partition) };
    } catch (error) {
      return refuse(error as QuireError);
    }
  }

  #clusterHandlers(): Pick<Handlers<typeof clusterService>, "GetMetadata" | "WatchMetadata"> {
    const { cluster } = this;
    const view = (): MetadataMessage => {
      const all = this.stale ?? cluster.metadata(this.nodeId);
      return { ...all, topics: all.topics.filter((topic) => topic.name !== this.hiddenTopic) };
    };
    return {
      GetMetadata: (call, callback) => {
        const { topics } = call.request;
        const all = view();
        callback(null, { metadata: { ...all, topics: all.topics.filter((topic) => topics.length === 0 || topics.includes(topic.name)) } });
      },
      WatchMetadata: (call) => {
        this.metadataStreams += 1;
        const tell = (): void => {
          const response: Init<WatchMetadataResponse> = { change: "snapshot", snapshot: view() };
          call.write(response);
        };
        cluster.watchers.add(tell);
        const heartbeat = setInterval(() => call.write({ change: "heartbeat", heartbeat: {} }), this.heartbeatMs);
        call.on("cancelled", () => {
          cluster.watchers.delete(tell);
          clearInterval(heartbeat);
        });
        tell();
      },
    };
  }

  #adminHandlers(): object {
    const { cluster } = this;
    const described = (name: string): Init<TopicMessage> => {
      const { topicId, partitions } = cluster.topicMetadata(name);
      return {
        name,
        topicId,
        partitions: partitions.length,
        replicas: 3,
        writeQuorum: 2,
        readQuorum: 2,
        settings: { flushMode: 1 },
        version: 1,
        partitionStates: partitions,
      };
    };
    return {
      CreateTopic: guarded(({ topic }: { topic: TopicMessage }) => {
        if (cluster.topics.has(topic.name)) throw new QuireError("TOPIC_ALREADY_EXISTS", `topic ${topic.name} exists`);
        cluster.createTopic(topic.name, topic.partitions || 1);
        return { topic: described(topic.name) };
      }),
      GetTopic: guarded(({ name }: { name: string }) => {
        if (!cluster.topics.has(name)) throw new QuireError("TOPIC_NOT_FOUND", `no topic ${name}`);
        return { topic: described(name) };
      }),
      ListTopics: guarded(({ pageToken, namePrefix }: { pageToken: string; namePrefix: string }) => {
        // Pages of one, so that paging is exercised.
        const names = [...cluster.topics.keys()].filter((name) => name.startsWith(namePrefix)).sort();
        const at = pageToken === "" ? 0 : names.indexOf(pageToken);
        return { topics: names.slice(at, at + 1).map(described), nextPageToken: names[at + 1] ?? "" };
      }),
      DeleteTopic: guarded(({ name }: { name: string }) => {
        if (!cluster.topics.delete(name)) throw new QuireError("TOPIC_NOT_FOUND", `no topic ${name}`);
        cluster.changed();
        return {};
      }),
    };
  }

  #groupHandlers(): object {
    const { groups } = this.cluster;
    const handlers: Pick<Handlers<typeof groupService>, "Join" | "CommitOffsets" | "FetchOffsets"> = {
      Join: (call) => groups.join(this, call),
      CommitOffsets: (call, callback) => void groups.commit(this, call.request).then((answers) => callback(null, { answers })),
      FetchOffsets: (call, callback) => callback(null, { answers: groups.fetch(call.request) }),
    };
    return {
      ...handlers,
      ListGroups: guarded((request: ListGroupsRequest) => groups.list(request)),
      DescribeGroup: guarded(({ group }: { group: string }) => groups.describe(group)),
      ResetOffsets: guarded((request: ResetOffsetsRequest) => groups.reset(request)),
      DeleteGroup: guarded(({ group }: { group: string }) => groups.delete(group)),
    };
  }

  readonly #listOffsets: Handlers<typeof fetchService>["ListOffsets"] = (call, callback) => {
    const answers = call.request.queries.map(({ topic, partition, position }): Init<OffsetAnswer> => {
      try {
        const log = this.cluster.partition(topic, partition);
        return { offset: offsetOf(log, position), leader: this.cluster.hint(topic, partition) };
      } catch (error) {
        return { error: toStatus(error as QuireError) };
      }
    });
    callback(null, { answers });
  };
}

const guarded =
  <Request, Response>(answer: (request: Request) => Response) =>
  (call: grpc.ServerUnaryCall<Request, Response>, callback: grpc.sendUnaryData<Response>): void => {
    try {
      callback(null, answer(call.request));
    } catch (error) {
      callback(toServiceError(error));
    }
  };
