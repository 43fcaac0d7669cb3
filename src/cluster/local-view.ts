import { METADATA_REPLICA_SET, type NodeId, type ReplicaSetId } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { Replica } from "../replica/types.js";
import type { GroupInfo, GroupsView } from "./group-info.js";
import { LeaderTable } from "./leader-table.js";
import type { MetadataMachine } from "./metadata-machine.js";
import type { BrokerState, MetadataChange, PartitionState, TopicState } from "./metadata-state.js";
import type { BrokerInfo, ClusterView, Leadership, PartitionLeader, TopicPartition } from "./view.js";

export interface LocalViewOptions {
  readonly self: NodeId;
  readonly incarnation: string;
  readonly machine: MetadataMachine;
  readonly clock: Clock;
}

/** The local replica of the metadata, as far as the view asks it. */
type MetadataReplica = Pick<Replica, "current"> & Partial<Pick<Replica, "failure">>;

interface Link {
  readonly incarnation: string;
  readonly sinceMs: number;
}

/**
 * The cluster as this broker sees it: topics and brokers from the metadata applied here, leaders from what leaders tell and
 * from this broker's own replicas, liveness from its links. A leadership change costs the same however many partitions there are.
 */
export class LocalView implements ClusterView, GroupsView {
  readonly self: NodeId;
  readonly #incarnation: string;
  readonly #machine: MetadataMachine;
  readonly #clock: Clock;
  readonly #leaders = new LeaderTable();
  readonly #links = new Map<NodeId, Link>();
  /** Replica sets whose leader is alive but not the preferred one. */
  readonly #misplaced = new Set<ReplicaSetId>();
  readonly #watchers = new Set<() => void>();
  readonly #groupWatchers = new Set<(names: readonly string[]) => void>();
  #version = 1;
  #told = false;
  #ready = false;
  #metadata: MetadataReplica | undefined;
  #sortedTopics: readonly TopicState[] | undefined;
  #sortedBrokers: readonly BrokerState[] | undefined;
  #sortedGroups: readonly GroupInfo[] | undefined;

