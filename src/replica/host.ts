import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { NodeId, ReplicaSetId } from "../base/ids.js";
import type { Clock, Logger, Random, Timer } from "../base/ports.js";
import type { CoreOptions, Message } from "../consensus/types.js";
import type { Log, LogCallbacks, LogSettings } from "../storage/log.js";
import type { ReplicaRecord, ReplicaStore } from "../storage/replica-store.js";
import { openReplica } from "./open-replica.js";
import type { LocalReplica } from "./replica.js";
import { entryOf } from "./replicator.js";
import type { CutPolicy } from "./snapshot-plan.js";
import type { Payload, Peers, Replica, ReplicaEnvelope, ReplicaHost, ReplicaSpec, StateMachine } from "./types.js";

/** Where the logs of this broker's replicas are. */
export interface LogFactory {
  /** Opens the replica's log, or makes an empty one for a replica that never took part in anything. */
  open(record: ReplicaRecord, settings: LogSettings, callbacks: LogCallbacks): Promise<Log>;
  delete(record: ReplicaRecord): Promise<void>;
}

export interface HostOptions {
  readonly self: NodeId;
  readonly store: ReplicaStore;
  readonly logs: LogFactory;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tickMs: number;
  readonly core: Omit<CoreOptions, "random">;
  /** The state machine of a set, and how its log's beginning goes. */
  readonly machineFor: (replicaSetId: ReplicaSetId) => { machine: StateMachine; cutPolicy: CutPolicy };
  /** Role, term, leader or `serving` of a replica changed. */
  readonly leadershipChanged: (replica: Replica) => void;
}

/** One line of what a broker says that it leads. */
export interface LeadershipClaim {
  readonly replicaSetId: ReplicaSetId;
  readonly leads: boolean;
}

/**
 * All replicas of this broker. One timer ticks those that are awake; idle replica sets cost nothing. Messages go to the
 * replica they name and to no other: an envelope for a former replica of this broker is dropped.
 */
