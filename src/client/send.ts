/** What `send` and `sendAll` take and give, and how outcomes of batches become theirs. */
import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import type { HeaderContent } from "../wire/records-codec.js";
import { checkNames, refuse } from "./options.js";
import type { Completion } from "./outgoing-batch.js";
import type { Serializer } from "./serializers.js";
import type { WriteRequest } from "./writer.js";

export type Key = string | Uint8Array;
export type Headers = Readonly<Record<string, string | Uint8Array>> | readonly HeaderContent[];

export interface SendOptions {
  /** Chooses the partition, and is what order is kept for. */
  readonly key?: Key | undefined;
  readonly headers?: Headers;
  /** Milliseconds since 1970; default: now. */
  readonly timestampMs?: number;
  /** Instead of the one that the key chooses. */
  readonly partition?: number;
  /** Aborting it rejects with its reason. What is already in the buffer may be written nevertheless. */
  readonly signal?: AbortSignal;
}

/** Where an acknowledged record is. */
export interface SendResult {
  readonly partition: number;
  /** -1 with acks=none. */
  readonly offset: number;
  readonly timestampMs: number;
}

export interface SendAllOptions<Value> {
  /** The key of each value; without it records have none. */
  readonly key?: (value: Value) => Key | undefined;
  readonly headers?: (value: Value) => Headers | undefined;
  readonly timestampMs?: (value: Value) => number | undefined;
  readonly partition?: number;
  /** Called as records are acknowledged, with how many were so far, and the partition of those that were just now. */
  readonly onProgress?: (acknowledged: number, partition: number) => void;
  /** Aborting it rejects with its reason. What is already in the buffer may be written nevertheless. */
  readonly signal?: AbortSignal;
}

export interface SendAllResult {
  readonly records: number;
  /** By partition; offsets between the first and the last may be others' records. */
  readonly partitions: ReadonlyMap<number, { readonly records: number; readonly firstOffset: number; readonly lastOffset: number }>;
}

const SEND_NAMES = ["key", "headers", "timestampMs", "partition", "signal"];
const SEND_ALL_NAMES = [...SEND_NAMES, "onProgress"];
const NO_HEADERS: readonly HeaderContent[] = [];

export const checkSendOptions = (options: SendOptions): void => checkNames("send", options, SEND_NAMES);
export const checkSendAllOptions = (options: object): void => checkNames("sendAll", options, SEND_ALL_NAMES);

/** What is given with a value. */
type Given = { readonly [Name in "key" | "headers" | "timestampMs" | "partition"]?: SendOptions[Name] | undefined };

/** @throws QuireError INVALID_FIELD, or what the serializer throws */
export function writeRequest<Value>(value: Value, serializer: Serializer<Value>, nowMs: number, { key, headers, timestampMs, partition }: Given): WriteRequest {
  return {
    key: key === undefined ? undefined : keyBytes(key),
    value: serializer.serialize(value),
    headers: headers === undefined ? NO_HEADERS : headerList(headers),
    timestampMs: timestampMs === undefined ? nowMs : checkedTimestamp(timestampMs),
    partition,
  };
}

/** The same of one of many values. */
export const bulkRequest = <Value>(value: Value, serializer: Serializer<Value>, nowMs: number, options: SendAllOptions<Value>): WriteRequest =>
  writeRequest(value, serializer, nowMs, {
    key: options.key?.(value),
    headers: options.headers?.(value),
    timestampMs: options.timestampMs?.(value),
    partition: options.partition,
  });

function checkedTimestamp(timestampMs: number): number {
  if (Number.isSafeInteger(timestampMs) && timestampMs >= 0 && timestampMs <= limits.timestampMsMax) return timestampMs;
  return refuse("timestampMs", `timestampMs is ${timestampMs}; use whole milliseconds since 1970, at most ${limits.timestampMsMax}`);
}

