import type { ReplicaSetId } from "../../base/ids.js";
import type { GroupMemberInfo, GroupSubscription } from "../../cluster/group-info.js";
import type { TopicInfo } from "../../cluster/view.js";
import type { AssignmentInput, MemberClass, Sliced } from "./assignment.js";

const CHARACTERS_PER_SLICE = 200_000;

/** Who wants which topics, as `assign` takes it. Names that no topic has (yet) count for nothing. */
export function* assignmentInput(
  members: Iterable<GroupMemberInfo>,
  topics: readonly TopicInfo[],
  owner: (id: ReplicaSetId) => string | undefined,
): Sliced<AssignmentInput> {
  const places = new Map(topics.map(({ name }, at) => [name, at]));
  const classes = new Map<string, { subscription: GroupSubscription; members: [order: string, memberId: string][] }>();
  const order = new Map<string, string>();
  let characters = 0;
  for (const { memberId, instanceId, topics: names, pattern } of members) {
    const key = `${pattern} ${names.join(" ")}`;
    characters += key.length + 50;
    let found = classes.get(key);
    if (found === undefined) {
      found = { subscription: { topics: names, pattern }, members: [] };
      classes.set(key, found);
    }
    // A static member that comes again under another id is in the same place.
    const rank = instanceId === "" ? `m ${memberId}` : `i ${instanceId}`;
    order.set(memberId, rank);
    found.members.push([rank, memberId]);
    if (characters > CHARACTERS_PER_SLICE) {
      characters = 0;
      yield;
    }
  }
  const list: MemberClass[] = [];
  for (const { subscription, members: ranked } of classes.values()) {
    ranked.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    list.push({ members: ranked.map(([, memberId]) => memberId), topics: wantedPlaces(subscription, topics, places) });
    yield;
  }
  return {
    classes: list,
    topics: topics.map(({ assignments }) => assignments.map(({ replicaSetId }) => replicaSetId)),
    order: (memberId) => order.get(memberId) ?? "",
    owner,
  };
}

function wantedPlaces({ topics: names, pattern }: GroupSubscription, topics: readonly TopicInfo[], places: ReadonlyMap<string, number>): number[] {
  if (pattern === "") return names.flatMap((name) => places.get(name) ?? []);
  const matches = matcher(pattern);
  return topics.flatMap(({ name }, at) => (matches(name) ? [at] : []));
}

export const wants = (subscription: GroupSubscription, topic: string): boolean =>
  subscription.pattern === "" ? subscription.topics.includes(topic) : matcher(subscription.pattern)(topic);

/**
 * Whether a name matches a pattern in which `*` stands for any characters. Greedy from piece to piece, so that no pattern takes more than a walk through
 * the name for each piece (a regular expression of many stars may take for ever).
 */
export function matcher(pattern: string): (name: string) => boolean {
  const pieces = pattern.split("*");
  const first = pieces.shift() ?? "";
  const last = pieces.pop();
  if (last === undefined) return (name) => name === first;
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    const end = name.length - last.length;
    let at = first.length;
    for (const piece of pieces) {
      const found = name.indexOf(piece, at);
      if (found < 0 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}
