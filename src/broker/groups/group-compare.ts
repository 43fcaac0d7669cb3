import type { GroupInfo, GroupMemberInfo } from "../../cluster/group-info.js";

/** Whether the view is ahead. That it has no group says nothing against one with members, which cannot have been deleted: then the view is behind. */
export function isNewer(seen: GroupInfo | undefined, known: GroupInfo | undefined): boolean {
  if (seen === undefined) return known !== undefined && known.members.size === 0;
  return known === undefined || seen.begunAfter > known.begunAfter || (seen.begunAfter === known.begunAfter && seen.version > known.version);
}

/** The same subscription and terms. */
export const isSameMember = (a: GroupMemberInfo, b: GroupMemberInfo): boolean =>
  a.instanceId === b.instanceId &&
  a.clientId === b.clientId &&
  a.sessionTimeoutMs === b.sessionTimeoutMs &&
  a.pattern === b.pattern &&
  a.topics.length === b.topics.length &&
  a.topics.every((topic, at) => topic === b.topics[at]);
