/** What a member says of itself, checked: who it is and what it wants to read. */
import { QuireError } from "../base/errors.js";
import type { ReplicaSetId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import { topicNotFound } from "../base/refusals.js";
import type { Entry } from "../broker/groups/coordinator.js";
import type { AssignmentStrategy, GroupSubscription, GroupsView } from "../cluster/group-info.js";
import type { ClusterView } from "../cluster/view.js";
import { AssignmentStrategyCode, type JoinEnter, type OwnedPartitionMessage } from "../wire/group-messages.js";
import { checkReady } from "./edge.js";
import { count, groupName, integer, integerOr, memberIdField, partitionNumber, refuseField, topicName } from "./validate.js";

const CLIENT_ID_LENGTH_MAX = 249;
const PATTERN = /^[a-z0-9._*-]+$/;

/** @throws QuireError INVALID_FIELD, INVALID_NAME, NOT_READY (also for generations that this broker has not heard of), TOPIC_NOT_FOUND */
export function parseEnter(view: ClusterView, groups: GroupsView, enter: JoinEnter): Entry {
  const group = groupName(enter.group, "enter.group");
  const memberId = memberIdField(enter.memberId, "enter.member_id");
  const instanceId = enter.instanceId === "" ? "" : memberIdField(enter.instanceId, "enter.instance_id");
  const { clientId } = enter;
  if (clientId.length > CLIENT_ID_LENGTH_MAX) refuseField("enter.client_id", `has ${clientId.length} characters`, `the limit is ${CLIENT_ID_LENGTH_MAX}`);
  const { groupSessionTimeoutMsMin: min, groupSessionTimeoutMsMax: max, groupSessionTimeoutMs } = limits;
  const sessionTimeoutMs = integerOr(enter.sessionTimeoutMs, "enter.session_timeout_ms", min, max, groupSessionTimeoutMs);
  const strategy = strategyField(enter.strategy);
  const subscription = parseSubscription(enter);
  checkReady(view);
  const holding = [...holdingOf(view, enter.holding, "enter.holding")];
  checkHeardOf(view, groups, enter.holding);
  checkTopics(view, subscription.topics, groups.group(group)?.members.get(memberId)?.topics ?? []);
  const member = { memberId, instanceId, clientId, sessionTimeoutMs, ...subscription };
  return { group, member, strategy, holding };
}

/** Replica sets of what a member names; what is not there (any more) is left out. @throws QuireError INVALID_FIELD, INVALID_NAME */
export function holdingOf(view: ClusterView, partitions: readonly OwnedPartitionMessage[], field: string): Set<ReplicaSetId> {
  const holding = new Set<ReplicaSetId>();
  for (const [i, { topic, partition, generation }] of partitions.entries()) {
    topicName(topic, `${field}[${i}].topic`);
    partitionNumber(partition, `${field}[${i}].partition`);
    integer(generation, `${field}[${i}].generation`, 0, Number.MAX_SAFE_INTEGER);
    const id = view.partition({ topic, partition })?.replicaSetId;
    if (id !== undefined) holding.add(id);
  }
  return holding;
}

/** Sorted, so that equal subscriptions are the same. */
function parseSubscription({ topics, pattern }: JoinEnter): GroupSubscription {
  if (topics.length > 0 && pattern !== "") refuseField("enter.pattern", "stands next to topics", "subscribe by names or by a pattern, not by both");
  if (pattern !== "") {
    if (pattern.length > limits.topicNameLength) refuseField("enter.pattern", `has ${pattern.length} characters`, `the limit is ${limits.topicNameLength}`);
    if (!PATTERN.test(pattern)) refuseField("enter.pattern", `is ${JSON.stringify(pattern)}`, "use a-z 0-9 . _ - and * for any characters");
    return { topics: [], pattern };
  }
  if (topics.length === 0) refuseField("enter.topics", "is empty, and so is the pattern", "say what to read");
  count(topics, "enter.topics", 1, limits.topicsPerSubscription);
  const names = topics.map((name, i) => topicName(name, `enter.topics[${i}]`)).sort();
  const twice = names.find((name, i) => name === names[i + 1]);
  if (twice !== undefined) refuseField("enter.topics", `names ${twice} twice`, "name each topic once");
  return { topics: names, pattern: "" };
}

/** A topic that is not here although the member works on it would be taken for one that it has given back. */
function checkHeardOf({ self }: ClusterView, { newestGeneration }: GroupsView, holding: readonly OwnedPartitionMessage[]): void {
  const generation = holding.reduce((newest, held) => Math.max(newest, held.generation), 0);
  if (generation <= newestGeneration) return;
  throw new QuireError("NOT_READY", `broker ${self} has heard of generations up to ${newestGeneration} only, not of ${generation}; try again in a moment`, {
    details: { generation, newestGeneration },
    retryAfterMs: 100,
  });
}

/** Who is a member already keeps a topic that was deleted: it is not the moment to end it. */
function checkTopics(view: ClusterView, topics: readonly string[], known: readonly string[]): void {
  const missing = topics.find((name) => view.topic(name) === undefined && !known.includes(name));
  if (missing !== undefined) throw topicNotFound(missing);
}

function strategyField(code: number): AssignmentStrategy | undefined {
  switch (code) {
    case AssignmentStrategyCode.unspecified:
      return undefined;
    case AssignmentStrategyCode.range:
      return "range";
    case AssignmentStrategyCode.uniform:
      return "uniform";
    case AssignmentStrategyCode.sticky:
      return "sticky";
    default:
      return refuseField("enter.strategy", `is ${code}, which this broker does not know`, "use 1 (range), 2 (uniform) or 3 (sticky), or leave it out");
  }
}

export const strategyCode = (strategy: AssignmentStrategy): number => AssignmentStrategyCode[strategy];

export const notEntered = (): QuireError =>
  new QuireError("INVALID_FIELD", "enter is missing; it is the first step on a stream", { fields: [{ field: "step", description: "enter comes first" }] });

export const enteredTwice = (): QuireError =>
  new QuireError("INVALID_FIELD", "enter came a second time; open another stream for another subscription", {
    fields: [{ field: "enter", description: "comes once" }],
  });
