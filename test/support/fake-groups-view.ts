import { nodeId, type ReplicaSetId } from "../../src/base/ids.js";
import { applyGroupChange } from "../../src/cluster/group-change.js";
import type { GroupChange, GroupInfo, GroupMemberInfo, GroupOwner, GroupsAdmin, GroupsView } from "../../src/cluster/group-info.js";

const memberOf = (memberId: string): GroupMemberInfo => ({
  memberId,
  instanceId: "",
  clientId: "",
  sessionTimeoutMs: 10_000,
  topics: ["orders"],
  pattern: "",
});

/** The metadata's consumer groups, as a test sets them. Changes are told at once. */
export class FakeGroupsView implements GroupsView, GroupsAdmin {
  newestGeneration = 0;
  readonly watchers = new Set<(names: readonly string[]) => void>();
  readonly #groups = new Map<string, GroupInfo>();

  /** Gives a partition to a member, in the next generation; without a member, takes it from whoever has it. The group is begun if need be. */
  own(name: string, replicaSetId: ReplicaSetId, memberId?: string): number {
    const before = this.#groups.get(name);
    const begunAfter = before?.begunAfter ?? this.newestGeneration;
    const owners = new Map<ReplicaSetId, GroupOwner>(before?.owners);
    if (memberId === undefined) owners.delete(replicaSetId);
    else {
      this.newestGeneration += 1;
      owners.set(replicaSetId, { memberId, generation: this.newestGeneration });
    }
    const ids = new Set([...owners.values()].map((owner) => owner.memberId));
    this.#set({ ...groupOf(name, begunAfter), owners, generation: this.newestGeneration, members: new Map([...ids].map((id) => [id, memberOf(id)])) });
    return this.newestGeneration;
  }

  /** Nobody is left; a reset has this generation. */
  empty(name: string): number {
    this.newestGeneration += 1;
    this.#set({ ...groupOf(name, this.#groups.get(name)?.begunAfter ?? this.newestGeneration - 1), generation: this.newestGeneration, emptySinceMs: 1 });
    return this.newestGeneration;
  }

  async changeGroup(change: GroupChange): Promise<GroupInfo> {
    const generation = this.newestGeneration + 1;
    const group = applyGroupChange(this.#groups.get(change.group), change, { generation, exists: () => true });
    if (group.generation === generation) this.newestGeneration = generation;
    this.#groups.set(group.name, group);
    this.#tell(group.name);
    return group;
  }

  async deleteGroup(name: string): Promise<void> {
    this.delete(name);
  }

  delete(name: string): void {
    this.#groups.delete(name);
    this.#tell(name);
  }

  group(name: string): GroupInfo | undefined {
    return this.#groups.get(name);
  }

  groups(): readonly GroupInfo[] {
    return [...this.#groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  watchGroups(changed: (names: readonly string[]) => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  #set(group: GroupInfo): void {
    this.#groups.set(group.name, { ...group, version: (this.#groups.get(group.name)?.version ?? 0) + 1 });
    this.#tell(group.name);
  }

  #tell(name: string): void {
    for (const changed of [...this.watchers]) changed([name]);
  }
}

const groupOf = (name: string, begunAfter: number): GroupInfo => ({
  name,
  begunAfter,
  version: 1,
  generation: 0,
  coordinator: nodeId(1),
  strategy: "uniform",
  members: new Map(),
  owners: new Map(),
  topics: [],
  emptySinceMs: 0,
});
