import type { GroupInfo, GroupMemberInfo } from "../../cluster/group-info.js";
import type { ClusterView } from "../../cluster/view.js";

/**
 * Whether the view is ahead. One without the group is either behind its beginning or past its end: whoever deletes a group takes a generation (`ConsumerGroups`),
 * so the newest one that the view knows tells them apart.
 */
export function isNewer(seen: GroupInfo | undefined, known: GroupInfo | undefined, newestGeneration: number): boolean {
  if (known === undefined) return seen !== undefined;
  if (seen === undefined) return newestGeneration > known.begunAfter;
  return seen.begunAfter > known.begunAfter || (seen.begunAfter === known.begunAfter && seen.version > known.version);
}

/**
 * Until this broker has taken over, the group is another one's: if that one lives it is the one to ask. Whoever took it since may live although this broker does
 * not see it: two that take a group from each other would do so for ever.
 */
export const isOthers = ({ coordinator }: GroupInfo, before: GroupInfo | undefined, view: Pick<ClusterView, "self" | "isAlive">): boolean =>
  coordinator !== view.self && (view.isAlive(coordinator) || (before !== undefined && before.coordinator !== coordinator));

/** The same subscription and terms. */
export const isSameMember = (a: GroupMemberInfo, b: GroupMemberInfo): boolean =>
  a.instanceId === b.instanceId &&
  a.clientId === b.clientId &&
  a.sessionTimeoutMs === b.sessionTimeoutMs &&
  a.pattern === b.pattern &&
  a.topics.length === b.topics.length &&
  a.topics.every((topic, at) => topic === b.topics[at]);

/** Who has the instance id of one that is no member. */
export function successorOf(group: GroupInfo | undefined, member: GroupMemberInfo | undefined): string | undefined {
  if (group === undefined || member === undefined || member.instanceId === "" || group.members.has(member.memberId)) return undefined;
  for (const { memberId, instanceId } of group.members.values()) if (instanceId === member.instanceId) return memberId;
  return undefined;
}
