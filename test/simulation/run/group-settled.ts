import type { ReplicaSetId } from "../../../src/base/ids.js";
import type { GroupPlan } from "./group-plan.js";
import type { GroupsWatch } from "./groups-watch.js";

/** Why a group has not come to rest: each partition it wants is worked off, in the hands of one member that lives and knows it. */
export function whyGroupUnsettled({ name, subscription, members }: GroupPlan, watch: GroupsWatch): string | undefined {
  const { beliefs, ownership } = watch;
  const group = ownership.get(name);
  const alive = beliefs.membersOf(name).sort();
  if (group === undefined) return "there is no such group";
  if (alive.length !== members.length) return `${alive.length} of ${members.length} members have come`;
  if (alive.join() !== [...group.members.keys()].sort().join()) return `its members are ${[...group.members.keys()].join(", ")}; alive are ${alive.join(", ")}`;
  const wanted = watch.partitions().filter(([partition]) => isWanted(subscription, topicOf(partition)));
  for (const [partition, id] of wanted) {
    const owner = group.owners.get(id);
    if (owner === undefined) return `nobody owns ${partition}`;
    const holders = alive.filter((memberId) => beliefs.generationOf(memberId, partition) !== undefined);
    if (holders.join() !== owner.memberId) return `${owner.memberId} owns ${partition}; it is held by ${holders.join(", ") || "nobody"}`;
    if (beliefs.generationOf(owner.memberId, partition) !== owner.generation)
      return `${owner.memberId} holds ${partition} in another generation than ${owner.generation}`;
    const why = whyBehind(name, partition, id, watch);
    if (why !== undefined) return why;
  }
  return group.owners.size === wanted.length ? undefined : `it owns ${group.owners.size} partitions, and wants ${wanted.length}`;
}

function whyBehind(group: string, partition: string, id: ReplicaSetId, watch: GroupsWatch): string | undefined {
  const progress = watch.progressOf(id);
  const next = Math.max(progress.newest(group)?.offset ?? 0, watch.trimmedBefore(id));
  return next >= progress.nextOffset ? undefined : `${partition} is processed to ${next} of ${progress.nextOffset}`;
}

const topicOf = (partition: string): string => partition.slice(0, partition.lastIndexOf("/"));

/** The patterns of the plans have their star at the end. */
const isWanted = (subscription: GroupPlan["subscription"], topic: string): boolean =>
  "topics" in subscription ? subscription.topics.includes(topic) : topic.startsWith(subscription.pattern.slice(0, -1));
