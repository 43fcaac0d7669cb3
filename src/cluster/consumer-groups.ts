import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { ReplicaSetId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import { applyGroupChange, groupNotEmpty, groupNotFound } from "./group-change.js";
import type { GroupChange, GroupInfo, GroupMemberInfo } from "./group-info.js";

/** What a group, and a partition in somebody's hands, take in a snapshot, roughly. */
const GROUP_BYTES = 400;
const OWNER_BYTES = 24;
const MEMBER_BYTES = 32;
const memberBytes = new WeakMap<GroupMemberInfo, number>();

/** What the cluster metadata says about consumer groups: who is a member, who owns what. Part of its state machine. */
export class ConsumerGroups {
  #nextGeneration: number;
  readonly #groups = new Map<string, GroupInfo>();
  readonly #groupBytes = new Map<string, number>();
  /** Which groups own a replica set, so that a topic can go without a look at every group. */
  readonly #groupsAt = new Map<ReplicaSetId, Set<string>>();
  #bytes = 0;

  constructor(nextGeneration = 1, groups: Iterable<GroupInfo> = []) {
    this.#nextGeneration = nextGeneration;
    for (const group of groups) this.#set(group);
  }

  /** Generations below this were given out, each once in the cluster. */
  get nextGeneration(): number {
    return this.#nextGeneration;
  }

  get(name: string): GroupInfo | undefined {
    return this.#groups.get(name);
  }

  all(): ReadonlyMap<string, GroupInfo> {
    return this.#groups;
  }

  /** `exists`: whether a partition has this replica set. @throws QuireError as `applyGroupChange`; nothing is changed then */
  change(change: GroupChange, exists: (id: ReplicaSetId) => boolean): GroupInfo {
    const before = this.#groups.get(change.group);
    if (before === undefined && this.#groups.size >= limits.groups) {
      throw new QuireError(
        "QUOTA_EXCEEDED",
        `the cluster has ${this.#groups.size} consumer groups; the limit is ${limits.groups}: delete those that are not needed`,
        {
          details: { limit: limits.groups },
        },
      );
    }
    const generation = this.#nextGeneration;
    const after = applyGroupChange(before, change, { generation, exists });
    this.#checkBytes(change.group, bytesOf(after));
    if (after.generation === generation) this.#nextGeneration += 1;
    assert(Number.isSafeInteger(this.#nextGeneration), "generations are not used up");
    this.#set(after);
    return after;
  }

  /** Only as it was at `version`, if one is given. @throws QuireError GROUP_NOT_FOUND, GROUP_NOT_EMPTY, CONFLICT */
  delete(name: string, version?: number): void {
    const group = this.#groups.get(name);
    if (group === undefined) throw groupNotFound(name);
    if (group.members.size > 0) throw groupNotEmpty(name, group.members.size);
    if (version !== undefined && group.version !== version) {
      throw new QuireError("CONFLICT", `group ${name} was changed at the same time; look at it and try again`, { details: { group: name, version } });
    }
    this.#unset(group);
    // What is begun anew under the name is begun after it, whether it got a generation or not: versions begin again, and are compared.
    this.#nextGeneration += 1;
  }

  /** Partitions that are gone are nobody's. The groups that had them. */
  forget(ids: readonly ReplicaSetId[]): string[] {
    const lost = new Map<string, ReplicaSetId[]>();
    for (const id of ids) {
      for (const name of this.#groupsAt.get(id) ?? []) {
        const list = lost.get(name);
        if (list === undefined) lost.set(name, [id]);
        else list.push(id);
      }
    }
    for (const [name, gone] of lost) {
      const group = this.#groups.get(name);
      if (group === undefined) continue;
      const owners = new Map(group.owners);
      for (const id of gone) owners.delete(id);
      this.#set({ ...group, owners, version: group.version + 1 });
    }
    return [...lost.keys()];
  }

  #checkBytes(name: string, bytes: number): void {
    const total = this.#bytes - (this.#groupBytes.get(name) ?? 0) + bytes;
    if (total <= limits.groupsBytes || bytes <= (this.#groupBytes.get(name) ?? 0)) return;
    throw new QuireError(
      "QUOTA_EXCEEDED",
      `the consumer groups of the cluster would take ${total} bytes of its metadata; the limit is ${limits.groupsBytes}: use fewer members, patterns instead of many names, or delete groups that are not needed`,
      { details: { bytes: total, limit: limits.groupsBytes }, retryAfterMs: 1_000 },
    );
  }

  #set(group: GroupInfo): void {
    const before = this.#groups.get(group.name);
    if (before !== undefined) for (const id of before.owners.keys()) if (!group.owners.has(id)) this.#leave(id, group.name);
    for (const id of group.owners.keys()) {
      if (before?.owners.has(id) === true) continue;
      const names = this.#groupsAt.get(id);
      if (names === undefined) this.#groupsAt.set(id, new Set([group.name]));
      else names.add(group.name);
    }
    const bytes = bytesOf(group);
    this.#bytes += bytes - (this.#groupBytes.get(group.name) ?? 0);
    this.#groupBytes.set(group.name, bytes);
    this.#groups.set(group.name, group);
  }

  #unset(group: GroupInfo): void {
    for (const id of group.owners.keys()) this.#leave(id, group.name);
    this.#bytes -= this.#groupBytes.get(group.name) ?? 0;
    this.#groupBytes.delete(group.name);
    this.#groups.delete(group.name);
  }

  #leave(id: ReplicaSetId, name: string): void {
    const names = this.#groupsAt.get(id);
    names?.delete(name);
    if (names?.size === 0) this.#groupsAt.delete(id);
  }
}

function bytesOf({ members, owners, topics }: GroupInfo): number {
  let bytes = GROUP_BYTES + owners.size * OWNER_BYTES;
  for (const topic of topics) bytes += topic.length + 3;
  for (const member of members.values()) bytes += bytesOfMember(member);
  return bytes;
}

/** Of a member as it stands in a command. */
function bytesOfMember(member: GroupMemberInfo): number {
  let bytes = memberBytes.get(member);
  if (bytes !== undefined) return bytes;
  bytes = MEMBER_BYTES + member.memberId.length + member.instanceId.length + member.clientId.length + member.pattern.length;
  for (const topic of member.topics) bytes += topic.length + 3;
  memberBytes.set(member, bytes);
  return bytes;
}
