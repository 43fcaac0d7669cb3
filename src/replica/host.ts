import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { METADATA_REPLICA_SET, type NodeId, type ReplicaId, type ReplicaSetId } from "../base/ids.js";
import type { Clock, Logger, Random, Timer } from "../base/ports.js";
import type { CoreOptions } from "../consensus/types.js";
import type { Log, LogCallbacks, LogSettings } from "../storage/log.js";
import type { ReplicaRecord, ReplicaStore } from "../storage/replica-store.js";
import { openReplica, setAside } from "./open-replica.js";
import { hasOtherVoters } from "./parts.js";
import type { LocalReplica } from "./replica.js";
import { ReplicationBudget } from "./replication-budget.js";
import type { CutPolicy } from "./snapshot-plan.js";
import { EntryKind, type Peers, type Replica, type ReplicaEnvelope, type ReplicaHost, type ReplicaSpec, type StateMachine } from "./types.js";

/** Where the logs of this broker's replicas are. */
export interface LogFactory {
  /** Opens the replica's log, or makes an empty one for a replica that never took part in anything. */
  open(record: ReplicaRecord, settings: LogSettings, callbacks: LogCallbacks): Promise<Log>;
  /** Moves a closed log out of the way; returns where it is now. */
  setAside(record: ReplicaRecord): Promise<string>;
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
  /** Whether this broker's disk takes so many bytes more of records that others admitted; a yes counts them. */
  readonly takesRecords: (bytes: number) => boolean;
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
  /** One for all replicas. */
  readonly #core: CoreOptions;
  readonly #replicas = new Map<ReplicaSetId, LocalReplica>();
  /** The last thing asked for of each set: a replica is not opened while its log, or a former one's, is being removed. */
  readonly #turns = new Map<ReplicaSetId, Promise<unknown>>();
  readonly #awake = new Set<LocalReplica>();
  readonly #down = new Set<NodeId>();
  readonly #budget: ReplicationBudget;
  /** What is on disk; read once, since there may be thousands. */
  #records: Promise<Map<ReplicaSetId, ReplicaRecord>> | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: HostOptions) {
    const { core, random } = options;
    this.#options = options;
    this.#core = { ...core, random: (bound) => random.below(bound) };
    this.#budget = new ReplicationBudget(core.inflightBytesMax);
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
    const running = this.#replicas.get(spec.replicaSetId);
    if (running !== undefined && running.replicaId === spec.replicaId && !this.#turns.has(spec.replicaSetId)) return Promise.resolve(running);
    return this.#inTurn(spec.replicaSetId, () => this.#open(spec));
  }

  update(id: ReplicaSetId, logSettings: LogSettings): void {
    this.#replicas.get(id)?.applySettings(logSettings);
  }

  remove(id: ReplicaSetId): Promise<void> {
    return this.#inTurn(id, () => this.#remove(id));
  }

