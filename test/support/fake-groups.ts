/** Consumer groups of a fake cluster: one coordinator at a time, generations that rise, offsets in a map. What the client's consumers are tested against. */
import { QuireError } from "../../src/base/errors.js";
import {
  AssignmentStrategyCode,
  type CommitAnswer,
  type CommitOffsetsRequest,
  type DescribeGroupResponse,
  type FetchOffsetsRequest,
  GroupStateCode,
  type GroupSummaryMessage,
  type JoinEnter,
  type JoinRequest,
  type ListGroupsRequest,
  type ListGroupsResponse,
  type OffsetFetchAnswer,
  type OwnedPartitionMessage,
  type ResetAnswer,
  type ResetOffsetsRequest,
  type ResetOffsetsResponse,
} from "../../src/wire/group-messages.js";
import type { Init } from "../../src/wire/messages.js";
import type { Handlers } from "../../src/wire/method.js";
import type { groupService } from "../../src/wire/services.js";
import { toServiceError, toStatus } from "../../src/wire/status.js";
import type { FakeCluster, FakeNode } from "./fake-cluster.js";

type JoinCall = Parameters<Handlers<typeof groupService>["Join"]>[0];

interface FakeMember {
  readonly enter: JoinEnter;
  call: JoinCall | undefined;
  holding: Set<string>;
  version: number;
  heartbeats: number;
  expiry: NodeJS.Timeout | undefined;
}

interface FakeGroup {
  readonly members: Map<string, FakeMember>;
  readonly owners: Map<string, { readonly memberId: string; readonly generation: number }>;
  readonly offsets: Map<string, { offset?: number; generation: number }>;
}

export interface CommitSeen {
  readonly nodeId: number;
  readonly memberId: string;
  readonly place: string;
  readonly generation: number;
  readonly offset: number;
}

