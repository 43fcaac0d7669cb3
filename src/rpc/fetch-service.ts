import { MIB } from "../base/limits.js";
import type { FetchResult, FetchRequest as LocalFetchRequest, Position } from "../broker/types.js";
import type { TopicPartition } from "../cluster/view.js";
import type { FetchRequest, FetchResponse, Init, ListOffsetsRequest, ListOffsetsResponse, OffsetAnswer, OffsetQuery } from "../wire/messages.js";
import { fetchService } from "../wire/services.js";
import { fromStatus, toStatus } from "../wire/status.js";
import { batchMessage } from "./batch-message.js";
import type { CallContext } from "./call-context.js";
import { answerOf, type Edge, leaderAfter, selfAsLeader } from "./edge.js";
import { mapSome } from "./map-some.js";
import { count, integer, integerOr, offsetField, partitionNumber, positionField, refuseField, topicName } from "./validate.js";

/** Bytes of bodies in one answer; the rest of the response is for headers. */
const FETCH_BYTES_MAX = Math.floor(2.9 * MIB);
const FETCH_BYTES_DEFAULT = MIB;
export const FETCH_WAIT_MS_MAX = 60_000;
const QUERIES_MAX = 1_000;
/** Questions of one request that are worked on at a time. */
const QUERIES_AT_A_TIME = 16;

/** @throws QuireError INVALID_FIELD, INVALID_NAME */
export function parseFetch(request: FetchRequest): LocalFetchRequest {
  const bytesMax = integerOr(request.maxBytes, "max_bytes", 1, FETCH_BYTES_MAX, FETCH_BYTES_DEFAULT);
  const bytesMin = integerOr(request.minBytes, "min_bytes", 1, FETCH_BYTES_MAX, 1);
  if (bytesMin > bytesMax) refuseField("min_bytes", `is ${bytesMin}, above max_bytes ${bytesMax}`, "make it at most as large");
  return {
    topic: topicName(request.topic, "topic"),
    partition: partitionNumber(request.partition, "partition"),
    offset: offsetField(request.offset, "offset"),
    bytesMax,
    bytesMin,
    waitMsMax: integer(request.maxWaitMs, "max_wait_ms", 0, FETCH_WAIT_MS_MAX),
  };
}

export async function fetch(edge: Edge, request: FetchRequest, context: CallContext): Promise<Init<FetchResponse>> {
  const parsed = parseFetch(request);
  return edge.forwarder.run<Init<FetchResponse>>(context, {
    to: parsed,
    writes: false,
    here: async () => fetchResponse(edge, await edge.dataPlane.fetch({ ...parsed, waitMsMax: withinDeadline(parsed.waitMsMax, context) }, context.signal)),
    there: (broker) => broker.call(fetchService.Fetch, { ...request, maxWaitMs: withinDeadline(parsed.waitMsMax, context) }),
  });
}

/** A tenth of the caller's time is left for the answer's way: an empty answer in time is better than none. */
const withinDeadline = (waitMs: number, context: CallContext): number => Math.floor(Math.min(waitMs, context.remainingMs() * 0.9));

const fetchResponse = (edge: Edge, result: FetchResult): Init<FetchResponse> => ({
  batches: result.frames.map(batchMessage),
  highWatermark: result.highWatermark,
  logStartOffset: result.logStartOffset,
  nextOffset: result.nextOffset,
  leader: selfAsLeader(edge.view, result.leader.term),
});

interface ParsedQuery extends TopicPartition {
  readonly position: Position;
  readonly query: OffsetQuery;
}

export async function listOffsets(edge: Edge, request: ListOffsetsRequest, context: CallContext): Promise<Init<ListOffsetsResponse>> {
  count(request.queries, "queries", 1, QUERIES_MAX);
  const queries = request.queries.map((query, i) => parseQuery(query, `queries[${i}]`));
  return { answers: await mapSome(queries, QUERIES_AT_A_TIME, (query) => answerQuery(edge, query, context)) };
}

const parseQuery = (query: OffsetQuery, field: string): ParsedQuery => ({
  topic: topicName(query.topic, `${field}.topic`),
  partition: partitionNumber(query.partition, `${field}.partition`),
  position: positionField(query.position, `${field}.position`),
  query,
});

async function answerQuery(edge: Edge, parsed: ParsedQuery, context: CallContext): Promise<Init<OffsetAnswer>> {
  try {
    return await edge.forwarder.run<Init<OffsetAnswer>>(context, {
      to: parsed,
      writes: false,
      here: async () => {
        const { offset, timestampMs, term } = await edge.dataPlane.listOffset(parsed, parsed.position);
        return { offset, ...(timestampMs !== undefined && { timestampMs }), leader: selfAsLeader(edge.view, term), error: null };
      },
      there: async (broker) => {
        const { answers } = await broker.call(fetchService.ListOffsets, { queries: [parsed.query] });
        const [answer] = answers;
        if (answer?.error) throw fromStatus(answer.error);
        return answer ?? {};
      },
    });
  } catch (thrown) {
    const error = answerOf(thrown, edge);
    return { offset: 0, leader: leaderAfter(error, edge.view, parsed), error: toStatus(error) };
  }
}

/** Deadline of a fetch whose client set none: as long as it may wait, and the time of a metadata call. */
export const FETCH_DEADLINE_MS = FETCH_WAIT_MS_MAX + 5_000;
