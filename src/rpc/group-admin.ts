/** Groups as people see them: listing, forgetting, and moving their offsets. */

import { limits, MIB } from "../base/limits.js";
import { partitionNotFound, topicNotFound } from "../base/refusals.js";
import { coordinatorOf } from "../broker/groups/coordinator-choice.js";
import type { ProgressCommit } from "../broker/progress-types.js";
import { groupNotEmpty } from "../cluster/group-change.js";
import type { GroupInfo } from "../cluster/group-info.js";
import type { TopicPartition } from "../cluster/view.js";
import type {
  DeleteGroupRequest,
  GroupSummaryMessage,
  ListGroupsRequest,
  ListGroupsResponse,
  ResetAnswer,
  ResetOffsetsRequest,
  ResetOffsetsResponse,
} from "../wire/group-messages.js";
import { GroupStateCode } from "../wire/group-messages.js";
import type { Empty, Init, OffsetAnswer, PositionMessage } from "../wire/messages.js";
import { groupService } from "../wire/services.js";
import { decodePageToken, encodePageToken } from "./admin-requests.js";
import type { CallContext } from "./call-context.js";
import { checkReady, type Edge } from "./edge.js";
import { listOffsets } from "./fetch-service.js";
import { commitEach, fetchEach } from "./group-progress.js";
import { strategyCode } from "./join-requests.js";
import { count, groupName, integerOr, partitionNumber, positionField, refuseField, required, topicName } from "./validate.js";

const TOPICS_MAX = 1_000;
const PAGE_BYTES_MAX = 2 * MIB;
/** Partitions whose offsets one request moves. */
const RESETS_MAX = 10_000;
/** How long a coordinator may take to say how its groups are. */
const STATES_MS_MAX = 1_000;
/** How long an answer waits until this broker sees what the controller has done. */
const VISIBLE_MS_MAX = 2_000;

/** How each group is, its coordinator knows: each of them is asked for the same page. */
export async function listGroups(edge: Edge, request: ListGroupsRequest, context: CallContext): Promise<Init<ListGroupsResponse>> {
  const pageSize = integerOr(request.pageSize, "page_size", 1, limits.pageSize, limits.pageSize);
  const prefix = request.namePrefix;
  if (prefix.length > limits.topicNameLength) refuseField("name_prefix", `is ${prefix.length} characters long`, `the limit is ${limits.topicNameLength}`);
  const after = decodePageToken(request.pageToken, prefix)?.after;
  checkReady(edge.view);
  const found = edge.groups.groups().filter(({ name }) => name.startsWith(prefix) && (after === undefined || name > after));
  const page = firstOf(found, pageSize);
  const last = page.at(-1);
  const states = context.forwarded ? new Map<string, number>() : await statesElsewhere(edge, page, request, context);
  return {
    groups: page.map((group) => {
      const { name, members, topics, coordinatorNodeId, strategy, state } = summaryMessage(edge, group);
      return { name, members, topics, coordinatorNodeId, strategy, state: isElsewhere(edge, group) ? (states.get(name) ?? GroupStateCode.unspecified) : state };
    }),
    nextPageToken: found.length > page.length && last !== undefined ? encodePageToken({ after: last.name, prefix }) : "",
  };
}

const isElsewhere = ({ view }: Edge, { members, coordinator }: GroupInfo): boolean => members.size > 0 && coordinator !== view.self;

/** By name, of groups that other brokers coordinate; those of a broker that does not answer are left out. */
async function statesElsewhere(edge: Edge, page: readonly GroupInfo[], request: ListGroupsRequest, context: CallContext): Promise<Map<string, number>> {
  const soon: CallContext = { forwarded: false, signal: context.signal, remainingMs: () => Math.min(STATES_MS_MAX, context.remainingMs()) };
  const coordinators = [...new Set(page.filter((group) => isElsewhere(edge, group)).map(({ coordinator }) => coordinator))];
  const answers = await Promise.all(
    coordinators.map(async (coordinator) => {
      const answer = await edge.forwarder
        .at(coordinator, soon)
        ?.call(groupService.ListGroups, request)
        .catch(() => undefined);
      return answer?.groups.filter(({ coordinatorNodeId }) => coordinatorNodeId === coordinator) ?? [];
    }),
  );
  return new Map(answers.flat().map(({ name, state }) => [name, state]));
}

/** As many as a message takes: groups may have many topics. */
function firstOf(groups: readonly GroupInfo[], pageSize: number): readonly GroupInfo[] {
  let bytes = 0;
  const end = groups.findIndex((group, at) => {
    bytes += topicsOf(group).reduce((sum, topic) => sum + topic.length + 3, group.name.length + 30);
    return at === pageSize || (at > 0 && bytes > PAGE_BYTES_MAX);
  });
  return end < 0 ? groups : groups.slice(0, end);
}

/** That partitions change hands only the coordinator knows. */
export function summaryMessage(edge: Edge, group: GroupInfo): GroupSummaryMessage {
  const isSettled = edge.coordinator.runner(group.name)?.isSettled ?? true;
  const state = group.members.size === 0 ? GroupStateCode.empty : isSettled ? GroupStateCode.stable : GroupStateCode.reconciling;
  return {
    name: group.name,
    state,
    members: group.members.size,
    topics: topicsOf(group),
    coordinatorNodeId: group.members.size === 0 ? 0 : group.coordinator,
    strategy: strategyCode(group.strategy),
  };
}

/** Names that members subscribe to, and where the group was at work. */
export function topicsOf(group: GroupInfo): string[] {
  const topics = new Set(group.topics);
  const seen = new Set<readonly string[]>();
  for (const member of group.members.values()) {
    if (seen.has(member.topics)) continue;
    seen.add(member.topics);
    for (const topic of member.topics) topics.add(topic);
  }
  return [...topics].sort();
}

