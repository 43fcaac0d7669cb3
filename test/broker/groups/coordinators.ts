/** Coordinators of several brokers over one metadata, and members that do as members shall. */
import assert from "node:assert/strict";
import type { QuireError } from "../../../src/base/errors.js";
import { type LogIndex, METADATA_REPLICA_SET, type NodeId, type ReplicaSetId, type Term } from "../../../src/base/ids.js";
import { silentLogger } from "../../../src/base/silent-logger.js";
import { Coordinator, type Membership } from "../../../src/broker/groups/coordinator.js";
import type { MemberStream, Owned } from "../../../src/broker/groups/member-session.js";
import { encodeCommand } from "../../../src/cluster/commands.js";
import type { AssignmentStrategy, GroupChange, GroupInfo, GroupMemberInfo } from "../../../src/cluster/group-info.js";
import { LocalView } from "../../../src/cluster/local-view.js";
import { MetadataMachine } from "../../../src/cluster/metadata-machine.js";
import { EntryKind, type Frame } from "../../../src/replica/types.js";
import { founding, node, spec } from "../../cluster/examples.js";
import { ManualClock } from "../../cluster/manual-clock.js";

export class Coordinators {
  readonly clock = new ManualClock();
  readonly machine = new MetadataMachine(founding(1, 2, 3));
  readonly views = new Map<number, LocalView>();
  readonly coordinators = new Map<number, Coordinator>();
  /** Every change of a group that was heard. */
  readonly changes: GroupChange[] = [];
  /** How long a change takes; and what is thrown instead of an answer, once each. */
  changeMs = 5;
  readonly failures: Error[] = [];
  #index = 0;
  #term = 0;

  constructor() {
    for (const id of [1, 2, 3]) this.start(id);
  }

