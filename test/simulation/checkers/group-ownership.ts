import type { ReplicaSetId } from "../../../src/base/ids.js";
import type { Command } from "../../../src/cluster/commands.js";
import type { GroupInfo } from "../../../src/cluster/group-info.js";
import type { ProgressProblem } from "./applied-progress.js";

type Groups = ReadonlyMap<string, GroupInfo>;

/** Whether a member that lives works on a partition in a generation, as it said last. */
export type Holds = (group: string, memberId: string, id: ReplicaSetId, generation: number) => boolean;

interface Step {
  readonly index: number;
  readonly after: GroupInfo | undefined;
}

interface Named {
  readonly steps: Step[];
  /** Who ever owned a partition in a generation. */
  readonly owners: Map<string, string>;
  /** The highest generation in which a partition was ever owned. */
  readonly newest: Map<ReplicaSetId, number>;
  /** Members that the group had when it got a generation. */
  readonly membersAt: Map<number, number>;
}

/**
 * Who owns what in each consumer group, as the cluster metadata says it at every log index. Told by all brokers' replicas of the metadata; the first one that
 * applies an entry tells something new, and all others must find the same.
 */
export class GroupOwnership {
  readonly #named = new Map<string, Named>();
  readonly #holds: Holds;
  #index = 0;
  #newestGeneration = 0;

  constructor(holds: Holds) {
    this.#holds = holds;
  }

  get(group: string): GroupInfo | undefined {
    return this.#named.get(group)?.steps.at(-1)?.after;
  }

  ownerOf(group: string, id: ReplicaSetId, generation: number): string | undefined {
    return this.#named.get(group)?.owners.get(`${id}/${generation}`);
  }

  /** How many members a group had when it got a generation; undefined when it never got it. */
  membersAt(group: string, generation: number): number | undefined {
    return this.#named.get(group)?.membersAt.get(generation);
  }

  /** A partition forgets what it knows of a group, of this generation at the most. */
  problemOfForgotten(group: string, generation: number): ProgressProblem | undefined {
    const known = this.get(group);
    if (known === undefined || known.begunAfter >= generation) return undefined;
    return broken(
      "only progress of groups that are gone is forgotten",
      `kept in generation ${generation}`,
      `forgotten, with ${known.members.size} members`,
      group,
    );
  }

  /** A replica of the metadata has applied an entry. `exists`: whether a partition has a replica set now. */
  applied(index: number, groups: Groups, exists: (id: ReplicaSetId) => boolean, command?: Command): ProgressProblem | undefined {
    if (index <= this.#index) return this.#compare(index, groups, command?.kind === "change-group" ? [command.change.group] : []);
    this.#index = index;
    for (const [name, group] of groups) {
      const before = this.get(name);
      if (before?.version === group.version && before.begunAfter === group.begunAfter) continue;
      const problem = this.#changed(index, before, group, exists, command);
      if (problem !== undefined) return problem;
    }
    for (const [name, { steps }] of this.#named) if (!groups.has(name) && steps.at(-1)?.after !== undefined) steps.push({ index, after: undefined });
    return undefined;
  }

  /** A replica of the metadata goes on from a snapshot of everything through `index`. */
  restored(index: number, groups: Groups): ProgressProblem | undefined {
    return this.#compare(index, groups, this.#named.keys()) ?? this.#strange(index, groups);
  }

  #changed(
    index: number,
    before: GroupInfo | undefined,
    after: GroupInfo,
    exists: (id: ReplicaSetId) => boolean,
    command: Command | undefined,
  ): ProgressProblem | undefined {
    const { name, generation } = after;
    const named = this.#of(name);
    named.steps.push({ index, after });
    const asked = command?.kind === "change-group" && command.change.group === name ? command.change.version : before?.version;
    if (asked !== (before?.version ?? 0))
      return broken("a group is changed only as it was looked at", `version ${before?.version ?? 0}`, `a change of version ${asked}`, name);
    const formerNewest = this.#newestGeneration;
    if (generation !== (before?.generation ?? 0)) {
      named.membersAt.set(generation, after.members.size);
      this.#newestGeneration = Math.max(formerNewest, generation);
      if (generation <= formerNewest) return broken("a generation is given out once", `above ${formerNewest}`, `generation ${generation}`, name);
      const isOwned = [...after.owners.values()].some((owner) => owner.generation === generation);
      if (!isOwned && after.members.size > 0)
        return broken("offsets are moved only while a group has no members", "no members", `${after.members.size} of them`, name);
    }
    const left = new Set(command?.kind === "change-group" ? command.change.left : []);
    return (
      this.#handed(before, after, named) ?? this.#released(before, after, (id, memberId) => exists(id) && after.members.has(memberId) && !left.has(memberId))
    );
  }

  #handed(before: GroupInfo | undefined, after: GroupInfo, named: Named): ProgressProblem | undefined {
    for (const [id, { memberId, generation }] of after.owners) {
      const known = before?.owners.get(id);
      if (!after.members.has(memberId)) return broken("an owner is a member", `a member at replica set ${id}`, memberId, after.name);
      if (known?.memberId === memberId && known.generation === generation) continue;
      const key = `${id}/${generation}`;
      const other = named.owners.get(key);
      const newest = named.newest.get(id) ?? 0;
      if (other !== undefined && other !== memberId)
        return broken(ONE_OWNER, `${other} at replica set ${id} in generation ${generation}`, memberId, after.name);
      if (generation <= newest)
        return broken("a new owner has a new generation", `above ${newest} at replica set ${id}`, `${generation} of ${memberId}`, after.name);
      named.owners.set(key, memberId);
      named.newest.set(id, generation);
    }
    return undefined;
  }