export async function deleteGroup(edge: Edge, request: DeleteGroupRequest, context: CallContext): Promise<Empty> {
  const name = groupName(request.group, "group");
  const before = edge.groups.group(name);
  const work = async (): Promise<Empty> => {
    await edge.groupsAdmin.deleteGroup(name);
    return {};
  };
  await edge.forwarder.run<Empty>(context, { to: "controller", writes: true, here: work, there: work });
  await groupShows(edge, () => edge.groups.group(name) === undefined || edge.groups.group(name)?.begunAfter !== before?.begunAfter);
  return {};
}

export async function resetOffsets(edge: Edge, request: ResetOffsetsRequest, context: CallContext): Promise<Init<ResetOffsetsResponse>> {
  const name = groupName(request.group, "group");
  count(request.topics, "topics", 1, TOPICS_MAX);
  const position = required(request.position, "position");
  positionField(position, "position");
  checkReady(edge.view);
  const partitions = partitionsOf(edge, request);
  const group = edge.groups.group(name);
  if (group !== undefined && group.members.size > 0) throw groupNotEmpty(name, group.members.size);
  const before = await fetchEach(
    edge,
    partitions.map((at) => ({ ...at, group: name, owner: undefined })),
    context,
  );
  const targets = await offsetsAt(edge, partitions, position, context);
  const answers = partitions.map((at, i): Init<ResetAnswer> => {
    const { offset } = before[i] ?? {};
    return { ...at, offset: targets[i]?.offset ?? 0, error: targets[i]?.error ?? null, ...(offset !== undefined && { offsetBefore: offset }) };
  });
  if (request.validateOnly || answers.every(({ error }) => error !== null)) return { answers };
  const generation = await newGeneration(edge, name, group, [...new Set(partitions.map(({ topic }) => topic))], context);
  const moved = answers.flatMap((answer, i) => (answer.error === null ? [i] : []));
  const commits = moved.map((i): ProgressCommit => {
    const at = partitions[i] as TopicPartition;
    return { ...at, group: name, memberId: "", generation, offset: (targets[i]?.offset ?? 0) as ProgressCommit["offset"] };
  });
  const outcomes = await commitEach(edge, commits, context);
  for (const [k, i] of moved.entries()) {
    const { error, offset } = outcomes[k] ?? {};
    answers[i] = { ...answers[i], ...(error !== null && error !== undefined ? { error } : { offset: offset ?? 0 }) };
  }
  return { answers };
}

/** Whoever had the group before is fenced by it, should it still write; and a group that does not exist is begun. */
async function newGeneration(edge: Edge, name: string, before: GroupInfo | undefined, topics: readonly string[], context: CallContext): Promise<number> {
  const { view } = edge;
  const change = {
    group: name,
    version: before?.version ?? 0,
    coordinator: coordinatorOf(view, name, before) ?? view.self,
    strategy: before?.strategy ?? "uniform",
    nowMs: edge.clock.wallMs(),
    topics,
    newGeneration: true,
  } as const;
  const work = (): Promise<GroupInfo> => edge.groupsAdmin.changeGroup(change, before);
  const { generation } = await edge.forwarder.run<GroupInfo>(context, { to: "controller", writes: true, here: work, there: work });
  await groupShows(edge, () => edge.groups.newestGeneration >= generation);
  return generation;
}

function partitionsOf(edge: Edge, { topics }: ResetOffsetsRequest): TopicPartition[] {
  const partitions: TopicPartition[] = [];
  const seen = new Set<string>();
  topics.forEach(({ topic, partitions: wanted }, i) => {
    const name = topicName(topic, `topics[${i}].topic`);
    const info = edge.view.topic(name);
    if (info === undefined) throw topicNotFound(name);
    if (seen.has(name)) refuseField(`topics[${i}].topic`, `is ${name} again`, "name each topic once");
    seen.add(name);
    const numbers = wanted.length === 0 ? info.assignments.map(({ partition }) => partition) : wanted;
    for (const [k, partition] of [...new Set(numbers)].sort((a, b) => a - b).entries()) {
      if (partitionNumber(partition, `topics[${i}].partitions[${k}]`) >= info.partitions) throw partitionNotFound(name, partition, info.partitions);
      partitions.push({ topic: name, partition });
    }
  });
  if (partitions.length > RESETS_MAX)
    refuseField("topics", `have ${partitions.length} partitions`, `the limit is ${RESETS_MAX}: move them in several requests`);
  return partitions.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
}

/** Where the position is in each partition; a kept offset or the end, or an error. */
async function offsetsAt(edge: Edge, partitions: readonly TopicPartition[], position: PositionMessage, context: CallContext): Promise<Init<OffsetAnswer>[]> {
  const answers: Init<OffsetAnswer>[] = [];
  for (let at = 0; at < partitions.length; at += limits.offsetsPerRequest) {
    const queries = partitions.slice(at, at + limits.offsetsPerRequest).map((partition) => ({ ...partition, position }));
    answers.push(...((await listOffsets(edge, { queries }, context)).answers ?? []));
  }
  return answers;
}

/** Resolves when this broker's view shows what was done, or when that takes too long: done it is in any case. */
function groupShows(edge: Edge, shows: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (shows()) return resolve();
    const end = (): void => {
      unwatch();
      timer.cancel();
      resolve();
    };
    const unwatch = edge.groups.watchGroups(() => {
      if (shows()) end();
    });
    const timer = edge.clock.after(VISIBLE_MS_MAX, end);
  });
}
