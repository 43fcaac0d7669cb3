import { QuireError } from "../base/errors.js";
import type { ReplicaSetId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import type { GroupChange, GroupInfo, GroupMemberInfo, GroupOwner } from "./group-info.js";

export interface GroupChangeContext {
  /** What the change gets if it gives anything out: above all that were given out before in the cluster. */
  readonly generation: number;
  /** Whether a partition has this replica set. */
  readonly exists: (id: ReplicaSetId) => boolean;
}

/**
 * What a group is after a change. Pure, so that the broker that asked for the change knows the outcome as soon as it knows the generation.
 * Kept: an owner is a member; a partition has one owner at the most, and gets another only after it was released.
 *
 * @throws QuireError CONFLICT (version, or what is given out is not free or gone), GROUP_NOT_EMPTY, QUOTA_EXCEEDED
 */
export function applyGroupChange(before: GroupInfo | undefined, change: GroupChange, context: GroupChangeContext): GroupInfo {
  const version = before?.version ?? 0;
  if (change.version !== version) throw conflict(change, `is at version ${version} by now, not at ${change.version}`);
  const members = new Map(before?.members);
  const owners = new Map(before?.owners);
  for (const memberId of change.left ?? []) members.delete(memberId);
  if ((change.left ?? []).length > 0) releaseOf(owners, (owner) => !members.has(owner.memberId));
  for (const id of change.released ?? []) owners.delete(id);
  const inherited = enter(members, owners, change.entered ?? [], context.generation);
  if (members.size > limits.membersPerGroup) throw tooManyMembers(change.group, members.size);
  const assigned = give(members, owners, change, context);
  if (change.newGeneration === true && members.size > 0) throw groupNotEmpty(change.group, members.size);
  const isNewGeneration = assigned || inherited || change.newGeneration === true;
  return {
    name: change.group,
    version: version + 1,
    begunAfter: before?.begunAfter ?? context.generation - 1,
    generation: isNewGeneration ? context.generation : (before?.generation ?? 0),
    coordinator: change.coordinator,
    strategy: change.strategy,
    members,
    owners,
    topics: topicsOf(before, change),
    emptySinceMs: emptySince(before, members.size, change),
  };
}

/** Who comes with the instance id of another takes its place. Whether anything changed hands so. */
function enter(members: Map<string, GroupMemberInfo>, owners: Map<ReplicaSetId, GroupOwner>, entered: readonly GroupMemberInfo[], generation: number): boolean {
  const byInstance = new Map<string, string>();
  for (const { instanceId, memberId } of members.values()) if (instanceId !== "") byInstance.set(instanceId, memberId);
  const heirs = new Map<string, string>();
  for (const member of entered) {
    const former = member.instanceId === "" ? undefined : byInstance.get(member.instanceId);
    if (former !== undefined && former !== member.memberId) {
      members.delete(former);
      heirs.set(former, member.memberId);
    }
    if (member.instanceId !== "") byInstance.set(member.instanceId, member.memberId);
    members.set(member.memberId, member);
  }
  if (heirs.size === 0) return false;
  let inherited = false;
  for (const [id, owner] of owners) {
    let heir = heirs.get(owner.memberId);
    if (heir === undefined || members.has(owner.memberId)) continue;
    // Several of one instance may come in one change: the last of them stays.
    for (let next = heirs.get(heir); next !== undefined && !members.has(heir); next = heirs.get(heir)) heir = next;
    owners.set(id, { memberId: heir, generation });
    inherited = true;
  }
  return inherited;
}

function give(
  members: ReadonlyMap<string, GroupMemberInfo>,
  owners: Map<ReplicaSetId, GroupOwner>,
  change: GroupChange,
  { generation, exists }: GroupChangeContext,
): boolean {
  let given = false;
  for (const [memberId, replicaSets] of change.assigned ?? []) {
    if (!members.has(memberId)) throw conflict(change, `has no member ${memberId}`);
    for (const id of replicaSets) {
      const owner = owners.get(id);
      if (owner !== undefined) throw conflict(change, `has replica set ${id} in the hands of ${owner.memberId}`);
      if (!exists(id)) throw conflict(change, `cannot have replica set ${id}, which is not there (any more)`);
      owners.set(id, { memberId, generation });
      given = true;
    }
  }
  return given;
}

function releaseOf(owners: Map<ReplicaSetId, GroupOwner>, isReleased: (owner: GroupOwner) => boolean): void {
  for (const [id, owner] of owners) if (isReleased(owner)) owners.delete(id);
}

function topicsOf(before: GroupInfo | undefined, { topics = [] }: GroupChange): readonly string[] {
  if (topics.length === 0) return before?.topics ?? [];
  return [...new Set([...(before?.topics ?? []), ...topics])].slice(-limits.topicsPerSubscription);
}

function emptySince(before: GroupInfo | undefined, members: number, { nowMs, newGeneration }: GroupChange): number {
  if (members > 0) return 0;
  const wasEmpty = before !== undefined && before.members.size === 0;
  // Moving its offsets is a use of a group.
  return wasEmpty && newGeneration !== true ? before.emptySinceMs : nowMs;
}

const conflict = ({ group, version }: GroupChange, why: string): QuireError =>
  new QuireError("CONFLICT", `group ${group} ${why}; look at it and try again`, { details: { group, version }, retryAfterMs: 50 });

export const groupNotEmpty = (group: string, members: number): QuireError =>
  new QuireError("GROUP_NOT_EMPTY", `group ${group} has ${members} members; stop them first, or wait until their sessions have ended`, {
    details: { group, members },
  });

export const groupNotFound = (group: string): QuireError =>
  new QuireError("GROUP_NOT_FOUND", `there is no group ${JSON.stringify(group)}; check its spelling: groups begin with their first member`, {
    details: { group },
  });

const tooManyMembers = (group: string, members: number): QuireError =>
  new QuireError("QUOTA_EXCEEDED", `group ${group} would have ${members} members; the limit is ${limits.membersPerGroup}: use fewer consumers`, {
    details: { group, members, limit: limits.membersPerGroup },
  });
