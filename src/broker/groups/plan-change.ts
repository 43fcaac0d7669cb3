import type { NodeId, ReplicaSetId } from "../../base/ids.js";
import type { AssignmentStrategy, GroupChange, GroupInfo, GroupMemberInfo } from "../../cluster/group-info.js";
import type { Target } from "./assignment.js";

export interface PlanInput {
  readonly name: string;
  readonly group: GroupInfo | undefined;
  /** Who shall coordinate it from now on. */
  readonly coordinator: NodeId;
  readonly strategy: AssignmentStrategy;
  readonly nowMs: number;
  readonly leaving: ReadonlySet<string>;
  readonly entering: Iterable<GroupMemberInfo>;
  /** Undefined while it is not known. */
  readonly target: Target | undefined;
  /** Whether a member may be at work on what it owns. */
  readonly mayHold: (memberId: string, id: ReplicaSetId) => boolean;
  readonly topicOf: (id: ReplicaSetId) => string | undefined;
}

/** Bounds of one change: it is one entry of the metadata's log. */
const ENTERED_MAX = 1_000;
const ENTERED_CHARACTERS_MAX = 1_000_000;
/** What one member can be told in one message, and read on one stream. */
const PARTITIONS_PER_MEMBER_MAX = 10_000;

/** The next step of a group towards its target; undefined when there is nothing to do. Pure. */
export function planChange(input: PlanInput): GroupChange | undefined {
  const { group, coordinator, target } = input;
  const left = [...input.leaving].filter((memberId) => group?.members.has(memberId) === true);
  const entered = firstOf(input.entering);
  const gone = new Set(left);
  const released = target === undefined ? [] : releasedOf(input, gone);
  const assigned = target === undefined ? [] : assignedOf(input, { target, gone, released: new Set(released), replaced: replacedBy(entered, group) });
  const isTaken = group !== undefined && group.coordinator !== coordinator;
  if (left.length + entered.length + released.length + assigned.length === 0 && !isTaken) return undefined;
  const topics = newTopics(input, assigned);
  return {
    group: input.name,
    version: group?.version ?? 0,
    coordinator,
    strategy: input.strategy,
    nowMs: input.nowMs,
    ...(left.length > 0 && { left }),
    ...(released.length > 0 && { released }),
    ...(entered.length > 0 && { entered }),
    ...(assigned.length > 0 && { assigned }),
    ...(topics.length > 0 && { topics }),
  };
}

function firstOf(entering: Iterable<GroupMemberInfo>): GroupMemberInfo[] {
  const first: GroupMemberInfo[] = [];
  let characters = 0;
  for (const member of entering) {
    characters += 200 + member.pattern.length;
    for (const topic of member.topics) characters += topic.length + 3;
    if (first.length > 0 && (first.length >= ENTERED_MAX || characters > ENTERED_CHARACTERS_MAX)) break;
    first.push(member);
  }
  return first;
}

/** Whose place is taken, by instance id: they get nothing any more. */
function replacedBy(entered: readonly GroupMemberInfo[], group: GroupInfo | undefined): ReadonlySet<string> {
  const heirs = new Map(entered.filter(({ instanceId }) => instanceId !== "").map(({ instanceId, memberId }) => [instanceId, memberId]));
  if (heirs.size === 0) return new Set();
  const members = [...(group?.members.values() ?? [])];
  return new Set(members.filter(({ instanceId, memberId }) => (heirs.get(instanceId) ?? memberId) !== memberId).map(({ memberId }) => memberId));
}

/** What is in the wrong hands and out of them: its owner has given it back, or never had it. */
function releasedOf({ group, target, mayHold }: PlanInput, gone: ReadonlySet<string>): ReplicaSetId[] {
  const released: ReplicaSetId[] = [];
  for (const [id, { memberId }] of group?.owners ?? []) {
    if (target?.get(id) !== memberId && !gone.has(memberId) && !mayHold(memberId, id)) released.push(id);
  }
  return released;
}

interface Giving {
  readonly target: Target;
  readonly gone: ReadonlySet<string>;
  readonly released: ReadonlySet<ReplicaSetId>;
  readonly replaced: ReadonlySet<string>;
}

function assignedOf({ group }: PlanInput, { target, gone, released, replaced }: Giving): [memberId: string, replicaSets: ReplicaSetId[]][] {
  if (group === undefined) return [];
  const assigned = new Map<string, ReplicaSetId[]>();
  const counts = new Map<string, number>();
  for (const { memberId } of group.owners.values()) counts.set(memberId, (counts.get(memberId) ?? 0) + 1);
  for (const [id, memberId] of target) {
    const owner = group.owners.get(id);
    if (owner !== undefined && !released.has(id) && !gone.has(owner.memberId)) continue;
    const count = counts.get(memberId) ?? 0;
    if (!group.members.has(memberId) || gone.has(memberId) || replaced.has(memberId) || count >= PARTITIONS_PER_MEMBER_MAX) continue;
    counts.set(memberId, count + 1);
    const list = assigned.get(memberId);
    if (list === undefined) assigned.set(memberId, [id]);
    else list.push(id);
  }
  return [...assigned];
}

/** What the group is at work on for the first time: remembered, so that its progress is found when it has no members. */
function newTopics({ group, topicOf }: PlanInput, assigned: readonly (readonly [string, readonly ReplicaSetId[]])[]): string[] {
  const known = new Set(group?.topics);
  const topics = new Set<string>();
  for (const [, ids] of assigned) {
    for (const id of ids) {
      const topic = topicOf(id);
      if (topic !== undefined && !known.has(topic)) topics.add(topic);
    }
  }
  return [...topics];
}