export class FakeGroups {
  readonly #cluster: FakeCluster;
  readonly #groups = new Map<string, FakeGroup>();
  readonly commits: CommitSeen[] = [];
  readonly entered: JoinEnter[] = [];
  requests = 0;
  /** As descriptions tell it. */
  rate = 0;
  coordinator = 1;
  heartbeatMs = 20;
  /** Refuses a commit, or delays it. */
  onCommit: (commit: CommitSeen) => QuireError | undefined | Promise<QuireError | undefined> = () => undefined;
  /** Refuses who enters. */
  onEnter: (enter: JoinEnter) => QuireError | undefined = () => undefined;
  #generation = 0;

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
  }

  group(name: string): FakeGroup {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { members: new Map(), owners: new Map(), offsets: new Map() };
      this.#groups.set(name, group);
    }
    return group;
  }

  committed(name: string, place: string): number | undefined {
    return this.group(name).offsets.get(place)?.offset;
  }

  /** Every member is told of it by its stream's end. */
  moveCoordinator(nodeId: number): void {
    this.coordinator = nodeId;
    for (const { members } of this.#groups.values()) for (const member of members.values()) this.#refuse(member.call, this.#notCoordinator());
  }

  /** As if it had been silent for too long. */
  fence(name: string, memberId: string): void {
    const call = this.group(name).members.get(memberId)?.call;
    this.#remove(name, memberId);
    this.#refuse(call, new QuireError("MEMBER_FENCED", `member ${memberId} was silent for too long`));
  }

  /** Somebody else owns it from now on, and has begun. */
  steal(name: string, place: string): void {
    const generation = ++this.#generation;
    const group = this.group(name);
    group.owners.set(place, { memberId: "thief", generation });
    group.offsets.set(place, { ...group.offsets.get(place), generation });
  }

  join(node: FakeNode, call: JoinCall): void {
    let me: { readonly group: string; readonly memberId: string } | undefined;
    call.on("error", () => {});
    call.on("data", (request: JoinRequest) => {
      if (request.step === "enter") {
        if (this.coordinator !== node.nodeId) return this.#refuse(call, this.#notCoordinator());
        const refusal = this.onEnter(request.enter);
        if (refusal !== undefined) return this.#refuse(call, refusal);
        me = request.enter;
        return this.#enter(request.enter, call);
      }
      const member = me === undefined ? undefined : this.group(me.group).members.get(me.memberId);
      if (me === undefined || member?.call !== call) return;
      if (request.step === "heartbeat") member.heartbeats += 1;
      if (request.step === "holding") this.#hold(me.group, me.memberId, member, request.holding.partitions);
      if (request.step !== "leave") return;
      this.#remove(me.group, me.memberId);
      call.end();
    });
    const gone = (): void => {
      const member = me === undefined ? undefined : this.group(me.group).members.get(me.memberId);
      if (me === undefined || member?.call !== call) return;
      const { group, memberId } = me;
      member.call = undefined;
      member.expiry = setTimeout(() => this.#remove(group, memberId), member.enter.sessionTimeoutMs);
      member.expiry.unref();
    };
    call.on("cancelled", gone);
    call.on("end", gone);
  }

  async commit(node: FakeNode, { group: name, memberId, commits }: CommitOffsetsRequest): Promise<Init<CommitAnswer>[]> {
    this.requests += 1;
    const answers: Init<CommitAnswer>[] = [];
    for (const { topic, partition, generation, offset } of commits) {
      const place = `${topic}/${partition}`;
      const seen = { nodeId: node.nodeId, memberId, place, generation, offset };
      const refusal = (await this.onCommit(seen)) ?? this.#checkOwner(name, place, memberId, generation);
      this.commits.push(seen);
      if (refusal !== undefined) {
        answers.push({ error: toStatus(refusal), leader: this.#cluster.hint(topic, partition) });
        continue;
      }
      const known = this.group(name).offsets.get(place);
      const now = Math.max(known?.offset ?? 0, offset);
      this.group(name).offsets.set(place, { offset: now, generation });
      answers.push({ offset: now, leader: this.#cluster.hint(topic, partition) });
    }
    return answers;
  }

  fetch({ group: name, memberId, fetches }: FetchOffsetsRequest): Init<OffsetFetchAnswer>[] {
    return fetches.map(({ topic, partition, generation }) => {
      const place = `${topic}/${partition}`;
      const refusal = generation === 0 ? undefined : this.#checkOwner(name, place, memberId, generation);
      if (refusal !== undefined) return { error: toStatus(refusal) };
      const known = this.group(name).offsets.get(place);
      const { logStart, nextOffset } = this.#cluster.partition(topic, partition);
      if (generation > 0) this.group(name).offsets.set(place, { ...known, generation });
      const offset = known?.offset === undefined ? {} : { offset: known.offset };
      return { ...offset, generation, logStartOffset: logStart, highWatermark: nextOffset, leader: this.#cluster.hint(topic, partition) };
    });
  }

  /** Pages of one, so that paging is exercised. */
  list({ pageToken, namePrefix }: ListGroupsRequest): Init<ListGroupsResponse> {
    const names = [...this.#groups.keys()].filter((name) => name.startsWith(namePrefix)).sort();
    const at = pageToken === "" ? 0 : names.indexOf(pageToken);
    return { groups: names.slice(at, at + 1).map((name) => this.#summary(name)), nextPageToken: names[at + 1] ?? "" };
  }

  describe(name: string): Init<DescribeGroupResponse> {
    const { members, owners, offsets } = this.#existing(name);
    const places = [...new Set([...owners.keys(), ...offsets.keys()])].sort();
    return {
      summary: this.#summary(name),
      members: [...members].map(([memberId, { enter, call }]) => {
        const partitions = [...owners.values()].filter((owner) => owner.memberId === memberId).length;
        return { ...enter, memberId, address: call === undefined ? "" : "127.0.0.1:1", silentMs: 12, partitions };
      }),
      partitions: places.map((place) => {
        const { topic, partition } = placeFrom(place);
        const { logStart, nextOffset } = this.#cluster.partition(topic, partition);
        const { memberId = "", generation = 0 } = owners.get(place) ?? {};
        const offset = offsets.get(place)?.offset;
        const lagMs = (offset ?? 0) < nextOffset ? 90_000 : 0;
        const progress = {
          ...(offset === undefined ? {} : { offset }),
          logStartOffset: logStart,
          highWatermark: nextOffset,
          lagMs,
          recordsPerSecond: this.rate,
        };
        return { topic, partition, memberId, generation, progress };
      }),
    };
  }

  reset({ group: name, topics, position, validateOnly }: ResetOffsetsRequest): Init<ResetOffsetsResponse> {
    const { members, offsets } = this.group(name);
    if (members.size > 0) throw new QuireError("GROUP_NOT_EMPTY", `group ${name} has ${members.size} members`);
    const answers = topics.flatMap(({ topic, partitions }) => {
      const all = (this.#cluster.topics.get(topic)?.partitions ?? []).map((_, partition) => partition);
      return (partitions.length === 0 ? all : partitions).map((partition): Init<ResetAnswer> => {
        try {
          const before = offsets.get(`${topic}/${partition}`);
          const offset = this.#cluster.offsetAt(topic, partition, position);
          if (!validateOnly) offsets.set(`${topic}/${partition}`, { offset, generation: ++this.#generation });
          return { topic, partition, offset, ...(before?.offset === undefined ? {} : { offsetBefore: before.offset }) };
        } catch (error) {
          return { topic, partition, error: toStatus(error as QuireError) };
        }
      });
    });
    return { answers };
  }

  delete(name: string): object {
    if (this.#existing(name).members.size > 0) throw new QuireError("GROUP_NOT_EMPTY", `group ${name} has members`);
    this.#groups.delete(name);
    return {};
  }

  #existing(name: string): FakeGroup {
    if (!this.#groups.has(name)) throw new QuireError("GROUP_NOT_FOUND", `there is no group ${name}`);
    return this.group(name);
  }

  #summary(name: string): Init<GroupSummaryMessage> {
    const { members } = this.group(name);
    const topics = [...new Set([...members.values()].flatMap(({ enter }) => enter.topics))];
    const state = members.size === 0 ? GroupStateCode.empty : GroupStateCode.stable;
    return { name, state, members: members.size, topics, coordinatorNodeId: this.coordinator, strategy: AssignmentStrategyCode.uniform };
  }

  #checkOwner(name: string, place: string, memberId: string, generation: number): QuireError | undefined {
    const { owners, offsets } = this.group(name);
    if (generation < (offsets.get(place)?.generation ?? 0)) return new QuireError("STALE_GENERATION", `${place} has a newer owner than ${generation}`);
    const owner = owners.get(place);
    if (owner?.memberId === memberId && owner.generation === generation) return undefined;
    return new QuireError("PARTITION_NOT_OWNED", `${place} is not ${memberId}'s`);
  }

  #enter(enter: JoinEnter, call: JoinCall): void {
    this.entered.push(enter);
    const { members } = this.group(enter.group);
    for (const [memberId, other] of members) {
      if (enter.instanceId === "" || other.enter.instanceId !== enter.instanceId || memberId === enter.memberId) continue;
      this.#remove(enter.group, memberId);
      this.#refuse(other.call, new QuireError("MEMBER_FENCED", `instance ${enter.instanceId} was taken over`, { details: { successor: enter.memberId } }));
    }
    const known = members.get(enter.memberId);
    clearTimeout(known?.expiry);
    const holding = new Set(known === undefined ? [] : enter.holding.map(placeOf));
    members.set(enter.memberId, { enter, call, holding, version: known?.version ?? 0, heartbeats: 0, expiry: undefined });
    call.write({
      step: "entered",
      entered: { heartbeatIntervalMs: this.heartbeatMs, sessionTimeoutMs: enter.sessionTimeoutMs, strategy: 2, coordinatorNodeId: this.coordinator },
    });
    const heartbeat = setInterval(() => call.write({ step: "heartbeat", heartbeat: {} }), this.heartbeatMs);
    call.on("cancelled", () => clearInterval(heartbeat));
    call.on("close", () => clearInterval(heartbeat));
    this.rebalance(enter.group);
  }

  #hold(name: string, memberId: string, member: FakeMember, partitions: readonly OwnedPartitionMessage[]): void {
    const before = member.holding;
    member.holding = new Set(partitions.map(placeOf));
    const { owners } = this.group(name);
    for (const place of before) if (!member.holding.has(place) && owners.get(place)?.memberId === memberId) owners.delete(place);
    this.rebalance(name);
  }

  #remove(name: string, memberId: string): void {
    const { members, owners } = this.group(name);
    clearTimeout(members.get(memberId)?.expiry);
    members.delete(memberId);
    for (const [place, owner] of owners) if (owner.memberId === memberId) owners.delete(place);
    this.rebalance(name);
  }

  /** Who shall own what: round the members, in the order in which they came. */
  rebalance(name: string): void {
    const { members, owners } = this.group(name);
    const ids = [...members.keys()];
    const topics = new Set([...members.values()].flatMap(({ enter }) => enter.topics));
    const places = [...topics].flatMap((topic) => (this.#cluster.topics.get(topic)?.partitions ?? []).map((_, partition) => `${topic}/${partition}`));
    const targets = new Map(places.map((place, at) => [place, ids[at % ids.length]]));
    const generation = this.#generation + 1;
    for (const place of places) {
      const target = targets.get(place);
      if (owners.has(place) || target === undefined) continue;
      this.#generation = generation;
      owners.set(place, { memberId: target, generation });
    }
    for (const [memberId, member] of members) {
      const partitions = places
        .filter((place) => owners.get(place)?.memberId === memberId && targets.get(place) === memberId)
        .map((place) => ({ ...placeFrom(place), generation: owners.get(place)?.generation ?? 0 }));
      member.version += 1;
      member.call?.write({ step: "assignment", assignment: { version: member.version, partitions } });
    }
  }

  #notCoordinator(): QuireError {
    const coordinatorAddress = this.#cluster.broker(this.coordinator).address;
    return new QuireError("NOT_COORDINATOR", `broker ${this.coordinator} coordinates the group`, {
      details: { coordinatorNodeId: this.coordinator, coordinatorAddress },
    });
  }

  #refuse(call: JoinCall | undefined, error: QuireError): void {
    call?.emit("error", toServiceError(error));
  }
}

const placeFrom = (place: string): { topic: string; partition: number } => ({ topic: place.split("/")[0] ?? "", partition: Number(place.split("/")[1]) });
const placeOf = ({ topic, partition }: OwnedPartitionMessage): string => `${topic}/${partition}`;