function keyBytes(key: unknown): Uint8Array {
  if (typeof key === "string") return Buffer.from(key);
  if (key instanceof Uint8Array) return key;
  throw new QuireError("INVALID_FIELD", `a key is a string or bytes, not ${key === null ? "null" : typeof key}`, {
    fields: [{ field: "key", description: "not a string or bytes" }],
  });
}

function headerList(headers: Headers): readonly HeaderContent[] {
  if (typeof headers !== "object" || headers === null) refuseHeaders(`headers are an object or a list, not ${headers === null ? "null" : typeof headers}`);
  const list = Array.isArray(headers)
    ? (headers as readonly HeaderContent[])
    : Object.entries(headers as Record<string, string | Uint8Array>).map(([key, value]) => ({ key, value }));
  if (list.length > limits.headersPerRecord) refuseHeaders(`a record has ${list.length} headers; the limit is ${limits.headersPerRecord}`);
  for (const { key, value } of list) {
    const isContent = typeof value === "string" || value instanceof Uint8Array;
    if (typeof key !== "string" || !isContent)
      refuseHeaders(`header ${String(key)} is ${typeof value}; a header has text for a key, and text or bytes for a value`);
  }
  return list;
}

function refuseHeaders(description: string): never {
  throw new QuireError("INVALID_FIELD", description, { fields: [{ field: "headers", description }] });
}

/** One record's promise. */
export class SendCompletion implements Completion {
  readonly #resolve: (result: SendResult) => void;
  readonly #reject: (error: unknown) => void;
  readonly #timestampMs: number;

  constructor(resolve: (result: SendResult) => void, reject: (error: unknown) => void, timestampMs: number) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timestampMs = timestampMs;
  }

  acknowledged(partition: number, offset: number): void {
    this.#resolve({ partition, offset, timestampMs: this.#timestampMs });
  }

  rejected(error: QuireError): void {
    this.#reject(error);
  }
}

/** Many records' one promise: a counter for all, nothing for each. */
export class BulkCompletion implements Completion {
  readonly #onProgress: SendAllOptions<unknown>["onProgress"];
  readonly #partitions = new Map<number, { records: number; firstOffset: number; lastOffset: number }>();
  #sent = 0;
  #acknowledged = 0;
  #rejected = 0;
  #failure: QuireError | undefined;
  #done: (() => void) | undefined;

  constructor(onProgress: SendAllOptions<unknown>["onProgress"]) {
    this.#onProgress = onProgress;
  }

  /** The first; no more need be sent. */
  get failure(): QuireError | undefined {
    return this.#failure;
  }

  sending(): void {
    this.#sent += 1;
  }

  acknowledged(partition: number, baseOffset: number, count: number): void {
    this.#acknowledged += count;
    const lastOffset = baseOffset < 0 ? -1 : baseOffset + count - 1;
    const known = this.#partitions.get(partition);
    if (known === undefined) this.#partitions.set(partition, { records: count, firstOffset: baseOffset, lastOffset });
    else {
      known.records += count;
      known.lastOffset = lastOffset;
    }
    this.#onProgress?.(this.#acknowledged, partition);
    this.#check();
  }

  rejected(error: QuireError, count: number): void {
    this.#rejected += count;
    this.#failure ??= error;
    this.#check();
  }

  /** Resolves when every record sent is answered. @throws QuireError the first failure's reason, with how many were acknowledged */
  async result(): Promise<SendAllResult> {
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      this.#check();
    });
    const failure = this.#failure;
    if (failure === undefined) return { records: this.#acknowledged, partitions: this.#partitions };
    throw new QuireError(failure.reason, `${this.#acknowledged} of ${this.#sent} records were acknowledged; the first that was not: ${failure.message}`, {
      cause: failure,
      details: { ...failure.details, acknowledged: this.#acknowledged, notAcknowledged: this.#rejected },
    });
  }

  #check(): void {
    if (this.#acknowledged + this.#rejected === this.#sent) this.#done?.();
  }
}
