import type { Handlers } from "../wire/method.js";
import type { groupService } from "../wire/services.js";
import { type CallContext, defaultDeadlines } from "./call-context.js";
import { describeGroup } from "./describe-group.js";
import type { Edge } from "./edge.js";
import { deleteGroup, listGroups, resetOffsets } from "./group-admin.js";
import { commitOffsets, fetchOffsets } from "./group-progress.js";
import { openJoin } from "./join.js";
import type { StreamSlots } from "./slots.js";
import { type UnaryCalls, unary } from "./unary.js";

/** Everything of consumer groups that clients may ask. */
export function groupHandlers(edge: Edge, calls: UnaryCalls, streams: StreamSlots): Handlers<typeof groupService> {
  const { metadataMs, appendMs, adminMs } = defaultDeadlines;
  const on = <Request, Answer>(deadlineMs: number, writes: boolean, handle: (edge: Edge, request: Request, context: CallContext) => Promise<Answer>) =>
    unary<Request, Answer>(edge, calls, { deadlineMs, writes }, (request, context) => handle(edge, request, context));
  return {
    Join: (call) => openJoin(edge, streams, call),
    CommitOffsets: on(appendMs, true, commitOffsets),
    // Its claims may be made twice.
    FetchOffsets: on(appendMs, false, fetchOffsets),
    ListGroups: on(metadataMs, false, listGroups),
    DescribeGroup: on(adminMs, false, describeGroup),
    ResetOffsets: on(adminMs, true, resetOffsets),
    DeleteGroup: on(adminMs, true, deleteGroup),
  };
}
