/**
 * QuireError ⇄ `google.rpc.Status` ⇄ gRPC's own errors: the one place where an error crosses the wire. Exactly one `ErrorInfo` (domain
 * `quire`), a `RetryInfo` where waiting helps, a `BadRequest` for bad fields (googleapis `google/rpc/error_details.proto`).
 */
import * as grpc from "@grpc/grpc-js";
import { GrpcStatus, isReason, QuireError, type Reason, toQuireError } from "../base/errors.js";
import { readStatus, writeStatusFields } from "./batch-codec.js";
import type { AnyMessage, StatusMessage } from "./messages.js";
import { Reader } from "./reader.js";
import { bytesField, varintField } from "./tags.js";
import { encode, type Sink } from "./writer.js";

const TYPE_URL = "type.googleapis.com/google.rpc.";
const DOMAIN = "quire";
const DETAILS_KEY = "grpc-status-details-bin";
/** Together, percent- and base64-encoded, these stay below the 16 KiB that HTTP/2 libraries accept as trailers. */
const bounds = { messageBytes: 1_024, valueBytes: 300, values: 16, fields: 8 } as const;

const ErrorInfo = { reason: bytesField(1), domain: bytesField(2), metadata: bytesField(3) } as const;
const MapEntry = { key: bytesField(1), value: bytesField(2) } as const;
const RetryInfo = { retryDelay: bytesField(1) } as const;
const Duration = { seconds: varintField(1), nanos: varintField(2) } as const;
const BadRequest = { fieldViolations: bytesField(1) } as const;
const FieldViolation = { field: bytesField(1), description: bytesField(2) } as const;

/** For in-band errors (`ProduceResult.error` and its like). */
export function toStatus(error: QuireError): StatusMessage {
  const details: AnyMessage[] = [any("ErrorInfo", encode(writeErrorInfo, error))];
  if (error.retryAfterMs !== undefined) details.push(any("RetryInfo", encode(writeRetryInfo, error.retryAfterMs)));
  if (error.fields.length > 0) details.push(any("BadRequest", encode(writeBadRequest, error.fields)));
  return { code: GrpcStatus[error.status], message: clip(error.message, bounds.messageBytes), details };
}

const any = (name: string, value: Buffer): AnyMessage => ({ type_url: TYPE_URL + name, value });

/** At most about `bytesMax` bytes, and well-formed: half a surrogate pair would break the encoding of the trailer. */
function clip(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  return bytes.length <= bytesMax ? bytes.toString() : `${bytes.toString("utf8", 0, bytesMax)}…`;
}

function writeErrorInfo(sink: Sink, error: QuireError): void {
  sink.string(ErrorInfo.reason, error.reason);
  sink.string(ErrorInfo.domain, DOMAIN);
  for (const [key, value] of Object.entries(error.details).slice(0, bounds.values)) {
    sink.begin(ErrorInfo.metadata);
    sink.string(MapEntry.key, clip(key, bounds.valueBytes));
    sink.string(MapEntry.value, clip(String(value), bounds.valueBytes));
    sink.end();
  }
}

function writeRetryInfo(sink: Sink, retryAfterMs: number): void {
  const ms = Math.ceil(retryAfterMs);
  sink.begin(RetryInfo.retryDelay);
  sink.integer(Duration.seconds, Math.floor(ms / 1_000));
  sink.integer(Duration.nanos, (ms % 1_000) * 1_000_000);
  sink.end();
}

function writeBadRequest(sink: Sink, fields: QuireError["fields"]): void {
  for (const { field, description } of fields.slice(0, bounds.fields)) {
    sink.begin(BadRequest.fieldViolations);
    sink.string(FieldViolation.field, clip(field, bounds.valueBytes));
    sink.string(FieldViolation.description, clip(description, bounds.valueBytes));
    sink.end();
  }
}

/** What a handler gives to grpc-js: `callback(toServiceError(thrown))` or `stream.emit("error", toServiceError(thrown))`. */
export function toServiceError(thrown: unknown): grpc.ServiceError {
  const error = toQuireError(thrown);
  const { code, details, metadata } = toStatusObject(error);
  return Object.assign(new Error(details), { code, details, metadata });
}

/** The same without an Error around it, for interceptors. */
export function toStatusObject(error: QuireError): grpc.StatusObject {
  const status = toStatus(error);
  const metadata = new grpc.Metadata();
  metadata.set(DETAILS_KEY, encode(writeStatusFields, status));
  return { code: status.code, details: status.message, metadata };
}

