import type { DiskRoom } from "../base/disk-room.js";
import { METADATA_REPLICA_SET, type NodeId, nodeId, type ReplicaSetId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import type { Logger } from "../base/ports.js";
import { LocalDataPlane } from "../broker/data-plane.js";
import { Coordinator } from "../broker/groups/coordinator.js";
import { PartitionState } from "../broker/partition-state.js";
import { ProducersKeeper } from "../broker/producers-keeper.js";
import { RetentionKeeper } from "../broker/retention-keeper.js";
import { Controller } from "../cluster/controller.js";
import { GroupExpiry } from "../cluster/group-expiry.js";
import { LeaderBalancer } from "../cluster/leader-balancer.js";
import { LocalView } from "../cluster/local-view.js";
import { type Membership, metadataInitial } from "../cluster/membership.js";
import { MetadataMachine } from "../cluster/metadata-machine.js";
import { OwnLeaderships } from "../cluster/own-leaderships.js";
import { Reconciler } from "../cluster/reconciler.js";
import { Registration } from "../cluster/registration.js";
import type { BrokerInfo, TopicSettings } from "../cluster/view.js";
import type { Config } from "../config/settings.js";
import { type HostOptions, LocalHost } from "../replica/host.js";
import type { Replica } from "../replica/types.js";
import { ControllerGroups } from "../rpc/controller-groups.js";
import type { GrpcFormationPeers } from "../rpc/peer-formation.js";
import { PeerNetwork } from "../rpc/peer-network.js";
import { peerTimingOf } from "../rpc/peer-protocol.js";
import { PublicServer } from "../rpc/server.js";
import type { LogSettings } from "../storage/log.js";
import type { Disk } from "./disk.js";
import { endAll } from "./end-all.js";
import { handOverAll } from "./hand-over.js";
import { LeaderRequests } from "./leader-requests.js";
import type { BrokerPorts } from "./ports.js";

export interface BrokerNodeOptions {
  readonly config: Config;
  readonly membership: Membership;
  readonly self: BrokerInfo;
  /** `host:port` for clients. */
  readonly listen: string;
  readonly disk: Disk;
  readonly formationPeers: GrpcFormationPeers;
  readonly ports: BrokerPorts;
  readonly logger: Logger;
  readonly observer: HostObserver | undefined;
  /** This broker cannot go on: another disk took its place, say. */
  readonly fatal: (why: Error) => void;
}

/** Sees what a host is given and does, before any replica is opened. */
export interface HostObserver {
  /** Returns what the host is to be made with: the same, or ports that tell what goes through them. */
  decorate(options: HostOptions): HostOptions;
  created(host: LocalHost): void;
}

/** The metadata's log is small and cut by its snapshots. */
const METADATA_LOG: LogSettings = { segmentBytes: 8 * 1024 * 1024, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1_000 };
const INFLIGHT_MESSAGES_MAX = 64;
const HAND_OVER_MS_MAX = 5_000;
const STREAM_GRACE_MS = 2_000;

/**
 * A broker that belongs to a cluster: every part, in the order in which each needs the one before, and ended in reverse.
 * Nothing is decided here.
 */
export class BrokerNode {
  readonly network: PeerNetwork;
  readonly controller: Controller;
  readonly host: LocalHost;
  readonly view: LocalView;
  readonly #options: BrokerNodeOptions;
  readonly #machine: MetadataMachine;
  readonly #own: OwnLeaderships;
  readonly #reconciler: Reconciler;
  readonly #dataPlane: LocalDataPlane;
  readonly #groups: ControllerGroups;
  readonly #coordinator: Coordinator;
  readonly #server: PublicServer;
  readonly #requests: LeaderRequests;
  #retention: RetentionKeeper | undefined;
  #producers: ProducersKeeper | undefined;
  #groupExpiry: GroupExpiry | undefined;
  #registration: Registration | undefined;
  #balancer: LeaderBalancer | undefined;
  #isController = false;

  constructor(options: BrokerNodeOptions) {
    const { membership, self, logger, config, disk } = options;
    const { clock, random, dial } = options.ports;
    this.#options = options;
    this.#machine = new MetadataMachine(membership.founding);
    this.view = new LocalView({ self: self.nodeId, incarnation: self.incarnation, machine: this.#machine, clock });
    this.network = new PeerNetwork({
      self: { nodeId: self.nodeId, clusterId: membership.founding.clusterId, incarnation: self.incarnation },
      events: this.#peerEvents(),
      dial,
      clock,
      random,
      logger: logger.child({ part: "peers" }),
      timing: peerTimingOf(config.timing),
    });
    this.#own = new OwnLeaderships(clock, (changes) => this.network.announceLeaderships(changes));
    this.host = this.#createHost();
    this.#reconciler = new Reconciler({
      self: self.nodeId,
      incarnation: self.incarnation,
      machine: this.#machine,
      host: this.host,
      stored: () => disk.folder.store.replicas(),
      logSettings: logSettingsOf(topicDefaultsOf(config)),
      clock,
      logger: logger.child({ part: "reconciler" }),
      onRemoved: (id) => this.#own.removed(id),
      onReplaced: options.fatal,
    });
    const topicDefaults = topicDefaultsOf(config);
    this.controller = new Controller({
      view: this.view,
      machine: this.#machine,
      host: this.host,
      topicDefaults,
      clock,
      random,
      logger: logger.child({ part: "controller" }),
    });
    this.#dataPlane = this.#createDataPlane();
    this.#groups = new ControllerGroups({ view: this.view, local: this.controller, dial, clock });
    this.#coordinator = new Coordinator({ view: this.view, groups: this.view, admin: this.#groups, clock, logger: logger.child({ part: "groups" }) });
    this.#server = this.#createServer();
    this.#requests = new LeaderRequests(self.address, dial, clock);
  }

  /** Opens every replica on this disk, then serves. */
  async start(): Promise<void> {
    const { config, membership, self, logger } = this.#options;
    const { clock } = this.#options.ports;
    const { space } = this.#options.disk;
    space.watch((room) => this.#diskRoomChanged(room));
    if (space.room !== "enough") this.#diskRoomChanged(space.room);
    this.#linkBrokers();
    this.#machine.watch((change) => {
      if (change.brokers) this.#linkBrokers();
    });
    const metadata = await this.host.start({
      replicaSetId: METADATA_REPLICA_SET,
      replicaId: membership.metadataReplicaId,
      initial: { ...metadataInitial(membership.founding), learners: [] },
      logSettings: METADATA_LOG,
    });
    this.view.attachMetadata(metadata);
    await this.#reconciler.start();
    await this.#server.start();
    this.#registration = new Registration({
      self,
      view: this.view,
      // Through this broker's own edge, which knows the way to the controller.
      register: (broker) => this.#options.formationPeers.register(self.peerAddress, broker),
      clock,
      logger,
    });
    this.#balancer = new LeaderBalancer({
      view: this.view,
      transfer: (_leader, at, to) => this.#requests.transfer(at, to),
      hasRoom: (broker) => this.#hasRoomAt(broker),
      clock,
      logger,
    });
    this.#retention = new RetentionKeeper({
      replicas: () => this.host.all(),
      view: this.view,
      trim: (at, before) => this.#dataPlane.trim(at, before),
      clock,
      logger,
      periodMs: config.retention.checkMs,
    });
    this.#producers = new ProducersKeeper({
      replicas: () => this.host.all(),
      view: this.view,
      tellTime: (replica, at) => this.#dataPlane.tellTime(replica, at),
      clock,
      expireMs: config.producers.expireMs,
    });
    this.#groupExpiry = new GroupExpiry({
      groups: this.view,
      admin: this.controller,
      metadata: () => this.host.get(METADATA_REPLICA_SET),
      clock,
      logger,
      expireMs: config.groups.expireMs,
    });
    logger.info({ nodeId: self.nodeId, clusterId: membership.founding.clusterId, address: self.address, peerAddress: self.peerAddress }, "serving");
  }

  /** Politely: leaderships move first, then requests end, then everything else in the reverse order of its start. */
  async stop(): Promise<void> {
    const { self, logger } = this.#options;
    const { clock } = this.#options.ports;
    this.#balancer?.stop();
    this.#registration?.stop();
    this.#retention?.stop();
    this.#producers?.stop();
    this.#groupExpiry?.stop();
    const isAlive = (id: NodeId): boolean => this.view.isAlive(id);
    await endAll([
      () => this.#coordinator.close(),
      () => handOverAll({ self: self.nodeId, replicas: [...this.host.all()], isAlive, clock, logger, timeoutMs: HAND_OVER_MS_MAX }),
      () => this.#dataPlane.close(),
      () => this.#server.stop(STREAM_GRACE_MS),
      () => this.#requests.close(),
      () => this.#groups.close(),
      () => this.#reconciler.stop(),
      () => this.network.stop(),
      () => this.host.stop(),
    ]);
  }

  #linkBrokers(): void {
    const { founders } = this.#options.membership.founding;
    // Before the metadata was replayed only the founders are known, by the addresses they had then.
    const known = new Map<number, BrokerInfo>(founders.map((founder) => [founder.nodeId, founder]));
    for (const peer of this.#options.config.peers) {
      const founder = known.get(peer.nodeId);
      if (founder !== undefined) known.set(peer.nodeId, { ...founder, peerAddress: peer.address });
    }
    for (const broker of this.view.brokers()) known.set(broker.nodeId, broker);
    this.network.setPeers([...known.values()].map((broker) => ({ nodeId: broker.nodeId, address: broker.peerAddress })));
  }

  #peerEvents(): ConstructorParameters<typeof PeerNetwork>[0]["events"] {
    return {
      onMessage: (from, envelope) => this.host.receive(from, envelope),
      onPeerUp: (id, incarnation) => {
        this.view.onPeerUp(id, incarnation);
        this.host.peerUp(id);
      },
      onPeerDown: (id) => {
        this.view.onPeerDown(id);
        this.host.peerDown(id);
      },
      onLeaderships: (from, _incarnation, leaderships, full) => {
        this.view.onLeaderships(from, leaderships, full);
        this.host.leadershipsTold(from, leaderships, full);
      },
    };
  }

  #createHost(): LocalHost {
    const { self, disk, logger, config, observer } = this.#options;
    const { clock, random } = this.#options.ports;
    // The coarsest clock that is exact: an awake replica costs something at each tick.
    const tickMs = Object.values(config.timing).reduce(greatestCommonDivisor);
    const ticks = (ms: number): number => ms / tickMs;
    const options: HostOptions = {
      self: self.nodeId,
      store: disk.folder.store,
      logs: disk.logs,
      peers: this.network,
      clock,
      random,
      logger: logger.child({ part: "replica" }),
      takesRecords: (bytes) => disk.space.takes(bytes),
      tickMs,
      core: {
        heartbeatTicks: ticks(config.timing.heartbeatMs),
        electionTicks: ticks(config.timing.electionTimeoutMs),
        suspicionTicks: ticks(config.timing.suspicionMs),
        quiesceTicks: ticks(config.timing.quiesceMs),
        inflightMessagesMax: INFLIGHT_MESSAGES_MAX,
        inflightBytesMax: config.replication.inflightBytesMax,
      },
      machineFor: (id: ReplicaSetId) =>
        id === METADATA_REPLICA_SET ? { machine: this.#machine, cutPolicy: "state" } : { machine: new PartitionState(), cutPolicy: "records" },
      leadershipChanged: (replica: Replica) => {
        if (replica.replicaSetId === METADATA_REPLICA_SET) {
          this.#sayController(replica);
          this.view.attachMetadata(replica);
        }
        this.view.onOwnReplica(replica);
        this.#own.changed(replica);
        this.#reconciler.leadershipChanged(replica);
      },
    };
    const host = new LocalHost(observer?.decorate(options) ?? options);
    observer?.created(host);
    return host;
  }

  #hasRoomAt(broker: NodeId): boolean {
    const { self, disk } = this.#options;
    return (broker === self.nodeId ? disk.space.room : this.network.diskRoomOf(broker)) === "enough";
  }

  #diskRoomChanged(room: DiskRoom): void {
    const { logger, config } = this.#options;
    this.network.announceDiskRoom(room);
    const fields = { room, reserveBytes: config.disk.reserveBytes };
    if (room === "enough") logger.info(fields, "the disk has room again");
    else logger.warn(fields, room === "low" ? "the disk is nearly full: producing is refused" : "the disk is nearly full: no records are taken");
  }

  #sayController({ serving, term }: Replica): void {
    if (serving !== this.#isController)
      this.#options.logger.info({ term }, serving ? "this broker is the controller now" : "this broker is no longer the controller");
    this.#isController = serving;
  }

  #createDataPlane(): LocalDataPlane {
    const { config, disk, ports } = this.#options;
    return new LocalDataPlane({
      view: this.view,
      replicaOf: (id) => this.host.get(id),
      clock: ports.clock,
      hasRoom: (bytes) => disk.space.admits(bytes),
      hasRoomAt: (broker) => this.#hasRoomAt(broker),
      recordBytesMax: config.produce.recordBytesMax,
      batchBytesMax: config.produce.batchBytesMax,
      inflightBytesMax: config.produce.inflightBytesMax,
      fetchWaitersMax: config.streams.perBrokerMax,
      producers: {
        tableOf: (id) => {
          const machine = this.host.get(id)?.machine;
          return machine instanceof PartitionState ? machine.producers : undefined;
        },
        epochOf: (producerId) => this.#machine.state.producerEpoch(producerId),
        producersMax: config.producers.perPartitionMax,
        expireMs: config.producers.expireMs,
      },
      groups: this.view,
      progressOf: (id) => {
        const machine = this.host.get(id)?.machine;
        return machine instanceof PartitionState ? machine.progress : undefined;
      },
    });
  }

  #createServer(): PublicServer {
    const { logger, config, listen } = this.#options;
    const { clock, random, dial, createServer } = this.#options.ports;
    const { view, controller } = this;
    return new PublicServer({
      view,
      admin: controller,
      dataPlane: this.#dataPlane,
      groups: view,
      groupsAdmin: this.#groups,
      coordinator: this.#coordinator,
      clock,
      random,
      logger: logger.child({ part: "rpc" }),
      listen,
      dial,
      createServer,
      limits: {
        recordBytesMax: config.produce.recordBytesMax,
        batchBytesMax: config.produce.batchBytesMax,
        streamsMax: config.streams.perBrokerMax,
        subscriptionsPerStreamMax: limits.subscriptionsPerStream,
        unaryCallsMax: config.streams.perBrokerMax,
        forwardBytesMax: config.produce.inflightBytesMax,
        streamHeartbeatMs: config.streams.heartbeatMs,
      },
      readiness: {
        get serving(): boolean {
          return view.ready && view.controller !== undefined;
        },
        watch: (changed) => view.watch(changed),
      },
    });
  }
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

const topicDefaultsOf = ({ topics, produce }: Config): TopicSettings => ({
  retentionMs: topics.retentionMs,
  retentionBytes: topics.retentionBytes,
  segmentBytes: topics.segmentBytes,
  segmentAgeMs: topics.segmentAgeMs,
  flush: topics.flush,
  flushIntervalMs: topics.flushIntervalMs,
  batchBytesMax: produce.batchBytesMax,
});

const logSettingsOf = ({ segmentBytes, segmentAgeMs, flush, flushIntervalMs }: TopicSettings): LogSettings => ({
  segmentBytes,
  segmentAgeMs,
  flush,
  flushIntervalMs,
});

export const brokerInfoOf = (config: Config, incarnation: string, { advertise, peerAdvertise }: { advertise: string; peerAdvertise: string }): BrokerInfo => ({
  nodeId: nodeId(config.nodeId),
  incarnation,
  address: advertise,
  peerAddress: peerAdvertise,
  rack: config.rack,
});
