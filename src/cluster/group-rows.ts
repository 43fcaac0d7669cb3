import { assert } from "../base/assert.js";
import { type NodeId, nodeId, type ReplicaSetId, replicaSetId } from "../base/ids.js";
import type { ConsumerGroups } from "./consumer-groups.js";
import type { AssignmentStrategy, GroupInfo, GroupMemberInfo, GroupOwner, GroupSubscription } from "./group-info.js";

type MemberRow = readonly [memberId: string, instanceId: string, clientId: string, sessionTimeoutMs: number, subscription: number];
interface GroupRow {
  readonly name: string;
  readonly version: number;
  readonly begunAfter: number;
  readonly generation: number;
  readonly coordinator: NodeId;
  readonly strategy: AssignmentStrategy;
  readonly emptySinceMs: number;
  readonly topics: readonly string[];
  /** Each once: members of a group mostly have the same. */
  readonly subscriptions: readonly (readonly [topics: readonly string[], pattern: string])[];
  readonly members: readonly MemberRow[];
  /** replica set, place of its owner in `members`, generation, replica set, … */
  readonly owners: readonly number[];
}

/** Consumer groups in a snapshot of the metadata. */
export type GroupsRows = readonly [nextGeneration: number, groups: readonly GroupRow[]];

export const groupsRows = (groups: ConsumerGroups): GroupsRows => [groups.nextGeneration, [...groups.all().values()].map(rowOf)];

export const groupsOf = (rows: readonly GroupRow[]): GroupInfo[] => rows.map(groupOf);

function rowOf({ members, owners, ...group }: GroupInfo): GroupRow {
  const subscriptions = new Map<string, { readonly place: number; readonly row: readonly [readonly string[], string] }>();
  const places = new Map<string, number>();
  const memberRows = [...members.values()].map(({ memberId, instanceId, clientId, sessionTimeoutMs, topics, pattern }, at): MemberRow => {
    places.set(memberId, at);
    const key = `${pattern}:${topics.join(",")}`;
    let subscription = subscriptions.get(key);
    if (subscription === undefined) {
      subscription = { place: subscriptions.size, row: [topics, pattern] };
      subscriptions.set(key, subscription);
    }
    return [memberId, instanceId, clientId, sessionTimeoutMs, subscription.place];
  });
  const ownerRows: number[] = [];
  for (const [id, { memberId, generation }] of owners) ownerRows.push(id, places.get(memberId) ?? -1, generation);
  return { ...group, subscriptions: [...subscriptions.values()].map(({ row }) => row), members: memberRows, owners: ownerRows };
}

function groupOf({ subscriptions, members: memberRows, owners: ownerRows, ...group }: GroupRow): GroupInfo {
  const shared = subscriptions.map(([topics, pattern]): GroupSubscription => ({ topics, pattern }));
  const list = memberRows.map(([memberId, instanceId, clientId, sessionTimeoutMs, at]): GroupMemberInfo => {
    const subscription = shared[at];
    assert(subscription !== undefined, "a member's subscription is in the table");
    return { memberId, instanceId, clientId, sessionTimeoutMs, ...subscription };
  });
  const owners = new Map<ReplicaSetId, GroupOwner>();
  for (let at = 0; at + 2 < ownerRows.length; at += 3) {
    const member = list[ownerRows[at + 1] as number];
    assert(member !== undefined, "an owner is a member");
    owners.set(replicaSetId(ownerRows[at] as number), { memberId: member.memberId, generation: ownerRows[at + 2] as number });
  }
  return { ...group, coordinator: nodeId(group.coordinator), members: new Map(list.map((member) => [member.memberId, member])), owners };
}
