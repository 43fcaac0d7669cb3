/** Statuses and errors as grpc-js gives them. */
import { Metadata, type ServiceError, status as StatusCode, type StatusObject } from "@grpc/grpc-js";

export const statusOf = (code: StatusCode, details: string): StatusObject => ({ code, details, metadata: new Metadata() });

export const okStatus = (): StatusObject => statusOf(StatusCode.OK, "OK");

/** What a client is told. */
export function errorOf({ code, details, metadata }: StatusObject): ServiceError {
  const error = new Error(`${code} ${StatusCode[code]}: ${details}`) as ServiceError;
  error.code = code;
  error.details = details;
  error.metadata = metadata;
  return error;
}

/** What becomes of what a handler called back with, or emitted as `error`. */
export function statusOfError(thrown: unknown): StatusObject {
  const error = (typeof thrown === "object" && thrown !== null ? thrown : {}) as Partial<ServiceError>;
  const metadata = error.metadata?.clone() ?? new Metadata();
  if (typeof error.code !== "number" || !Number.isInteger(error.code)) {
    return { code: StatusCode.UNKNOWN, details: error.message ?? "Unknown Error", metadata };
  }
  return { code: error.code, details: error.details ?? error.message ?? "Unknown Error", metadata };
}

export const describe = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

const NO_BYTES = Buffer.alloc(0);
/** So that sender and receiver share no memory. */
export const copyOf = (bytes: Uint8Array): Buffer => (bytes.length === 0 ? NO_BYTES : Buffer.from(bytes));
