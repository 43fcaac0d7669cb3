/** Checks of single request fields. Each names the field as the `.proto` does, the value, the bounds, and throws INVALID_FIELD unless it says otherwise. */
import { QuireError, type Reason } from "../base/errors.js";
import { type NodeId, nodeId, type Offset, offset } from "../base/ids.js";
import { limits } from "../base/limits.js";
import { checkGroupName, checkProducerName, checkTopicName } from "../base/names.js";
import { Acks, type AcksName } from "../base/record-batch.js";
import type { Position } from "../broker/types.js";
import { NamedPosition, type PositionMessage } from "../wire/messages.js";

export function refuseField(field: string, problem: string, remedy: string, reason: Reason = "INVALID_FIELD"): never {
  throw new QuireError(reason, `${field} ${problem}; ${remedy}`, { details: { field }, fields: [{ field, description: `${problem}; ${remedy}` }] });
}

/** A whole number from `min` to `max`. */
export function integer(value: number, field: string, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) refuseField(field, `is ${value}`, `it must be a whole number from ${min} to ${max}`);
  return value;
}

/** The same, where 0 stands for `otherwise`. */
export function integerOr(value: number, field: string, min: number, max: number, otherwise: number): number {
  return value === 0 ? otherwise : integer(value, field, min, max);
}

/** @throws QuireError INVALID_NAME */
export const topicName = (name: string, field: string): string => checkedName(name, field, checkTopicName);

/** @throws QuireError INVALID_NAME */
export const producerName = (name: string, field: string): string => checkedName(name, field, checkProducerName);

/** @throws QuireError INVALID_NAME */
export const groupName = (name: string, field: string): string => checkedName(name, field, checkGroupName);

const MEMBER_ID = /^[a-z0-9._-]+$/;

/** What a consumer calls itself in its group: 1 to 64 of `a-z 0-9 . _ -`. */
export function memberIdField(id: string, field: string): string {
  if (id.length > limits.memberIdLength || !MEMBER_ID.test(id)) {
    refuseField(field, `is ${JSON.stringify(id.slice(0, 100))}`, `use 1 to ${limits.memberIdLength} of a-z 0-9 . _ -; a random UUID does`);
  }
  return id;
}

function checkedName(name: string, field: string, check: (name: string) => void): string {
  try {
    check(name);
  } catch (thrown) {
    if (!(thrown instanceof QuireError)) throw thrown;
    throw new QuireError(thrown.reason, thrown.message, {
      details: { ...thrown.details, field },
      fields: thrown.fields.map(({ description }) => ({ field, description })),
    });
  }
  return name;
}

/** Whether the topic has such a partition is the data plane's question. */
export const partitionNumber = (value: number, field: string): number => integer(value, field, 0, limits.partitionsPerTopic - 1);

export const offsetField = (value: number, field: string): Offset => offset(integer(value, field, 0, Number.MAX_SAFE_INTEGER));

export const nodeIdField = (value: number, field: string): NodeId => nodeId(integer(value, field, 1, limits.nodeIdMax));

export function acksField(value: number, field: string): AcksName {
  switch (value) {
    case Acks.quorum:
      return "quorum";
    case Acks.leader:
      return "leader";
    case Acks.none:
      return "none";
    default:
      return refuseField(field, `is ${value}, which this broker does not know`, "use 0 (when W replicas have it on disk), 1 (leader) or 2 (none)");
  }
}

export const timestampField = (value: number, field: string): number => integer(value, field, 0, limits.timestampMsMax);

export function positionField(message: PositionMessage | null, field: string): Position {
  switch (message?.position) {
    case "offset":
      return { kind: "offset", offset: offsetField(message.offset, `${field}.offset`) };
    case "timestampMs":
      return { kind: "timestamp", timestampMs: timestampField(message.timestampMs, `${field}.timestamp_ms`) };
    case "named":
      if (message.named === NamedPosition.earliest) return { kind: "earliest" };
      if (message.named === NamedPosition.latest || message.named === NamedPosition.unspecified) return { kind: "latest" };
      return refuseField(`${field}.named`, `is ${message.named}, which this broker does not know`, "use 1 (earliest) or 2 (latest)");
    default:
      return refuseField(field, "is missing", "set one of offset, timestamp_ms and named");
  }
}

export function required<T>(value: T | null | undefined, field: string): T {
  return value ?? refuseField(field, "is missing", "set it");
}

/** How many items a repeated field has. */
export function count(items: readonly unknown[], field: string, min: number, max: number): void {
  if (items.length < min || items.length > max) refuseField(field, `has ${items.length} items`, `it must have ${min} to ${max}`);
}
