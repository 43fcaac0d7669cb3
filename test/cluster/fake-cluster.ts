/**
 * Brokers with the real control plane over replica sets that are not real: one shared log per set, committed when W voters
 * are up (of both sides while joint). Leaders are elected by the test.
 */
import assert from "node:assert/strict";
import { QuireError } from "../../src/base/errors.js";
import { type LogIndex, METADATA_REPLICA_SET, type NodeId, type Offset, type ReplicaId, type ReplicaSetId, type Term } from "../../src/base/ids.js";
import { checkQuorum } from "../../src/base/quorum.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import { Controller } from "../../src/cluster/controller.js";
import { LocalView } from "../../src/cluster/local-view.js";
import { type FoundingRecord, metadataInitial } from "../../src/cluster/membership.js";
import { MetadataMachine } from "../../src/cluster/metadata-machine.js";
import { OwnLeaderships } from "../../src/cluster/own-leaderships.js";
import { Reconciler } from "../../src/cluster/reconciler.js";
import type { BrokerInfo } from "../../src/cluster/view.js";
import type {
  Committed,
  Configuration,
  Frame,
  LogSettings,
  Member,
  Placed,
  Proposal,
  QuorumSet,
  Replica,
  ReplicaHost,
  ReplicaRecord,
  ReplicaSpec,
} from "../../src/replica/types.js";
import { EntryKind } from "../../src/replica/types.js";
import { seededRandom, settings } from "./examples.js";
import { ManualClock } from "./manual-clock.js";

export class FakeSet {
  readonly id: ReplicaSetId;
  readonly frames: Frame[] = [];
  /** Every configuration that was ever in force, joint ones too. */
  readonly history: Configuration[] = [];
  configuration: Configuration;
  leader: Member | null = null;
  term = 0;
  /** Learners on these brokers receive nothing. */
  readonly stalled = new Set<NodeId>();

  constructor(id: ReplicaSetId, initial: Configuration) {
    this.id = id;
    this.configuration = initial;
    this.history.push(initial);
  }

  get lastIndex(): LogIndex {
    return this.frames.length as LogIndex;
  }

  members(): Member[] {
    const { voters, learners, incoming } = this.configuration;
    return [...voters, ...learners, ...(incoming?.voters ?? [])];
  }

  push(kind: Frame["kind"], body: Buffer): void {
    this.frames.push({ index: (this.lastIndex + 1) as LogIndex, term: this.term as Term, kind, body } as Frame);
  }

  force(configuration: Configuration): void {
    checkQuorum({ n: configuration.voters.length, w: configuration.w, r: configuration.r });
    this.configuration = configuration;
    this.history.push(configuration);
  }
}

/** What is left of a broker that was stopped: its disk. */
export interface Disk {
  readonly incarnation: string;
  readonly replicas: Map<ReplicaSetId, ReplicaId>;
}

export class FakeCluster {
  readonly clock = new ManualClock();
  readonly founding: FoundingRecord;
  readonly sets = new Map<ReplicaSetId, FakeSet>();
  readonly brokers = new Map<NodeId, FakeBroker>();

  constructor(founding: FoundingRecord) {
    this.founding = founding;
    this.sets.set(METADATA_REPLICA_SET, new FakeSet(METADATA_REPLICA_SET, { ...metadataInitial(founding), learners: [] }));
  }

  set(id: ReplicaSetId): FakeSet {
    const set = this.sets.get(id);
    assert.ok(set, `replica set ${id} exists`);
    return set;
  }

  /** Starts a broker process; it finds the others, and they it. */
  async boot(info: BrokerInfo, metadataReplicaId: ReplicaId, disk: Disk = { incarnation: info.incarnation, replicas: new Map() }): Promise<FakeBroker> {
    const broker = new FakeBroker(this, info, metadataReplicaId, disk);
    for (const other of this.brokers.values()) {
      other.view.onPeerUp(info.nodeId, info.incarnation);
      broker.view.onPeerUp(other.info.nodeId, other.info.incarnation);
      broker.view.onLeaderships(other.info.nodeId, other.leaderships.all(), true);
    }
    this.brokers.set(info.nodeId, broker);
    await broker.start();
    await this.clock.settle();
    return broker;
  }

  /** Ends a broker process; what it leaves is its disk. */
  async stop(nodeId: NodeId): Promise<Disk> {
    const broker = this.brokers.get(nodeId);
    assert.ok(broker);
    this.brokers.delete(nodeId);
    for (const set of this.sets.values()) if (set.leader?.nodeId === nodeId) set.leader = null;
    for (const other of this.brokers.values()) other.view.onPeerDown(nodeId);
    await broker.reconciler.stop();
    return broker.disk;
  }

  async elect(id: ReplicaSetId, nodeId: NodeId): Promise<void> {
    const set = this.set(id);
    const member = set.configuration.voters.find((voter) => voter.nodeId === nodeId);
    assert.ok(member, `broker ${nodeId} votes in set ${id}`);
    set.leader = member;
    set.term += 1;
    this.append(set, EntryKind.noOp);
    for (const broker of this.brokers.values()) broker.leadershipChanged(id);
    await this.clock.settle();
  }

