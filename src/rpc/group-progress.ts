import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import type { Progress, ProgressCommit, ProgressQuery } from "../broker/progress-types.js";
import type { TopicPartition } from "../cluster/view.js";
import type {
  CommitAnswer,
  CommitOffsetsRequest,
  CommitOffsetsResponse,
  FetchOffsetsRequest,
  FetchOffsetsResponse,
  OffsetFetchAnswer,
} from "../wire/group-messages.js";
import type { Init } from "../wire/messages.js";
import { groupService } from "../wire/services.js";
import { fromStatus, toStatus } from "../wire/status.js";
import type { CallContext } from "./call-context.js";
import { answerOf, type Edge, leaderAfter, selfAsLeader } from "./edge.js";
import { count, groupName, integer, memberIdField, offsetField, partitionNumber, refuseField, topicName } from "./validate.js";

export async function commitOffsets(edge: Edge, request: CommitOffsetsRequest, context: CallContext): Promise<Init<CommitOffsetsResponse>> {
  return { answers: await commitEach(edge, parseCommits(request, context), context) };
}

export async function fetchOffsets(edge: Edge, request: FetchOffsetsRequest, context: CallContext): Promise<Init<FetchOffsetsResponse>> {
  return { answers: await fetchEach(edge, parseFetches(request), context) };
}

/** Commits of one group and member, or its resets, wherever the partitions are led: answers in their order, errors in them. */
export async function commitEach(edge: Edge, commits: readonly ProgressCommit[], context: CallContext): Promise<Init<CommitAnswer>[]> {
  const [{ group, memberId } = { group: "", memberId: "" }] = commits;
  const outcomes = await edge.forwarder.each<ProgressCommit, Init<CommitAnswer>>(context, {
    items: commits,
    itemsAtOnce: limits.offsetsPerRequest,
    writes: true,
    here: async (commit) => {
      const { offset, term } = await edge.dataPlane.commitProgress(commit);
      return { offset, leader: selfAsLeader(edge.view, term), error: null };
    },
    there: async (broker, some) => {
      const request = { group, memberId, commits: some.map(({ topic, partition, generation, offset }) => ({ topic, partition, generation, offset })) };
      return (await broker.call(groupService.CommitOffsets, request)).answers.map(orError);
    },
  });
  return outcomes.map((outcome, i) => (outcome instanceof QuireError ? { offset: 0, ...refused(edge, outcome, commits[i]) } : outcome));
}

/** Questions about one group's progress, all of the same member if any, wherever the partitions are led: answers in their order, errors in them. */
export async function fetchEach(edge: Edge, queries: readonly ProgressQuery[], context: CallContext): Promise<Init<OffsetFetchAnswer>[]> {
  const group = queries[0]?.group ?? "";
  const memberId = queries.find(({ owner }) => owner !== undefined)?.owner?.memberId ?? "";
  const outcomes = await edge.forwarder.each<ProgressQuery, Init<OffsetFetchAnswer>>(context, {
    items: queries,
    itemsAtOnce: limits.offsetsPerRequest,
    // A claim may be made twice.
    writes: false,
    here: async (query) => fetchAnswer(edge, await edge.dataPlane.progress(query)),
    there: async (broker, some) => {
      const request = { group, memberId, fetches: some.map(({ topic, partition, owner }) => ({ topic, partition, generation: owner?.generation ?? 0 })) };
      return (await broker.call(groupService.FetchOffsets, request)).answers.map(orError);
    },
  });
  return outcomes.map((outcome, i) => (outcome instanceof QuireError ? refused(edge, outcome, queries[i]) : outcome));
}

/** @throws QuireError INVALID_FIELD, INVALID_NAME */
function parseCommits({ group, memberId, commits }: CommitOffsetsRequest, { forwarded }: CallContext): readonly ProgressCommit[] {
  count(commits, "commits", 1, limits.offsetsPerRequest);
  // Resets come from other brokers only: what they may do is decided where they are asked for.
  const who = { group: groupName(group, "group"), memberId: forwarded && memberId === "" ? "" : memberIdField(memberId, "member_id") };
  return commits.map(({ topic, partition, generation, offset }, i) => ({
    ...who,
    topic: topicName(topic, `commits[${i}].topic`),
    partition: partitionNumber(partition, `commits[${i}].partition`),
    generation: integer(generation, `commits[${i}].generation`, 1, Number.MAX_SAFE_INTEGER),
    offset: offsetField(offset, `commits[${i}].offset`),
  }));
}

/** @throws QuireError INVALID_FIELD, INVALID_NAME */
function parseFetches({ group, memberId, fetches }: FetchOffsetsRequest): readonly ProgressQuery[] {
  count(fetches, "fetches", 1, limits.offsetsPerRequest);
  const name = groupName(group, "group");
  if (memberId !== "") memberIdField(memberId, "member_id");
  return fetches.map(({ topic, partition, generation }, i) => {
    integer(generation, `fetches[${i}].generation`, 0, Number.MAX_SAFE_INTEGER);
    if (generation > 0 && memberId === "")
      refuseField("member_id", `is empty, and fetches[${i}].generation is ${generation}`, "say who owns it, or ask with 0");
    return {
      group: name,
      topic: topicName(topic, `fetches[${i}].topic`),
      partition: partitionNumber(partition, `fetches[${i}].partition`),
      owner: generation === 0 ? undefined : { memberId, generation },
    };
  });
}

const fetchAnswer = (edge: Edge, { offset, term, ...rest }: Progress): Init<OffsetFetchAnswer> => ({
  ...rest,
  ...(offset !== undefined && { offset }),
  leader: selfAsLeader(edge.view, term),
  error: null,
});

const orError = <Answer extends Pick<CommitAnswer, "error">>(answer: Answer): Answer | QuireError =>
  answer.error === null ? answer : fromStatus(answer.error);

function refused(edge: Edge, outcome: QuireError, at: TopicPartition | undefined): Pick<CommitAnswer, "leader" | "error"> {
  const error = answerOf(outcome, edge);
  return { leader: at === undefined ? null : leaderAfter(error, edge.view, at), error: toStatus(error) };
}