  start(id: number): void {
    const view = new LocalView({ self: node(id), incarnation: `disk-${id}`, machine: this.machine, clock: this.clock });
    view.attachMetadata({ current: true });
    for (const [other, otherView] of this.views) {
      view.onPeerUp(node(other), `disk-${other}`);
      otherView.onPeerUp(node(id), `disk-${id}`);
    }
    this.views.set(id, view);
    this.elect();
    const admin = {
      // A broker that is gone does nothing any more.
      changeGroup: (change: GroupChange) => (this.views.get(id) === view ? this.#change(change) : new Promise<never>(() => undefined)),
      deleteGroup: async (name: string) => this.#apply({ kind: "delete-group", name }),
    };
    this.coordinators.set(id, new Coordinator({ view, groups: view, admin, clock: this.clock, logger: silentLogger }));
  }

  /** The process is gone, its streams with it. */
  kill(id: number, members: Iterable<TestMember>): void {
    this.views.delete(id);
    this.coordinators.delete(id);
    for (const view of this.views.values()) view.onPeerDown(node(id));
    this.elect();
    for (const member of members) if (member.at === id) member.cut();
  }

  /** The first of the brokers that live is the controller, as all hear. */
  elect(): void {
    const [id = 0] = [...this.views.keys()].sort();
    this.#term += 1;
    const told = { replicaSetId: METADATA_REPLICA_SET, term: this.#term as Term, leads: true };
    for (const [self, view] of this.views) {
      if (self !== id) view.onLeaderships(node(id), [told], false);
      else view.onOwnReplica({ replicaSetId: METADATA_REPLICA_SET, role: "leader", serving: true, term: told.term, leader: null, failure: undefined });
    }
  }

  /** Whether two brokers see each other; each may reach the controller all the same. */
  link(a: number, b: number, stands: boolean): void {
    for (const [self, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const view = this.views.get(self);
      if (!this.views.has(other)) continue;
      if (stands) view?.onPeerUp(node(other), `disk-${other}`);
      else view?.onPeerDown(node(other));
    }
  }

  createTopic(name: string, partitions: number): void {
    const placements = Array<NodeId[]>(partitions).fill([1, 2, 3].map(node));
    this.#apply({ kind: "create-topic", topicId: `id-of-${name}`, createdMs: 0, spec: spec(name, partitions), placements });
  }

  deleteTopic(name: string): void {
    this.#apply({ kind: "delete-topic", name });
  }

  growTopic(name: string, by: number): void {
    const topic = this.machine.state.topics.get(name);
    assert.ok(topic);
    const added = Array<NodeId[]>(by).fill([1, 2, 3].map(node));
    this.#apply({ kind: "update-topic", name, topicId: topic.topicId, partitionsBefore: topic.partitions, added });
  }

  /** Another broker took the group, its members' sessions ended, and it was deleted: all of it before anybody looks. */
  takeAndDelete(coordinator: number, name = "billing"): void {
    const { version, strategy, members } = this.group(name);
    this.#apply({ kind: "change-group", change: { group: name, version, coordinator: node(coordinator), strategy, nowMs: 0, left: [...members.keys()] } });
    this.#apply({ kind: "delete-group", name });
  }

  group(name = "billing"): GroupInfo {
    const group = this.machine.state.groups.get(name);
    assert.ok(group, "the group is there");
    return group;
  }

  /** Owner of each partition of a topic; "" for nobody. */
  owners(topic: string, name = "billing"): string[] {
    return (this.machine.state.topics.get(topic)?.assignments ?? []).map(({ replicaSetId }) => this.group(name).owners.get(replicaSetId)?.memberId ?? "");
  }

  async #change(change: GroupChange): Promise<GroupInfo> {
    await new Promise<void>((resolve) => this.clock.after(this.changeMs, resolve));
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    this.#apply({ kind: "change-group", change });
    this.changes.push(change);
    return this.group(change.group);
  }

  #apply(command: Parameters<typeof encodeCommand>[0]): void {
    this.#index += 1;
    const expectation = this.machine.expect(this.#index as LogIndex);
    this.machine.apply({ kind: EntryKind.command, index: this.#index, body: encodeCommand(command) } as Frame);
    this.machine.forget(expectation);
    const { outcome } = expectation;
    if (outcome !== undefined && "refusal" in outcome) throw outcome.refusal;
  }
}

export interface MemberOptions {
  readonly group?: string;
  readonly topics?: readonly string[];
  readonly pattern?: string;
  readonly strategy?: AssignmentStrategy;
  readonly instanceId?: string;
  readonly sessionTimeoutMs?: number;
}

/** A member that gives back what it shall not hold, unless it is told to keep it for a while. */
export class TestMember implements MemberStream {
  readonly address = "somewhere:1";
  readonly id: string;
  readonly #cluster: Coordinators;
  readonly #info: GroupMemberInfo;
  readonly #group: string;
  readonly #strategy: AssignmentStrategy | undefined;
  #membership: Membership | undefined;
  #version = 0;
  at = 0;
  entries = 0;
  held = new Map<ReplicaSetId, number>();
  /** Partitions that began or stopped, in order: `+3@7`, `-3@7`. */
  readonly events: string[] = [];
  assignments = 0;
  ended: { readonly error: QuireError | undefined } | undefined;
  /** Does not give back by itself. */
  holdsOn = false;
  #wanted = new Map<ReplicaSetId, number>();

  constructor(
    cluster: Coordinators,
    id: string,
    { group = "billing", topics, pattern = "", strategy, instanceId = "", sessionTimeoutMs = 10_000 }: MemberOptions = {},
  ) {
    this.id = id;
    this.#cluster = cluster;
    this.#group = group;
    this.#strategy = strategy;
    this.#info = { memberId: id, instanceId, clientId: "", sessionTimeoutMs, topics: topics ?? (pattern === "" ? ["orders"] : []), pattern };
  }

  /** At this broker, or at whichever it names instead. */
  enter(at = 1): this {
    const coordinator = this.#cluster.coordinators.get(at);
    assert.ok(coordinator);
    this.ended = undefined;
    this.#version = 0;
    try {
      this.#membership = coordinator.enter({ group: this.#group, member: this.#info, strategy: this.#strategy, holding: [...this.held.keys()] }, this);
      this.at = at;
    } catch (error) {
      const other = (error as QuireError).details?.["coordinatorNodeId"];
      if (other === undefined) throw error;
      return this.enter(Number(other));
    }
    return this;
  }

  heartbeat(): void {
    this.#membership?.heard();
  }

  leave(): void {
    this.#membership?.leave();
  }

  /** The stream breaks. */
  cut(): void {
    this.#membership?.lost();
    this.#membership = undefined;
  }

  entered(): void {
    this.entries += 1;
  }

  assign(version: number, partitions: readonly Owned[]): void {
    this.assignments += 1;
    assert.ok(version > this.#version);
    this.#version = version;
    const at = (owned: Owned): ReplicaSetId => this.#cluster.machine.state.topics.get(owned.topic)?.assignments[owned.partition]?.replicaSetId as ReplicaSetId;
    this.#wanted = new Map(partitions.map((owned) => [at(owned), owned.generation]));
    if (!this.holdsOn) this.giveBack();
  }

  /** Stops what it shall not do, begins what it shall, and says so. */
  giveBack(): void {
    for (const [id, generation] of this.held) {
      if (this.#wanted.get(id) === generation) continue;
      this.held.delete(id);
      this.events.push(`-${id}@${generation}`);
    }
    for (const [id, generation] of this.#wanted) {
      if (this.held.has(id)) continue;
      this.held.set(id, generation);
      this.events.push(`+${id}@${generation}`);
    }
    const { clock } = this.#cluster;
    const version = this.#version;
    const holding = new Set(this.held.keys());
    const membership = this.#membership;
    // Over the network.
    clock.after(1, () => (membership ?? this.#membership)?.holds(version, holding));
  }

  end(error?: QuireError): void {
    this.ended = { error };
    this.#membership = undefined;
    if (error?.reason !== "MEMBER_FENCED") return;
    for (const [id, generation] of this.held) this.events.push(`-${id}@${generation}`);
    this.held.clear();
  }

  get isConnected(): boolean {
    return this.#membership !== undefined;
  }
}
