/**
 * The one table of everything that can go wrong for a user: reason, gRPC status, whether a retry helps.
 *
 * A `QuireError` is an answer to the user; a broken invariant is an `InvariantError` and stops the process.
 */

/** gRPC status codes by name; the numbers are gRPC's own (grpc/grpc, doc/statuscodes.md). */
export const GrpcStatus = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
} as const;
export type GrpcStatusName = keyof typeof GrpcStatus;

/**
 * What a caller may do about a reason.
 * - `never`: the same request will fail again.
 * - `refresh`: look up the leader again, then retry there.
 * - `wait`: retry after a pause; nothing was done.
 * - `idempotent`: the outcome is unknown; only a producer with the same epoch and sequence may retry.
 */
export type Retry = "never" | "refresh" | "wait" | "idempotent";

interface ReasonRow {
  readonly status: GrpcStatusName;
  readonly retry: Retry;
}
const row = (status: GrpcStatusName, retry: Retry): ReasonRow => ({ status, retry });

export const REASONS = {
  // Where to go instead, or who is in charge now.
  NOT_LEADER: row("FAILED_PRECONDITION", "refresh"),
  STALE_TERM: row("FAILED_PRECONDITION", "refresh"),
  PRODUCER_FENCED: row("FAILED_PRECONDITION", "never"),
  STALE_GENERATION: row("FAILED_PRECONDITION", "never"),
  /** The group's coordinator is another broker, which the details name (coordinatorNodeId, coordinatorAddress). */
  NOT_COORDINATOR: row("FAILED_PRECONDITION", "refresh"),
  /** Silent for too long, or its instance id was taken over: no member any more. */
  MEMBER_FENCED: row("FAILED_PRECONDITION", "never"),
  PARTITION_NOT_OWNED: row("FAILED_PRECONDITION", "never"),
  GROUP_NOT_EMPTY: row("FAILED_PRECONDITION", "never"),
  /** What a member asks for contradicts what the group's other members said. */
  INCONSISTENT_GROUP: row("FAILED_PRECONDITION", "never"),
  CLUSTER_MISMATCH: row("FAILED_PRECONDITION", "never"),
  RECONFIGURATION_IN_PROGRESS: row("FAILED_PRECONDITION", "wait"),
  // Nothing was done; try again.
  LEADER_UNKNOWN: row("UNAVAILABLE", "refresh"),
  QUORUM_UNAVAILABLE: row("UNAVAILABLE", "wait"),
  NOT_READY: row("UNAVAILABLE", "wait"),
  SHUTTING_DOWN: row("UNAVAILABLE", "refresh"),
  BROKER_UNREACHABLE: row("UNAVAILABLE", "refresh"),
  NOT_ENOUGH_BROKERS: row("FAILED_PRECONDITION", "never"),
  // The outcome is unknown.
  WRITE_OUTCOME_UNKNOWN: row("DEADLINE_EXCEEDED", "idempotent"),
  DEADLINE: row("DEADLINE_EXCEEDED", "wait"),
  CANCELLED: row("CANCELLED", "never"),
  // Order.
  OUT_OF_ORDER_SEQUENCE: row("ABORTED", "never"),
  /** Written before, too long ago for its offset to be known. */
  DUPLICATE_SEQUENCE: row("ALREADY_EXISTS", "never"),
  CONFLICT: row("ABORTED", "wait"),
  EARLIER_BATCH_REFUSED: row("ABORTED", "refresh"),
  // Four different things, never one word for all.
  THROTTLED: row("RESOURCE_EXHAUSTED", "wait"),
  QUOTA_EXCEEDED: row("RESOURCE_EXHAUSTED", "wait"),
  DISK_FULL: row("RESOURCE_EXHAUSTED", "wait"),
  TOO_MANY_STREAMS: row("RESOURCE_EXHAUSTED", "wait"),
  /** The client's own send buffer; no broker was asked. */
  BUFFER_FULL: row("RESOURCE_EXHAUSTED", "wait"),
  // What was asked for is not there.
  OFFSET_OUT_OF_RANGE: row("OUT_OF_RANGE", "never"),
  TOPIC_NOT_FOUND: row("NOT_FOUND", "never"),
  PARTITION_NOT_FOUND: row("NOT_FOUND", "never"),
  GROUP_NOT_FOUND: row("NOT_FOUND", "never"),
  TOPIC_ALREADY_EXISTS: row("ALREADY_EXISTS", "never"),
  SUBSCRIPTION_ALREADY_EXISTS: row("ALREADY_EXISTS", "never"),
  SUBSCRIPTION_NOT_FOUND: row("NOT_FOUND", "never"),
  // The request itself is wrong.
  RECORD_TOO_LARGE: row("INVALID_ARGUMENT", "never"),
  BATCH_TOO_LARGE: row("INVALID_ARGUMENT", "never"),
  CORRUPT_BATCH: row("INVALID_ARGUMENT", "never"),
  INVALID_QUORUM: row("INVALID_ARGUMENT", "never"),
  INVALID_NAME: row("INVALID_ARGUMENT", "never"),
  INVALID_FIELD: row("INVALID_ARGUMENT", "never"),
  INVALID_SETTING: row("INVALID_ARGUMENT", "never"),
  INVALID_PAGE_TOKEN: row("INVALID_ARGUMENT", "never"),
  UNSUPPORTED: row("UNIMPLEMENTED", "never"),
  // The disk.
  LOG_CORRUPT: row("DATA_LOSS", "never"),
  REPLICA_FAILED: row("UNAVAILABLE", "refresh"),
  DATA_FOLDER_IN_USE: row("FAILED_PRECONDITION", "never"),
  DATA_FOLDER_MISMATCH: row("FAILED_PRECONDITION", "never"),
  INTERNAL: row("INTERNAL", "never"),
} as const satisfies Record<string, ReasonRow>;

export type Reason = keyof typeof REASONS;

/** Whether `text` is a reason of the table; for what arrives from another broker or a newer server. */
export const isReason = (text: string): text is Reason => Object.hasOwn(REASONS, text);

export interface QuireErrorOptions {
  /** The values the message speaks of, for programs; keys in camelCase. */
  readonly details?: Readonly<Record<string, string | number>>;
  /** How long to wait before a retry may help, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Which request fields are wrong and why; becomes `google.rpc.BadRequest`. */
  readonly fields?: readonly { readonly field: string; readonly description: string }[];
  readonly cause?: unknown;
}

/** An answer that is not the one the user hoped for. The message names the value, the limit and the remedy. */
export class QuireError extends Error {
  override name = "QuireError";
  readonly reason: Reason;
  readonly details: Readonly<Record<string, string | number>>;
  readonly retryAfterMs: number | undefined;
  readonly fields: readonly { readonly field: string; readonly description: string }[];

  constructor(reason: Reason, message: string, options: QuireErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs;
    this.fields = options.fields ?? [];
  }

  get status(): GrpcStatusName {
    return REASONS[this.reason].status;
  }

  get retry(): Retry {
    return REASONS[this.reason].retry;
  }
}

/** Any throwable as a `QuireError`; what is not one becomes INTERNAL, with the original as its cause. */
export function toQuireError(thrown: unknown): QuireError {
  if (thrown instanceof QuireError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new QuireError("INTERNAL", `unexpected failure: ${message}`, { cause: thrown });
}