  constructor({ self, incarnation, machine, clock }: LocalViewOptions) {
    this.self = self;
    this.#incarnation = incarnation;
    this.#machine = machine;
    this.#clock = clock;
    machine.watch((change) => this.#metadataChanged(change));
  }

  get clusterId(): string {
    return this.#machine.state.founding.clusterId;
  }

  get version(): number {
    return this.#version;
  }

  get controller(): NodeId | undefined {
    return this.leader(METADATA_REPLICA_SET)?.nodeId;
  }

  /**
   * True once everything was applied here that was committed when a leader of the metadata was first heard, and this broker, with this disk, is
   * a member. Before, what the local log holds may be older, or shorter if it was damaged: that a topic is not in it says nothing.
   */
  get ready(): boolean {
    // One that failed will be read anew, from nothing.
    if (this.#metadata?.failure !== undefined) return false;
    if (this.#ready || this.#metadata === undefined) return this.#ready;
    this.#ready = this.#metadata.current && this.#machine.state.brokers.get(this.self)?.incarnation === this.#incarnation;
    return this.#ready;
  }

  brokers(): readonly BrokerInfo[] {
    this.#sortedBrokers ??= [...this.#machine.state.brokers.values()].sort((a, b) => a.nodeId - b.nodeId);
    return this.#sortedBrokers;
  }

  broker(nodeId: NodeId): BrokerInfo | undefined {
    return this.#machine.state.brokers.get(nodeId);
  }

  isAlive(nodeId: NodeId): boolean {
    return nodeId === this.self || this.#links.has(nodeId);
  }

  /** The disk at the other end of the link to a broker, while there is one. */
  linkedIncarnation(nodeId: NodeId): string | undefined {
    return this.#links.get(nodeId)?.incarnation;
  }

  /** For how long both links to a broker have stood without a break; undefined while they do not. */
  aliveForMs(nodeId: NodeId): number | undefined {
    if (nodeId === this.self) return Number.POSITIVE_INFINITY;
    const link = this.#links.get(nodeId);
    return link && this.#clock.monotonicMs() - link.sinceMs;
  }

  topics(): readonly TopicState[] {
    this.#sortedTopics ??= [...this.#machine.state.topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sortedTopics;
  }

  topic(name: string): TopicState | undefined {
    return this.#machine.state.topics.get(name);
  }

  partition({ topic, partition }: TopicPartition): PartitionState | undefined {
    return this.topic(topic)?.assignments[partition];
  }

  partitionOf(id: ReplicaSetId): { readonly topic: TopicState; readonly partition: PartitionState } | undefined {
    return this.#machine.state.partitionOf(id);
  }

  /** A leader on a broker that is down counts as none. */
  leader(id: ReplicaSetId): PartitionLeader | undefined {
    const leader = this.#leaders.leader(id);
    if (leader === undefined || !this.isAlive(leader.nodeId)) return undefined;
    return { nodeId: leader.nodeId, term: leader.term };
  }

  /** For how long the leader has been the same, as known here. */
  ledForMs(id: ReplicaSetId): number {
    const leader = this.#leaders.leader(id);
    return leader === undefined ? 0 : this.#clock.monotonicMs() - leader.sinceMs;
  }

  /** Replica sets that are led by another broker than the preferred one. */
  misplaced(): ReadonlySet<ReplicaSetId> {
    return this.#misplaced;
  }

  get newestGeneration(): number {
    return this.#machine.state.newestGeneration;
  }

  group(name: string): GroupInfo | undefined {
    return this.#machine.state.groups.get(name);
  }

  groups(): readonly GroupInfo[] {
    this.#sortedGroups ??= [...this.#machine.state.groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sortedGroups;
  }

  watchGroups(changed: (names: readonly string[]) => void): () => void {
    this.#groupWatchers.add(changed);
    return () => this.#groupWatchers.delete(changed);
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** The local replica of the metadata was opened; another one, with a blank state, when its log was damaged. Telling it twice does no harm. */
  attachMetadata(replica: MetadataReplica): void {
    if (replica === this.#metadata) return;
    this.#metadata = replica;
    this.#ready = false;
  }

  /** Role, term, leader or `serving` of a replica of this broker changed. */
  onOwnReplica({
    replicaSetId,
    role,
    serving,
    term,
    leader,
    failure,
  }: Pick<Replica, "replicaSetId" | "role" | "serving" | "term" | "leader" | "failure">): void {
    const nowMs = this.#clock.monotonicMs();
    const leads = role === "leader" && failure === undefined;
    let changed = false;
    if (!leads) changed = this.#leaders.resign(replicaSetId, this.self, term, nowMs);
    if (leads && serving) changed = this.#leaders.claim(replicaSetId, this.self, term, nowMs);
    if (!leads && leader !== null && leader.nodeId !== this.self) changed = this.#leaders.claim(replicaSetId, leader.nodeId, leader.term, nowMs) || changed;
    // The metadata's replica becomes ready by its leader, which needs no change of the table.
    if (changed || replicaSetId === METADATA_REPLICA_SET) this.#leadersChanged([replicaSetId]);
  }

  /** What another broker leads; `full` when it leads nothing else. May come before its links count as up. */
  onLeaderships(from: NodeId, list: readonly Leadership[], full: boolean): void {
    // Of itself a broker knows best; and a set that is gone shall not come back as a row.
    const known = list.filter((line) => !this.#machine.state.isDeleted(line.replicaSetId));
    const changed = from === this.self ? [] : this.#leaders.told(from, known, full, this.#clock.monotonicMs());
    if (changed.length > 0) this.#leadersChanged(changed);
  }

  onPeerUp(nodeId: NodeId, incarnation: string): void {
    this.#links.set(nodeId, { incarnation, sinceMs: this.#clock.monotonicMs() });
    this.#leadersChanged(this.#leaders.ledBy(nodeId));
  }

  onPeerDown(nodeId: NodeId): void {
    if (this.#links.delete(nodeId)) this.#leadersChanged(this.#leaders.ledBy(nodeId));
  }

  #metadataChanged(change: MetadataChange): void {
    const { all, brokers, replicaSets, groups } = change;
    // Groups change often, and whoever watches topics, brokers and leaders need not look for that.
    if (groups.length === 0 || all || brokers || replicaSets.length > 0) this.#clusterChanged(change);
    if (groups.length > 0) this.#groupsChanged(groups);
  }

  #clusterChanged({ all, replicaSets }: MetadataChange): void {
    this.#sortedTopics = undefined;
    this.#sortedBrokers = undefined;
    const ids = all ? [...this.#leaders.ids()] : replicaSets;
    for (const id of ids) if (this.#machine.state.isDeleted(id)) this.#leaders.forget(id);
    this.#leadersChanged(ids);
  }

  #groupsChanged(names: readonly string[]): void {
    this.#sortedGroups = undefined;
    for (const changed of [...this.#groupWatchers]) changed(names);
  }

  #leadersChanged(ids: Iterable<ReplicaSetId>): void {
    for (const id of ids) {
      const preferred = this.#machine.state.partitionOf(id)?.partition.replicas[0]?.nodeId;
      const leader = this.leader(id)?.nodeId;
      if (preferred !== undefined && leader !== undefined && leader !== preferred) this.#misplaced.add(id);
      else this.#misplaced.delete(id);
    }
    this.#version += 1;
    if (this.#told) return;
    this.#told = true;
    this.#clock.soon(() => {
      this.#told = false;
      for (const changed of [...this.#watchers]) changed();
    });
  }
}
