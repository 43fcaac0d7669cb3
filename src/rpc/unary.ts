import type { handleUnaryCall } from "@grpc/grpc-js";
import { QuireError } from "../base/errors.js";
import { toServiceError } from "../wire/status.js";
import { type CallContext, FORWARDED_KEY } from "./call-context.js";
import { answerOf, type Edge } from "./edge.js";

export interface UnaryOptions {
  /** Deadline when the client set none. */
  readonly deadlineMs: number;
  /** Whether an answer that does not come leaves an unknown outcome. */
  readonly writes: boolean;
}

/** Counts the calls under way on this broker. */
export class UnaryCalls {
  underWay = 0;
}

/**
 * A unary handler from an async function: refuses what is too much, gives every call a deadline, and turns whatever is thrown
 * into a status with details.
 */
export function unary<Request, Answer>(
  edge: Edge,
  calls: UnaryCalls,
  options: UnaryOptions,
  handle: (request: Request, context: CallContext) => Promise<Answer>,
): handleUnaryCall<Request, Answer> {
  return (call, callback) => {
    const { clock } = edge;
    const abort = new AbortController();
    const stated = Number(call.getDeadline()) - clock.wallMs();
    const endMs = clock.monotonicMs() + (Number.isFinite(stated) ? stated : options.deadlineMs);
    const remainingMs = (): number => Math.max(0, endMs - clock.monotonicMs());
    // The data plane's own timeout comes first, so that its error, which says more, is the answer.
    const timer = clock.after(remainingMs() + 200, () => abort.abort(overdue(options)));
    calls.underWay += 1;
    let answered = false;
    const answer = (thrown: unknown, response?: Answer): void => {
      if (answered) return;
      answered = true;
      calls.underWay -= 1;
      timer.cancel();
      if (response === undefined) callback(toServiceError(answerOf(thrown, edge)));
      else callback(null, response);
    };
    abort.signal.addEventListener("abort", () => answer(abort.signal.reason), { once: true });
    call.on("cancelled", () => abort.abort(new QuireError("CANCELLED", "the call was cancelled by its caller")));
    if (calls.underWay > edge.limits.unaryCallsMax) return answer(tooManyCalls(edge.limits.unaryCallsMax));
    const forwarded = call.metadata.get(FORWARDED_KEY).length > 0;
    startHandler(() => handle(call.request, { forwarded, signal: abort.signal, remainingMs })).then((response) => answer(undefined, response), answer);
  };
}

/** A handler that throws before its first await throws like one that rejects. */
async function startHandler<T>(run: () => Promise<T>): Promise<T> {
  return await run();
}

const overdue = ({ writes }: UnaryOptions): QuireError =>
  writes
    ? new QuireError("WRITE_OUTCOME_UNKNOWN", "no answer came within the deadline; it may or may not be done")
    : new QuireError("DEADLINE", "no answer came within the deadline; try again, or give it more time");

const tooManyCalls = (max: number): QuireError =>
  new QuireError("THROTTLED", `${max} calls are under way on this broker, which is the limit; try again in a moment`, {
    details: { limit: max },
    retryAfterMs: 200,
  });