  /** Whether enough voters are up, with their present disks, to commit. */
  canCommit({ configuration }: FakeSet): boolean {
    const reached = ({ voters, w }: QuorumSet): boolean => voters.filter((voter) => this.runs(voter)).length >= w;
    return reached(configuration) && (configuration.incoming === undefined || reached(configuration.incoming));
  }

  runs(member: Member): boolean {
    return [...(this.brokers.get(member.nodeId)?.host.all() ?? [])].some((replica) => replica.replicaId === member.replicaId);
  }

  append(set: FakeSet, kind: Frame["kind"]): void {
    set.push(kind, Buffer.alloc(0));
    this.deliver(set);
  }

  deliver(set: FakeSet): void {
    for (const broker of this.brokers.values()) broker.host.get(set.id)?.catchUp();
  }
}

export class FakeBroker {
  readonly cluster: FakeCluster;
  readonly info: BrokerInfo;
  readonly disk: Disk;
  readonly machine: MetadataMachine;
  readonly view: LocalView;
  readonly host: FakeHost;
  readonly leaderships: OwnLeaderships;
  readonly reconciler: Reconciler;
  readonly controller: Controller;
  readonly replaced: QuireError[] = [];
  readonly metadataReplicaId: ReplicaId;

  constructor(cluster: FakeCluster, info: BrokerInfo, metadataReplicaId: ReplicaId, disk: Disk) {
    const { clock, founding } = cluster;
    this.cluster = cluster;
    this.info = info;
    this.disk = disk;
    this.metadataReplicaId = metadataReplicaId;
    const { nodeId: self, incarnation } = info;
    const machine = new MetadataMachine(founding);
    const host = new FakeHost(this);
    this.machine = machine;
    this.host = host;
    this.view = new LocalView({ self, incarnation, machine, clock });
    this.leaderships = new OwnLeaderships(clock, (changes) => {
      for (const other of cluster.brokers.values()) if (other !== this) other.view.onLeaderships(self, changes, false);
    });
    this.reconciler = new Reconciler({
      self,
      incarnation,
      machine,
      host,
      stored: async () => [...disk.replicas].map(([replicaSetId, replicaId]): ReplicaRecord => ({ replicaSetId, replicaId })),
      logSettings: settings,
      clock,
      logger: silentLogger,
      onRemoved: (id) => this.leaderships.removed(id),
      onReplaced: (why) => this.replaced.push(why),
    });
    this.controller = new Controller({ view: this.view, machine, host, topicDefaults: settings, clock, random: seededRandom(self), logger: silentLogger });
  }

  async start(): Promise<void> {
    const initial = { ...metadataInitial(this.cluster.founding), learners: [] };
    const metadata = await this.host.start({ replicaSetId: METADATA_REPLICA_SET, replicaId: this.metadataReplicaId, initial, logSettings: settings });
    this.view.attachMetadata(metadata);
    await this.reconciler.start();
    this.leadershipChanged(METADATA_REPLICA_SET);
  }

  leadershipChanged(id: ReplicaSetId): void {
    const replica = this.host.get(id);
    if (replica === undefined) return;
    this.view.onOwnReplica(replica);
    this.leaderships.changed(replica);
    this.reconciler.leadershipChanged(replica);
  }
}

export class FakeHost implements ReplicaHost {
  readonly #broker: FakeBroker;
  readonly #replicas = new Map<ReplicaSetId, FakeReplica>();
  /** What was asked for, in order. */
  readonly calls: string[] = [];
  /** Fails so many starts before one succeeds. */
  failStarts = 0;

  constructor(broker: FakeBroker) {
    this.#broker = broker;
  }

  get(id: ReplicaSetId): FakeReplica | undefined {
    return this.#replicas.get(id);
  }

  all(): Iterable<FakeReplica> {
    return this.#replicas.values();
  }

  async start({ replicaSetId, replicaId, initial, logSettings }: ReplicaSpec): Promise<Replica> {
    const { cluster, disk } = this.#broker;
    await Promise.resolve();
    if (this.failStarts > 0) {
      this.failStarts -= 1;
      throw new QuireError("DISK_FULL", "no room");
    }
    const known = disk.replicas.get(replicaSetId);
    this.calls.push(`${known === replicaId ? "open" : "create"} ${replicaSetId}/${replicaId} ${logSettings.flush}`);
    if (known !== replicaId) assert.ok(initial.voters.length > 0, "nothing is created without knowing how the set began");
    if (!cluster.sets.has(replicaSetId)) cluster.sets.set(replicaSetId, new FakeSet(replicaSetId, initial));
    disk.replicas.set(replicaSetId, replicaId);
    const replica = new FakeReplica(this.#broker, cluster.set(replicaSetId), replicaId);
    this.#replicas.set(replicaSetId, replica);
    replica.catchUp();
    return replica;
  }

  update(id: ReplicaSetId, { flush }: LogSettings): void {
    this.calls.push(`update ${id} ${flush}`);
  }

  async remove(id: ReplicaSetId): Promise<void> {
    await Promise.resolve();
    this.calls.push(`remove ${id}`);
    this.#replicas.delete(id);
    this.#broker.disk.replicas.delete(id);
  }
}

export class FakeReplica implements Replica {
  readonly #broker: FakeBroker;
  readonly #set: FakeSet;
  readonly replicaId: ReplicaId;
  readonly failure = undefined;
  readonly highWatermark = 0 as Offset;
  readonly logStartOffset = 0 as Offset;
  appliedIndex = 0 as LogIndex;
  /** Transfers asked for, and what to answer. */
  readonly transfers: ReplicaId[] = [];
  transferAnswer = true;

