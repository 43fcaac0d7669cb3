/** What the cluster metadata keeps of a consumer group: enough that another broker can coordinate it at once, and nothing that changes while all is quiet. */
import type { NodeId, ReplicaSetId } from "../base/ids.js";

export type AssignmentStrategy = "range" | "uniform" | "sticky";

/** What a member wants to read; one of the two is empty. */
export interface GroupSubscription {
  /** Names of topics. */
  readonly topics: readonly string[];
  /** `*` stands for any characters. */
  readonly pattern: string;
}

export interface GroupMemberInfo extends GroupSubscription {
  /** The client's own, unique in the group. */
  readonly memberId: string;
  /** Empty: none. */
  readonly instanceId: string;
  readonly clientId: string;
  readonly sessionTimeoutMs: number;
}

/** A partition in a member's hands. */
export interface GroupOwner {
  readonly memberId: string;
  /** Of the assignment: above every generation that any group of the cluster had before. */
  readonly generation: number;
}

export interface GroupInfo {
  readonly name: string;
  /** Raised by every change, 1 at first. */
  readonly version: number;
  /** The newest generation of the cluster when the group was begun: what carries this one or an older is of a former group of the same name. */
  readonly begunAfter: number;
  /** The newest generation that the group got: 0 before any. */
  readonly generation: number;
  /** The broker that coordinates it, or did last. */
  readonly coordinator: NodeId;
  readonly strategy: AssignmentStrategy;
  readonly members: ReadonlyMap<string, GroupMemberInfo>;
  /** By replica set, since names of topics come again. Whoever stands here may be at work on it: nobody else gets it before it is released. */
  readonly owners: ReadonlyMap<ReplicaSetId, GroupOwner>;
  /** Names of topics that members of it own or owned partitions of, or whose offsets were set: where its progress is. The newest `limits.topicsPerSubscription`. */
  readonly topics: readonly string[];
  /** Since when it has had no members, milliseconds since 1970 by the clock of the broker that saw it; 0 while it has some. */
  readonly emptySinceMs: number;
}

/**
 * One step of a group, applied as a whole or not at all: first who leaves, then what is released, who enters, who gets what. Since `version`
 * must be that of the group, two brokers that both believe to be its coordinator cannot both be heard.
 */
export interface GroupChange {
  readonly group: string;
  /** Of the group that was looked at; 0 when there was none, which begins it. */
  readonly version: number;
  readonly coordinator: NodeId;
  readonly strategy: AssignmentStrategy;
  /** Wall clock of the coordinator. */
  readonly nowMs: number;
  /** Member ids; what they own is released. */
  readonly left?: readonly string[];
  readonly released?: readonly ReplicaSetId[];
  /** New members, or known ones with another subscription. One with the instance id of another member takes its place: that one leaves, and all that it owned is the new one's, in a new generation. */
  readonly entered?: readonly GroupMemberInfo[];
  /** Partitions that nobody owns, and their new owners. All that one change gives out has the same new generation. */
  readonly assigned?: readonly (readonly [memberId: string, replicaSets: readonly ReplicaSetId[]])[];
  /** Added to the group's. */
  readonly topics?: readonly string[];
  /** Take a new generation although nothing is assigned: for a reset of offsets, while there are no members. */
  readonly newGeneration?: boolean;
}

/** A broker's view of the groups: part of its view of the cluster. */
export interface GroupsView {
  /** The newest generation that any group ever got, as applied here: what carries a newer one is not known here yet, and a group that is not here with one at or below it is gone for good. */
  readonly newestGeneration: number;
  /** As the metadata applied here has it. */
  group(name: string): GroupInfo | undefined;
  /** Sorted by name. */
  groups(): readonly GroupInfo[];
  /** Calls back after each change of groups, synchronously, with their names (all of them after a snapshot); the returned function stops it. */
  watchGroups(changed: (names: readonly string[]) => void): () => void;
}

/** The controller's verbs for groups; any broker may be asked, and forwards. */
export interface GroupsAdmin {
  /** `before`: the group that was looked at, of `change.version`. @throws QuireError CONFLICT when it is at another version by now, QUOTA_EXCEEDED */
  changeGroup(change: GroupChange, before: GroupInfo | undefined): Promise<GroupInfo>;
  /** Only as it was at `version`, if one is given. @throws QuireError GROUP_NOT_FOUND, GROUP_NOT_EMPTY, CONFLICT */
  deleteGroup(name: string, version?: number): Promise<void>;
}