export class LocalHost implements ReplicaHost {
  readonly #options: HostOptions;
  readonly #replicas = new Map<ReplicaSetId, LocalReplica>();
  readonly #starting = new Map<ReplicaSetId, Promise<LocalReplica>>();
  readonly #awake = new Set<LocalReplica>();
  readonly #down = new Set<NodeId>();
  /** What is on disk; read once, since there may be thousands. */
  #records: Promise<Map<ReplicaSetId, ReplicaRecord>> | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  get(id: ReplicaSetId): LocalReplica | undefined {
    return this.#replicas.get(id);
  }

  all(): Iterable<LocalReplica> {
    return this.#replicas.values();
  }

  /** How many replica sets are being ticked. */
  get awake(): number {
    return this.#awake.size;
  }

  start(spec: ReplicaSpec): Promise<LocalReplica> {
    if (this.#stopped) return Promise.reject(new QuireError("SHUTTING_DOWN", "this broker is stopping"));
    const running = this.#replicas.get(spec.replicaSetId);
    if (running !== undefined && running.replicaId === spec.replicaId) return Promise.resolve(running);
    const starting = this.#starting.get(spec.replicaSetId);
    if (starting !== undefined) return starting.then(() => this.start(spec));
    const opening = this.#open(spec).finally(() => this.#starting.delete(spec.replicaSetId));
    this.#starting.set(spec.replicaSetId, opening);
    return opening;
  }

  update(id: ReplicaSetId, logSettings: LogSettings): void {
    this.#replicas.get(id)?.applySettings(logSettings);
  }

  async remove(id: ReplicaSetId): Promise<void> {
    await this.#starting.get(id)?.catch(() => undefined);
    const replica = this.#replicas.get(id);
    if (replica !== undefined) {
      this.#forget(replica);
      await replica.stop();
    }
    const records = await this.#known();
    const record = records.get(id);
    if (record === undefined) return;
    await this.#options.logs.delete(record);
    await this.#options.store.removeReplica(id);
    records.delete(id);
  }

  /** A message from another broker. */
  receive(from: NodeId, envelope: ReplicaEnvelope): void {
    const replica = this.#replicas.get(envelope.replicaSetId);
    if (replica === undefined || replica.replicaId !== envelope.to) return;
    // A message is proof of life, whatever the link's own opinion was.
    this.#down.delete(from);
    replica.step({ kind: "message", from: { replicaId: envelope.from, nodeId: from }, message: withConfigurations(envelope.message) });
  }

  peerUp(nodeId: NodeId): void {
    this.#down.delete(nodeId);
    for (const replica of this.#replicas.values()) {
      if (hasMemberOn(replica, nodeId)) replica.step({ kind: "peer-up", nodeId });
    }
  }

  peerDown(nodeId: NodeId): void {
    this.#down.add(nodeId);
    for (const replica of this.#replicas.values()) {
      if (hasMemberOn(replica, nodeId)) replica.step({ kind: "peer-down", nodeId });
    }
  }

  /**
   * What a live broker says that it leads. A quiet follower hears nothing else of its leader, so a leadership that is no
   * longer claimed is as good a hint as a broken connection. Those that tick find out by themselves.
   */
  leadershipsTold(from: NodeId, claims: readonly LeadershipClaim[], full: boolean): void {
    const resigned = full ? this.#quietFollowersOf(from) : new Set<LocalReplica>();
    for (const { replicaSetId, leads } of claims) {
      const replica = this.#replicas.get(replicaSetId);
      if (replica === undefined) continue;
      if (leads) resigned.delete(replica);
      else if (isQuietFollowerOf(replica, from)) resigned.add(replica);
    }
    for (const replica of resigned) {
      replica.step({ kind: "peer-down", nodeId: from });
      if (!this.#down.has(from)) replica.step({ kind: "peer-up", nodeId: from });
    }
  }

  /** Stops every replica, each with a last checkpoint, a few at a time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await Promise.allSettled(this.#starting.values());
    const replicas = [...this.#replicas.values()];
    const workers = Array.from({ length: 16 }, async () => {
      for (let replica = replicas.pop(); replica !== undefined; replica = replicas.pop()) await replica.stop();
    });
    await Promise.all(workers);
    this.#replicas.clear();
    this.#awake.clear();
  }

  async #open(spec: ReplicaSpec): Promise<LocalReplica> {
    const former = this.#replicas.get(spec.replicaSetId);
    if (former !== undefined) await this.remove(spec.replicaSetId);
    const { machine, cutPolicy } = this.#options.machineFor(spec.replicaSetId);
    const { peers, store, logs, logger, core, random } = this.#options;
    const records = await this.#known();
    const replica = await openReplica({
      spec,
      known: records.get(spec.replicaSetId),
      store,
      logs,
      peers,
      machine,
      cutPolicy,
      logger,
      core: { ...core, random: (bound) => random.below(bound) },
      host: {
        ticking: (self, needed) => this.#ticking(self, needed),
        leadershipChanged: this.#options.leadershipChanged,
        failed: (self) => this.#failed(self),
      },
    });
    records.set(spec.replicaSetId, { replicaSetId: spec.replicaSetId, replicaId: spec.replicaId });
    if (this.#stopped) {
      await replica.stop();
      throw new QuireError("SHUTTING_DOWN", "this broker is stopping");
    }
    assert(!this.#replicas.has(spec.replicaSetId), "a replica set has one replica per broker");
    this.#replicas.set(spec.replicaSetId, replica);
    this.#ticking(replica, replica.ticking);
    for (const nodeId of this.#down) replica.step({ kind: "peer-down", nodeId });
    return replica;
  }

  #known(): Promise<Map<ReplicaSetId, ReplicaRecord>> {
    this.#records ??= this.#options.store.replicas().then((records) => new Map(records.map((record) => [record.replicaSetId, record])));
    return this.#records;
  }

  #quietFollowersOf(leader: NodeId): Set<LocalReplica> {
    const quiet = new Set<LocalReplica>();
    for (const replica of this.#replicas.values()) if (isQuietFollowerOf(replica, leader)) quiet.add(replica);
    return quiet;
  }

  #forget(replica: LocalReplica): void {
    this.#replicas.delete(replica.replicaSetId);
    this.#awake.delete(replica);
  }

  #failed(replica: Replica): void {
    this.#ticking(replica, false);
    this.#options.leadershipChanged(replica);
  }

  #ticking(self: Replica, needed: boolean): void {
    const replica = this.#replicas.get(self.replicaSetId);
    // A former replica of the set has no say in what the present one needs.
    if (replica === undefined || replica !== self) return;
    if (needed) this.#awake.add(replica);
    else this.#awake.delete(replica);
    if (this.#awake.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    } else if (this.#timer === undefined && !this.#stopped) {
      this.#timer = this.#options.clock.every(this.#options.tickMs, () => this.#tick());
    }
  }

  #tick(): void {
    for (const replica of this.#awake) replica.tick();
  }
}

const isQuietFollowerOf = (replica: LocalReplica, leader: NodeId): boolean =>
  !replica.ticking && replica.role !== "leader" && replica.leader?.nodeId === leader;

const hasMemberOn = (replica: LocalReplica, nodeId: NodeId): boolean => {
  const { voters, learners, incoming } = replica.configuration;
  const on = (member: { nodeId: NodeId }): boolean => member.nodeId === nodeId;
  return voters.some(on) || learners.some(on) || (incoming?.voters.some(on) ?? false) || replica.leader?.nodeId === nodeId;
};

/** Frames arrive as bytes; the core needs to see the configurations among them. */
function withConfigurations(message: Message<Payload>): Message<Payload> {
  if (message.kind !== "append" || message.entries.length === 0) return message;
  return { ...message, entries: message.entries.map((entry) => entryOf(entry.payload as Parameters<typeof entryOf>[0])) };
}