  constructor(broker: FakeBroker, set: FakeSet, replicaId: ReplicaId) {
    this.#broker = broker;
    this.#set = set;
    this.replicaId = replicaId;
  }

  get replicaSetId(): ReplicaSetId {
    return this.#set.id;
  }
  get role(): Replica["role"] {
    return this.#set.leader?.replicaId === this.replicaId ? "leader" : "follower";
  }
  get serving(): boolean {
    return this.role === "leader";
  }
  get current(): boolean {
    return this.leader !== null && this.appliedIndex >= this.#set.lastIndex;
  }
  get term(): Term {
    return this.#set.term as Term;
  }
  get leader(): Replica["leader"] {
    return this.#isMember() && this.#set.leader !== null ? { nodeId: this.#set.leader.nodeId, term: this.term } : null;
  }
  get configuration(): Configuration {
    return this.#set.configuration;
  }
  get commitIndex(): LogIndex {
    return this.appliedIndex;
  }
  get log(): Replica["log"] {
    return { lastIndex: this.#set.lastIndex } as Replica["log"];
  }

  #isMember(): boolean {
    return this.#set.members().some((member) => member.replicaId === this.replicaId);
  }

  /** Applies what it may see. */
  catchUp(): void {
    if (!this.#isMember() || this.#set.stalled.has(this.#broker.info.nodeId)) return;
    while (this.appliedIndex < this.#set.lastIndex) {
      const frame = this.#set.frames[this.appliedIndex];
      assert.ok(frame);
      if (this.#set.id === METADATA_REPLICA_SET) this.#broker.machine.apply(frame);
      this.appliedIndex = frame.index;
    }
  }

  propose({ kind, body }: Proposal, done: (outcome: Committed | Error) => void, options?: { placed?: (at: Placed) => void }): void {
    const { cluster } = this.#broker;
    if (this.role !== "leader") {
      done(new QuireError("NOT_LEADER", "not the leader"));
      return;
    }
    const placed: Placed = { index: (this.#set.lastIndex + 1) as LogIndex, term: this.term, baseOffset: 0 as Offset };
    options?.placed?.(placed);
    const commits = cluster.canCommit(this.#set);
    if (commits) this.#set.push(kind, body);
    queueMicrotask(() => {
      if (!commits) {
        done(new QuireError("WRITE_OUTCOME_UNKNOWN", "no quorum"));
        return;
      }
      cluster.deliver(this.#set);
      done({ ...placed, replicasOnDisk: this.#set.configuration.w });
    });
  }

  async readIndex(): Promise<LogIndex> {
    return this.commitIndex;
  }

  matchOf(replicaId: ReplicaId): LogIndex | undefined {
    const member = this.#set.members().find((other) => other.replicaId === replicaId);
    if (member === undefined || this.role !== "leader") return undefined;
    const stalled = this.#set.stalled.has(member.nodeId) || !this.#broker.cluster.runs(member);
    return stalled ? (0 as LogIndex) : this.#set.lastIndex;
  }

  async reconfigure(target: Omit<Configuration, "incoming">): Promise<void> {
    const { cluster } = this.#broker;
    await Promise.resolve();
    if (this.role !== "leader") throw new QuireError("NOT_LEADER", "not the leader");
    const { voters, w, r } = this.#set.configuration;
    if (!cluster.canCommit(this.#set)) throw new QuireError("QUORUM_UNAVAILABLE", "no quorum");
    this.#set.force({ voters, w, r, learners: target.learners, incoming: target });
    if (!cluster.canCommit(this.#set)) throw new QuireError("QUORUM_UNAVAILABLE", "no quorum of the incoming set");
    this.#set.force(target);
    cluster.append(this.#set, EntryKind.configuration);
  }

  async transfer(to: ReplicaId): Promise<boolean> {
    this.transfers.push(to);
    const member = this.#set.configuration.voters.find((voter) => voter.replicaId === to);
    if (this.transferAnswer && member !== undefined) await this.#broker.cluster.elect(this.#set.id, member.nodeId);
    return this.transferAnswer;
  }

  watch(): () => void {
    return () => undefined;
  }
}

/** Three founders, up, with broker 1 as the controller. */
export async function clusterOfThree(founding: FoundingRecord): Promise<FakeCluster> {
  const cluster = new FakeCluster(founding);
  for (const { replicaId, ...info } of founding.founders) await cluster.boot(info, replicaId);
  const [first] = founding.founders;
  assert.ok(first);
  await cluster.elect(METADATA_REPLICA_SET, first.nodeId);
  return cluster;
}