  /** Of a member that stays, only what it has given back is taken. One that was thrown out may come back in the same change. */
  #released(before: GroupInfo | undefined, after: GroupInfo, stays: (id: ReplicaSetId, memberId: string) => boolean): ProgressProblem | undefined {
    for (const [id, { memberId, generation }] of before?.owners ?? []) {
      const next = after.owners.get(id);
      if ((next?.memberId === memberId && next.generation === generation) || !stays(id, memberId)) continue;
      if (!this.#holds(after.name, memberId, id, generation)) continue;
      const seen = next === undefined ? "taken from it" : `given to ${next.memberId} in generation ${next.generation}`;
      return broken("a partition is released when its owner has given it back", `${memberId} keeps replica set ${id}, on which it works`, seen, after.name);
    }
    return undefined;
  }

  #compare(index: number, groups: Groups, names: Iterable<string>): ProgressProblem | undefined {
    for (const name of names) {
      const expected = this.#named.get(name)?.steps.findLast((step) => step.index <= index)?.after;
      const [a, b] = [show(expected), show(groups.get(name))];
      if (a !== b) return broken(SAME, a, b, name);
    }
    return undefined;
  }

  #strange(index: number, groups: Groups): ProgressProblem | undefined {
    for (const name of groups.keys()) if (!this.#named.has(name)) return broken(SAME, "no such group", `one at ${index}`, name);
    return undefined;
  }

  #of(name: string): Named {
    let named = this.#named.get(name);
    if (named === undefined) {
      named = { steps: [], owners: new Map(), newest: new Map(), membersAt: new Map() };
      this.#named.set(name, named);
    }
    return named;
  }
}

export const ONE_OWNER = "at most one owner per partition and generation";
const SAME = "all brokers know the same of groups, after snapshots and restarts too";

const broken = (invariant: string, expected: string, seen: string, group: string): ProgressProblem => ({
  invariant,
  expected: `group ${group}: ${expected}`,
  seen,
});

function show(group: GroupInfo | undefined): string {
  if (group === undefined) return "no group";
  const owners = [...group.owners].sort(([a], [b]) => a - b).map(([id, { memberId, generation }]) => `${id}: ${memberId}/${generation}`);
  const { version, generation, coordinator, strategy, begunAfter } = group;
  return `version ${version}, generation ${generation}, begun after ${begunAfter}, coordinator ${coordinator}, ${strategy}, members ${[...group.members.keys()].sort().join(" ")}, owners ${owners.join(", ")}`;
}
