import { type Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { protoPath as healthProtoPath } from "grpc-health-check";
import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { publicServerOptions } from "../wire/channel-options.js";
import type { Empty } from "../wire/messages.js";
import type { Handlers } from "../wire/method.js";
import { protoRoot, publicProtoFiles } from "../wire/proto-root.js";
import { adminService, clusterService, fetchService, groupService, produceService } from "../wire/services.js";
import type { CreateServer, Dial, RpcServer } from "../wire/transport.js";
import * as admin from "./admin-service.js";
import { Append } from "./append.js";
import { type CallContext, defaultDeadlines } from "./call-context.js";
import { getClusterDescription, getMetadata, openWatchMetadata } from "./cluster-service.js";
import type { Edge } from "./edge.js";
import { FETCH_DEADLINE_MS, fetch, listOffsets } from "./fetch-service.js";
import { Forwarder } from "./forward.js";
import { groupHandlers } from "./group-service.js";
import { Health, type Readiness } from "./health.js";
import { InitProducer } from "./init-producer.js";
import { MetadataFeed } from "./metadata-feed.js";
import { openProduce } from "./produce-service.js";
import { StreamSlots } from "./slots.js";
import { openSubscribe } from "./subscribe.js";
import { UnaryCalls, type UnaryOptions, unary } from "./unary.js";

export interface PublicServerOptions extends Omit<Edge, "forwarder"> {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string;
  readonly readiness: Readiness;
  readonly dial: Dial;
  readonly createServer: CreateServer;
  /** How long a request looks for a leader while there is none. */
  readonly leaderWaitMsMax?: number;
}

const LEADER_WAIT_MS_MAX = 3_000;

/** The server that clients talk to. `start` once, `stop` once. */
export class PublicServer {
  readonly #options: PublicServerOptions;
  readonly #edge: Edge;
  readonly #server: RpcServer;
  readonly #health: Health;
  readonly #slots: { readonly produce: StreamSlots; readonly subscribe: StreamSlots; readonly join: StreamSlots; readonly watch: StreamSlots };
  #address: string | undefined;

  constructor(options: PublicServerOptions) {
    this.#options = options;
    const { view, clock, limits, dial, createServer, leaderWaitMsMax = LEADER_WAIT_MS_MAX } = options;
    this.#server = createServer(publicServerOptions);
    this.#edge = { ...options, forwarder: new Forwarder({ view, clock, dial, leaderWaitMsMax }) };
    this.#slots = {
      produce: new StreamSlots("Produce", limits.streamsMax),
      subscribe: new StreamSlots("Subscribe", limits.streamsMax),
      join: new StreamSlots("Join", limits.streamsMax),
      watch: new StreamSlots("WatchMetadata", limits.streamsMax),
    };
    this.#addServices();
    this.#health = new Health(this.#server, SERVICE_NAMES);
    addReflection(this.#server);
  }

  /** `host:port` as bound. */
  get address(): string {
    assert(this.#address !== undefined, "the server was started");
    return this.#address;
  }

  /** @throws QuireError INVALID_SETTING when the address cannot be had */
  async start(): Promise<void> {
    const { listen, readiness } = this.#options;
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(listen, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else
          reject(
            new QuireError("INVALID_SETTING", `cannot listen at ${listen}: ${error.message}; choose another address (listen)`, {
              details: { listen },
              cause: error,
            }),
          );
      });
    });
    this.#address = `${listen.slice(0, listen.lastIndexOf(":"))}:${port}`;
    this.#health.follow(readiness);
  }

  /** Takes no more calls, ends streams politely, and cuts off what is left after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#health.drain();
    for (const slots of Object.values(this.#slots)) slots.close();
    await new Promise<void>((resolve) => {
      const timer = this.#edge.clock.after(graceMs, () => this.#server.forceShutdown());
      this.#server.tryShutdown(() => {
        timer.cancel();
        resolve();
      });
    });
    this.#edge.forwarder.close();
  }

  #addServices(): void {
    const edge = this.#edge;
    const calls = new UnaryCalls();
    const feed = new MetadataFeed(edge.view, edge.clock);
    const append = new Append(edge);
    const initProducer = new InitProducer(edge);
    const { metadataMs, appendMs, adminMs } = defaultDeadlines;
    const on = <Request, Answer>(options: UnaryOptions, handle: (request: Request, context: CallContext) => Promise<Answer>) =>
      unary(edge, calls, options, handle);
    const reads = (deadlineMs: number): UnaryOptions => ({ deadlineMs, writes: false });
    const writes = (deadlineMs: number): UnaryOptions => ({ deadlineMs, writes: true });

    const produceHandlers: Handlers<typeof produceService> = {
      Produce: (call) => openProduce(edge, this.#slots.produce, call),
      Append: on(writes(appendMs), (request, context) => append.run(request, context)),
      InitProducer: on(writes(metadataMs), (request, context) => initProducer.run(request, context)),
    };
    const fetchHandlers: Handlers<typeof fetchService> = {
      Fetch: on(reads(FETCH_DEADLINE_MS), (request, context) => fetch(edge, request, context)),
      Subscribe: (call) => openSubscribe(edge, this.#slots.subscribe, call),
      ListOffsets: on(reads(metadataMs), (request, context) => listOffsets(edge, request, context)),
    };
    const clusterHandlers: Handlers<typeof clusterService> = {
      GetMetadata: on(reads(metadataMs), (request) => getMetadata(edge, request)),
      WatchMetadata: (call) => openWatchMetadata(edge, feed, this.#slots.watch, call),
      DescribeCluster: on(reads(metadataMs), (_request: Empty) => getClusterDescription(edge)),
    };
    const adminHandlers: Handlers<typeof adminService> = {
      CreateTopic: on(writes(adminMs), (request, context) => admin.createTopic(edge, request, context)),
      GetTopic: on(reads(metadataMs), (request) => admin.getTopic(edge, request)),
      ListTopics: on(reads(metadataMs), (request) => admin.listTopics(edge, request)),
      UpdateTopic: on(writes(adminMs), (request, context) => admin.updateTopic(edge, request, context)),
      DeleteTopic: on(writes(adminMs), (request, context) => admin.deleteTopic(edge, request, context)),
      TransferLeader: on(writes(adminMs), (request, context) => admin.transferLeader(edge, request, context)),
      TrimRecords: on(writes(adminMs), (request, context) => admin.trimRecords(edge, request, context)),
    };
    this.#server.addService(produceService, untyped(produceHandlers));
    this.#server.addService(fetchService, untyped(fetchHandlers));
    this.#server.addService(groupService, untyped(groupHandlers(edge, calls, this.#slots.join)));
    this.#server.addService(clusterService, untyped(clusterHandlers));
    this.#server.addService(adminService, untyped(adminHandlers));
  }
}

const SERVICE_NAMES = [
  "quire.v1.ProduceService",
  "quire.v1.FetchService",
  "quire.v1.GroupService",
  "quire.v1.ClusterService",
  "quire.v1.AdminService",
] as const;

const untyped = (handlers: object): UntypedServiceImplementation => handlers as UntypedServiceImplementation;

let reflection: ReflectionService | undefined;

/** Server reflection v1 (and v1alpha) over the same `.proto` files, with the fields' names as they stand there. All servers of a process share it. */
function addReflection(server: RpcServer): void {
  reflection ??= createReflection();
  reflection.addToServer(server as Server);
}

function createReflection(): ReflectionService {
  const files = loadSync([...publicProtoFiles], { includeDirs: [protoRoot], keepCase: true });
  const health = loadSync(healthProtoPath, { keepCase: true });
  return new ReflectionService({ ...files, ...health }, { services: [...SERVICE_NAMES, "grpc.health.v1.Health"] });
}