/** An in-band error as it was. One of a newer broker, with a reason unknown here, keeps its status and message. */
export function fromStatus(status: StatusMessage): QuireError {
  let reason: Reason | undefined;
  let details: Record<string, string> = {};
  let retryAfterMs: number | undefined;
  let fields: { field: string; description: string }[] = [];
  for (const { type_url: typeUrl, value } of status.details) {
    const reader = new Reader(value);
    if (typeUrl === `${TYPE_URL}ErrorInfo`) {
      const info = readErrorInfo(reader);
      if (info.domain !== DOMAIN) continue;
      details = info.metadata;
      if (isReason(info.reason)) reason = info.reason;
      else details = { ...info.metadata, reason: info.reason };
    } else if (typeUrl === `${TYPE_URL}RetryInfo`) retryAfterMs = readRetryInfo(reader);
    else if (typeUrl === `${TYPE_URL}BadRequest`) fields = readBadRequest(reader);
  }
  return new QuireError(reason ?? reasonOfCode(status.code), status.message, { details, fields, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

function readErrorInfo(reader: Reader): { reason: string; domain: string; metadata: Record<string, string> } {
  const info = { reason: "", domain: "", metadata: {} as Record<string, string> };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === ErrorInfo.reason) info.reason = reader.string();
    else if (tag === ErrorInfo.domain) info.domain = reader.string();
    else if (tag === ErrorInfo.metadata) {
      const [key, value] = readStringPair(reader.message(), MapEntry.key, MapEntry.value);
      // A key such as __proto__ is data like any other.
      Object.defineProperty(info.metadata, key, { value, enumerable: true, configurable: true, writable: true });
    } else reader.skip(tag);
  }
  return info;
}

function readRetryInfo(reader: Reader): number {
  let ms = 0;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === RetryInfo.retryDelay) {
      const duration = reader.message();
      for (let inner = duration.tag(); inner !== 0; inner = duration.tag()) {
        if (inner === Duration.seconds) ms += duration.integer() * 1_000;
        else if (inner === Duration.nanos) ms += duration.int32() / 1_000_000;
        else duration.skip(inner);
      }
    } else reader.skip(tag);
  }
  return Math.max(0, ms);
}

function readBadRequest(reader: Reader): { field: string; description: string }[] {
  const fields: { field: string; description: string }[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === BadRequest.fieldViolations) {
      const [field, description] = readStringPair(reader.message(), FieldViolation.field, FieldViolation.description);
      fields.push({ field, description });
    } else reader.skip(tag);
  }
  return fields;
}

function readStringPair(reader: Reader, firstTag: number, secondTag: number): [first: string, second: string] {
  let first = "";
  let second = "";
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === firstTag) first = reader.string();
    else if (tag === secondTag) second = reader.string();
    else reader.skip(tag);
  }
  return [first, second];
}

/** For answers that carry no reason of ours: from a proxy, from gRPC itself, or from the broken connection. */
function reasonOfCode(code: number): Reason {
  switch (code) {
    case GrpcStatus.CANCELLED:
      return "CANCELLED";
    case GrpcStatus.DEADLINE_EXCEEDED:
      return "DEADLINE";
    case GrpcStatus.UNAVAILABLE:
      return "BROKER_UNREACHABLE";
    case GrpcStatus.INVALID_ARGUMENT:
      return "INVALID_FIELD";
    case GrpcStatus.UNIMPLEMENTED:
      return "UNSUPPORTED";
    case GrpcStatus.RESOURCE_EXHAUSTED:
      return "THROTTLED";
    case GrpcStatus.ABORTED:
      return "CONFLICT";
    case GrpcStatus.DATA_LOSS:
      return "LOG_CORRUPT";
    default:
      return "INTERNAL";
  }
}

/**
 * Any throwable of a call as one QuireError. With details, what the broker said. Without: UNAVAILABLE (refused, reset, closed connection) is
 * BROKER_UNREACHABLE, the others by their status; whether anything was done is unknown, and the caller must judge by what it called.
 */
export function fromGrpcError(thrown: unknown): QuireError {
  if (thrown instanceof QuireError || !isGrpcError(thrown)) return toQuireError(thrown);
  const details = thrown.metadata?.get(DETAILS_KEY)[0];
  if (details !== undefined) {
    try {
      const bytes = typeof details === "string" ? Buffer.from(details, "base64") : details;
      return fromStatus(readStatus(new Reader(bytes)));
    } catch {
      // Details that cannot be read say nothing; the status itself still does.
    }
  }
  // grpc-js tells a stream that the other side reset by INTERNAL or, as "Call cancelled", by CANCELLED: the broker is gone.
  const reset = /RST_STREAM|GOAWAY|ECONNRESET|socket hang up|^Call cancelled$/.test(thrown.details);
  const reason = reset && thrown.code !== GrpcStatus.DEADLINE_EXCEEDED ? "BROKER_UNREACHABLE" : reasonOfCode(thrown.code);
  // Its words end with a heading for notes that there seldom are.
  const message = (thrown.details || thrown.message).replace(/\.? Resolution note: *$/, "");
  return new QuireError(reason, message, { cause: thrown, details: { grpcStatus: thrown.code } });
}

interface GrpcError extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata?: grpc.Metadata;
}

function isGrpcError(thrown: unknown): thrown is GrpcError {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "number" && "details" in thrown && typeof thrown.details === "string";
}