  /** A message from another broker. */
  receive(from: NodeId, envelope: ReplicaEnvelope): void {
    const replica = this.#replicas.get(envelope.replicaSetId);
    if (replica === undefined || replica.replicaId !== envelope.to) return;
    // A message is proof of life, whatever the link's own opinion was.
    this.#down.delete(from);
    const bytes = newRecordBytes(replica, envelope);
    // As good as lost on the way: the leader hears that the disk is full, and sends it again when there is room.
    if (bytes > 0 && !this.#options.takesRecords(bytes)) return;
    replica.step({ kind: "message", from: { replicaId: envelope.from, nodeId: from }, message: envelope.message });
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

  /** Stops every replica, each with a last checkpoint, a few at a time; one that does not stop cleanly does not keep the others. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await Promise.allSettled(this.#turns.values());
    const replicas = [...this.#replicas.values()];
    const problems: unknown[] = [];
    const workers = Array.from({ length: 16 }, async () => {
      for (let replica = replicas.pop(); replica !== undefined; replica = replicas.pop()) await replica.stop().catch((problem) => problems.push(problem));
    });
    await Promise.all(workers);
    this.#replicas.clear();
    this.#awake.clear();
    if (problems.length > 0) throw problems[0];
  }

  #inTurn<T>(id: ReplicaSetId, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const done = before
      .catch(() => undefined)
      .then(() => {
        if (this.#stopped) throw new QuireError("SHUTTING_DOWN", "this broker is stopping");
        return work();
      })
      .finally(() => {
        if (this.#turns.get(id) === done) this.#turns.delete(id);
      });
    this.#turns.set(id, done);
    return done;
  }

  async #remove(id: ReplicaSetId): Promise<void> {
    const replica = this.#replicas.get(id);
    if (replica !== undefined) {
      this.#replicas.delete(id);
      this.#awake.delete(replica);
      // Its data goes: that it could not be closed cleanly is no reason to keep it.
      await replica.stop().catch((error: unknown) => this.#options.logger.warn({ replicaSetId: id, error }, "a replica to be removed did not stop cleanly"));
    }
    const records = await this.#known();
    const record = records.get(id);
    if (record === undefined) return;
    await this.#options.logs.delete(record);
    await this.#options.store.removeReplica(id);
    records.delete(id);
  }

  async #open(spec: ReplicaSpec): Promise<LocalReplica> {
    const former = this.#replicas.get(spec.replicaSetId);
    if (former?.replicaId === spec.replicaId) return former;
    const records = await this.#known();
    const known = records.get(spec.replicaSetId);
    refuseOlder(spec, known);
    if (former !== undefined) await this.#remove(spec.replicaSetId);
    const { machine, cutPolicy } = this.#options.machineFor(spec.replicaSetId);
    const { peers, store, logs, logger } = this.#options;
    const replica = await openReplica({
      spec,
      known: records.get(spec.replicaSetId),
      standsFirst: known?.replicaId === spec.replicaId ? undefined : this.#firstOf(spec),
      store,
      logs,
      peers,
      machine,
      cutPolicy,
      logger,
      core: this.#core,
      // The cluster's metadata waits behind no records.
      budget: spec.replicaSetId === METADATA_REPLICA_SET ? new ReplicationBudget(this.#core.inflightBytesMax) : this.#budget,
      host: {
        ticking: (self, needed) => this.#ticking(self, needed),
        leadershipChanged: this.#options.leadershipChanged,
        failed: (self, why) => this.#failed(self, spec, why),
      },
    }).catch(async (error: unknown) => {
      await this.#lookAgain(spec.replicaSetId);
      throw error;
    });
    records.set(spec.replicaSetId, { replicaSetId: spec.replicaSetId, replicaId: spec.replicaId });
    assert(!this.#replicas.has(spec.replicaSetId), "a replica set has one replica per broker");
    this.#replicas.set(spec.replicaSetId, replica);
    this.#ticking(replica, replica.ticking);
    for (const nodeId of this.#down) replica.step({ kind: "peer-down", nodeId });
    return replica;
  }

  /** The preferred leader of a set that begins; nobody waits for one that is down. */
  #firstOf({ initial }: ReplicaSpec): ReplicaId | undefined {
    const [first] = initial.voters;
    return first === undefined || this.#down.has(first.nodeId) ? undefined : first.replicaId;
  }

  #known(): Promise<Map<ReplicaSetId, ReplicaRecord>> {
    this.#records ??= this.#options.store.replicas().then(
      (records) => new Map(records.map((record) => [record.replicaSetId, record])),
      (error: unknown) => {
        this.#records = undefined;
        throw error;
      },
    );
    return this.#records;
  }

  /** After a failure in the middle: what of this set is on disk by now. */
  async #lookAgain(id: ReplicaSetId): Promise<void> {
    const records = await this.#known();
    const record = (await this.#options.store.replicas()).find((found) => found.replicaSetId === id);
    if (record === undefined) records.delete(id);
    else records.set(id, record);
  }

  #quietFollowersOf(leader: NodeId): Set<LocalReplica> {
    const quiet = new Set<LocalReplica>();
    for (const replica of this.#replicas.values()) if (isQuietFollowerOf(replica, leader)) quiet.add(replica);
    return quiet;
  }

  #failed(replica: Replica, spec: ReplicaSpec, { isLogDamaged }: { isLogDamaged: boolean }): void {
    this.#ticking(replica, false);
    this.#options.leadershipChanged(replica);
    if (!isLogDamaged || !hasOtherVoters(replica)) return;
    this.#inTurn(spec.replicaSetId, () => this.#refill(replica, spec)).catch((error: unknown) =>
      this.#options.logger.error({ replicaSetId: spec.replicaSetId, replicaId: spec.replicaId, error }, "a damaged replica could not be begun again"),
    );
  }

  /** Begins a replica whose log is damaged again, without that log. */
  async #refill(failed: Replica, spec: ReplicaSpec): Promise<void> {
    const replica = this.#replicas.get(spec.replicaSetId);
    if (replica === undefined || replica !== failed) return;
    this.#replicas.delete(spec.replicaSetId);
    this.#awake.delete(replica);
    await replica.stop();
    await setAside(this.#options, spec);
    await this.#open(spec);
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

/** Bytes of records in an append that this log does not hold yet. */
function newRecordBytes({ log }: LocalReplica, { message }: ReplicaEnvelope): number {
  if (message.kind !== "append") return 0;
  let bytes = 0;
  for (const { kind, index, payload } of message.entries) {
    if (kind === EntryKind.records && index > log.lastIndex && payload !== null && "body" in payload) bytes += payload.body.length;
  }
  return bytes;
}

const hasMemberOn = (replica: LocalReplica, nodeId: NodeId): boolean => {
  const { voters, learners, incoming } = replica.configuration;
  const on = (member: { nodeId: NodeId }): boolean => member.nodeId === nodeId;
  return voters.some(on) || learners.some(on) || (incoming?.voters.some(on) ?? false) || replica.leader?.nodeId === nodeId;
};

/** Ids rise and are never used again: one below what is on disk comes from an old state of the metadata, and would delete what is newer. */
function refuseOlder({ replicaSetId, replicaId }: ReplicaSpec, known: ReplicaRecord | undefined): void {
  if (known === undefined || known.replicaId <= replicaId) return;
  throw new QuireError(
    "CONFLICT",
    `replica ${known.replicaId} of set ${replicaSetId} is on this disk; replica ${replicaId} came before it and is not begun again`,
    {
      details: { replicaSetId, replicaId, known: known.replicaId },
    },
  );
}
