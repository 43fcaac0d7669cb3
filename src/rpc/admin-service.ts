import { limits } from "../base/limits.js";
import { topicNotFound } from "../base/refusals.js";
import type { ClusterView, TopicInfo } from "../cluster/view.js";
import type {
  CreateTopicRequest,
  CreateTopicResponse,
  DeleteTopicRequest,
  GetTopicRequest,
  GetTopicResponse,
  ListTopicsRequest,
  ListTopicsResponse,
  TransferLeaderRequest,
  TrimRecordsRequest,
  TrimRecordsResponse,
  UpdateTopicRequest,
  UpdateTopicResponse,
} from "../wire/admin-messages.js";
import type { Empty, Init } from "../wire/messages.js";
import { adminService } from "../wire/services.js";
import { decodePageToken, encodePageToken, parseCreateTopic, parseUpdateTopic } from "./admin-requests.js";
import { awaitView } from "./await-view.js";
import type { CallContext } from "./call-context.js";
import { checkReady, type Edge } from "./edge.js";
import { topicMessage } from "./metadata-messages.js";
import { integerOr, nodeIdField, offsetField, partitionNumber, refuseField, topicName } from "./validate.js";

const PAGE_SIZE_DEFAULT = 100;
/** How long an answer waits until this broker sees what the controller has done. */
const VISIBLE_MS_MAX = 10_000;

export async function createTopic(edge: Edge, request: CreateTopicRequest, context: CallContext): Promise<Init<CreateTopicResponse>> {
  const parsed = parseCreateTopic(request);
  const created = await edge.forwarder.run<Init<CreateTopicResponse>>(context, {
    to: "controller",
    writes: true,
    here: async () => ({ topic: topicMessage(edge.view, await edge.admin.createTopic(parsed)) }),
    there: (broker) => broker.call(adminService.CreateTopic, request),
  });
  // The broker that was asked first waits: what its caller does next, it most likely asks the same broker.
  if (parsed.validateOnly === true || context.forwarded) return created;
  await visible(edge, context, (view) => {
    const topic = view.topic(parsed.name);
    return topic?.assignments.every(({ replicaSetId }) => view.leader(replicaSetId) !== undefined) ?? false;
  });
  const topic = edge.view.topic(parsed.name);
  return topic === undefined ? created : { topic: topicMessage(edge.view, topic) };
}

export async function getTopic(edge: Edge, request: GetTopicRequest): Promise<Init<GetTopicResponse>> {
  return { topic: topicMessage(edge.view, existingTopic(edge.view, topicName(request.name, "name"))) };
}

export async function listTopics(edge: Edge, request: ListTopicsRequest): Promise<Init<ListTopicsResponse>> {
  const pageSize = integerOr(request.pageSize, "page_size", 1, limits.pageSize, PAGE_SIZE_DEFAULT);
  const prefix = request.namePrefix;
  if (prefix.length > limits.topicNameLength) refuseField("name_prefix", `is ${prefix.length} characters long`, `the limit is ${limits.topicNameLength}`);
  const after = decodePageToken(request.pageToken, prefix)?.after;
  checkReady(edge.view);
  const found = edge.view.topics().filter(({ name }) => name.startsWith(prefix) && (after === undefined || name > after));
  const page = found.slice(0, pageSize);
  const last = page.at(-1);
  return {
    topics: page.map((topic) => topicMessage(edge.view, topic)),
    nextPageToken: found.length > page.length && last !== undefined ? encodePageToken({ after: last.name, prefix }) : "",
  };
}

export async function updateTopic(edge: Edge, request: UpdateTopicRequest, context: CallContext): Promise<Init<UpdateTopicResponse>> {
  const { name, change } = parseUpdateTopic(request);
  const updated = await edge.forwarder.run<Init<UpdateTopicResponse>>(context, {
    to: "controller",
    writes: true,
    here: async () => ({ topic: topicMessage(edge.view, await edge.admin.updateTopic(name, change)) }),
    there: (broker) => broker.call(adminService.UpdateTopic, request),
  });
  if (context.forwarded) return updated;
  const version = updated.topic?.version ?? 0;
  await visible(edge, context, (view) => {
    const topic = view.topic(name);
    return topic === undefined || topic.version >= version;
  });
  return updated;
}

export async function deleteTopic(edge: Edge, request: DeleteTopicRequest, context: CallContext): Promise<Empty> {
  const name = topicName(request.name, "name");
  const topicId = edge.view.topic(name)?.topicId;
  await edge.forwarder.run<Empty>(context, {
    to: "controller",
    writes: true,
    here: async () => {
      await edge.admin.deleteTopic(name);
      return {};
    },
    there: (broker) => broker.call(adminService.DeleteTopic, request),
  });
  if (!context.forwarded) {
    await visible(edge, context, (view) => {
      const topic = view.topic(name);
      return topic === undefined || topic.topicId !== topicId;
    });
  }
  return {};
}

export async function transferLeader(edge: Edge, request: TransferLeaderRequest, context: CallContext): Promise<Empty> {
  const at = { topic: topicName(request.topic, "topic"), partition: partitionNumber(request.partition, "partition") };
  const to = nodeIdField(request.nodeId, "node_id");
  return edge.forwarder.run<Empty>(context, {
    to: at,
    writes: true,
    here: async () => {
      await edge.admin.transferLeader(at, to);
      return {};
    },
    there: (broker) => broker.call(adminService.TransferLeader, request),
  });
}

export async function trimRecords(edge: Edge, request: TrimRecordsRequest, context: CallContext): Promise<Init<TrimRecordsResponse>> {
  const at = { topic: topicName(request.topic, "topic"), partition: partitionNumber(request.partition, "partition") };
  const before = offsetField(request.beforeOffset, "before_offset");
  return edge.forwarder.run<Init<TrimRecordsResponse>>(context, {
    to: at,
    writes: true,
    here: async () => ({ logStartOffset: await edge.dataPlane.trim(at, before) }),
    there: (broker) => broker.call(adminService.TrimRecords, request),
  });
}

function existingTopic(view: ClusterView, name: string): TopicInfo {
  checkReady(view);
  const topic = view.topic(name);
  if (topic === undefined) throw topicNotFound(name);
  return topic;
}

/** Resolves when this broker's view shows what was done, or when it has taken too long: done it is in any case. */
async function visible(edge: Edge, context: CallContext, shows: (view: ClusterView) => boolean): Promise<void> {
  if (shows(edge.view)) return;
  await awaitView(edge, Math.min(VISIBLE_MS_MAX, context.remainingMs() * 0.9), context.signal, () => shows(edge.view));
}
