import { type Reason, toQuireError } from "../base/errors.js";
import type { ReplicaSetId } from "../base/ids.js";
import { matcher } from "../broker/groups/assignment-input.js";
import { coordinatorOf } from "../broker/groups/coordinator-choice.js";
import type { GroupRunner } from "../broker/groups/group-runner.js";
import { groupNotFound } from "../cluster/group-change.js";
import type { GroupInfo } from "../cluster/group-info.js";
import type { DescribeGroupRequest, DescribeGroupResponse, GroupMemberMessage, GroupPartitionMessage } from "../wire/group-messages.js";
import type { Init } from "../wire/messages.js";
import { groupService } from "../wire/services.js";
import type { CallContext } from "./call-context.js";
import { checkReady, type Edge } from "./edge.js";
import { summaryMessage, topicsOf } from "./group-admin.js";
import { fetchEach } from "./group-progress.js";
import { groupName } from "./validate.js";

/** Partitions in one description: a response has a size. */
const PARTITIONS_MAX = 10_000;
/** The coordinator that was asked is gone or going; the metadata still says most of it. */
const GONE: ReadonlySet<Reason> = new Set(["BROKER_UNREACHABLE", "SHUTTING_DOWN", "NOT_READY", "DEADLINE"]);

/** From the coordinator, which alone knows who is there and who waits for what; from the metadata while it cannot be reached. */
export async function describeGroup(edge: Edge, request: DescribeGroupRequest, context: CallContext): Promise<Init<DescribeGroupResponse>> {
  const name = groupName(request.group, "group");
  checkReady(edge.view);
  const known = edge.groups.group(name);
  const coordinator = known === undefined || known.members.size === 0 ? edge.view.self : coordinatorOf(edge.view, name, known);
  const broker = context.forwarded || coordinator === undefined ? undefined : edge.forwarder.at(coordinator, context);
  if (broker !== undefined) {
    try {
      return await broker.call(groupService.DescribeGroup, request);
    } catch (thrown) {
      if (!GONE.has(toQuireError(thrown).reason)) throw thrown;
    }
  }
  const runner = edge.coordinator.runner(name);
  const group = runner?.group ?? known;
  if (group === undefined) throw groupNotFound(name);
  return {
    summary: summaryMessage(edge, group),
    members: membersOf(edge, group, runner),
    partitions: await partitionsOf(edge, group, runner, context),
  };
}

function membersOf(edge: Edge, group: GroupInfo, runner: GroupRunner | undefined): GroupMemberMessage[] {
  const nowMs = edge.clock.monotonicMs();
  const owned = new Map<string, number>();
  for (const { memberId } of group.owners.values()) owned.set(memberId, (owned.get(memberId) ?? 0) + 1);
  return [...group.members.values()]
    .sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
    .map((member): GroupMemberMessage => {
      const session = runner?.session(member.memberId);
      return {
        ...member,
        address: session?.stream?.address ?? "",
        silentMs: session === undefined ? 0 : Math.max(0, Math.round(nowMs - session.heardMs)),
        partitions: owned.get(member.memberId) ?? 0,
      };
    });
}

async function partitionsOf(edge: Edge, group: GroupInfo, runner: GroupRunner | undefined, context: CallContext): Promise<Init<GroupPartitionMessage>[]> {
  const list = placesOf(edge, group, runner);
  const queries = list.map(({ topic, partition }) => ({ topic, partition, group: group.name, owner: undefined }));
  // That the description was passed on says nothing of the offsets, which other brokers may have.
  const progress = queries.length === 0 ? [] : await fetchEach(edge, queries, { ...context, forwarded: false });
  const messages = list.map(({ topic, partition, id }, i): Init<GroupPartitionMessage> => {
    const owner = group.owners.get(id);
    const next = runner?.target?.get(id);
    return {
      topic,
      partition,
      memberId: owner?.memberId ?? "",
      generation: owner?.generation ?? 0,
      nextMemberId: next === undefined || next === owner?.memberId ? "" : next,
      progress: progress[i] ?? null,
    };
  });
  return messages.filter(
    ({ memberId, nextMemberId, progress: known }) => memberId !== "" || nextMemberId !== "" || known?.offset !== undefined || known?.error,
  );
}

/** Every partition of every topic that the group has to do with, by topic and partition. */
function placesOf(edge: Edge, group: GroupInfo, runner: GroupRunner | undefined): { topic: string; partition: number; id: ReplicaSetId }[] {
  const { view } = edge;
  const names = new Set(topicsOf(group));
  for (const id of [...group.owners.keys(), ...(runner?.target?.keys() ?? [])]) {
    const topic = view.partitionOf(id)?.topic.name;
    if (topic !== undefined) names.add(topic);
  }
  const patterns = [...new Set([...group.members.values()].map(({ pattern }) => pattern))].filter((pattern) => pattern !== "").map(matcher);
  const topics = view.topics().filter(({ name }) => names.has(name) || patterns.some((matches) => matches(name)));
  const places = topics.flatMap(({ name, assignments }) => assignments.map(({ partition, replicaSetId }) => ({ topic: name, partition, id: replicaSetId })));
  return places.slice(0, PARTITIONS_MAX);
}
