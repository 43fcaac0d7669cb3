/**
 * The public messages as TypeScript sees them: exactly what the deserializers give. Every scalar is there (0, "" or
 * empty when it was not sent), a message that was not sent is null, an `optional` field that was not sent is absent, int64 is a
 * safe `number`, enums are their numbers (unknown ones too), and of a `oneof` only the field that was sent is there, named by the
 * oneof's own property. Serializers take `Init<…>` of the same type: anything may be left out.
 */

/** What a serializer takes: any field may be left out, bytes may be any `Uint8Array`. */
export type Init<T> = T extends Buffer
  ? Uint8Array
  : T extends readonly (infer Item)[]
    ? readonly Init<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]?: Init<T[Key]> | undefined }
      : T;

/** `google.protobuf.Any`; proto-loader keeps the snake_case of this one. */
export interface AnyMessage {
  readonly type_url: string;
  readonly value: Buffer;
}

/** `google.rpc.Status`; `wire/status` turns it into a QuireError and back. */
export interface StatusMessage {
  readonly code: number;
  readonly message: string;
  readonly details: readonly AnyMessage[];
}

// quire/v1/records.proto

/**
 * A `RecordBatch`. `body` is its field `records`, a slice of the message it came in. The property names are those of
 * `RecordBatchHeader`, so a header with a place and a body is sent as it is.
 */
export interface RecordBatch {
  readonly baseOffset: number;
  readonly term: number;
  readonly baseTimestampMs: number;
  /** 0 when left out. */
  readonly maxTimestampMs: number;
  readonly recordCount: number;
  /** One of `Compression`, or a number this version does not know. */
  readonly compression: number;
  readonly uncompressedBytes: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly priority: number;
  /** Undefined when left out. */
  readonly crc32: number | undefined;
  readonly body: Buffer;
}

export interface Header {
  readonly key: string;
  readonly value: Buffer;
}

/** Node id 0 and address "" while unknown. */
export interface PartitionLeaderMessage {
  readonly nodeId: number;
  readonly address: string;
  readonly term: number;
}

export const NamedPosition = { unspecified: 0, earliest: 1, latest: 2 } as const;

export type PositionMessage =
  | { readonly position: "offset"; readonly offset: number }
  | { readonly position: "timestampMs"; readonly timestampMs: number }
  | { readonly position: "named"; readonly named: number }
  | { readonly position?: undefined };

// quire/v1/produce.proto

export interface ProduceRequest {
  readonly batches: readonly ProduceBatch[];
}
export interface ProduceBatch {
  readonly correlationId: number;
  readonly topic: string;
  readonly partition: number;
  /** One of `Acks`, or a number this version does not know. */
  readonly acks: number;
  readonly timeoutMs: number;
  readonly run: number;
  readonly batch: RecordBatch | null;
}
export interface ProduceResponse {
  readonly results: readonly ProduceResult[];
}
export interface ProduceResult {
  readonly correlationId: number;
  readonly baseOffset: number;
  readonly replicasOnDisk: number;
  readonly leader: PartitionLeaderMessage | null;
  readonly error: StatusMessage | null;
}

export interface AppendRequest {
  readonly topic: string;
  readonly partition?: number;
  readonly records: readonly AppendRecord[];
  readonly acks: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}
export interface InitProducerRequest {
  readonly name: string;
  readonly count: number;
}
export interface InitProducerResponse {
  readonly producerId: number;
  readonly epoch: number;
  readonly epochs: number;
}
export interface AppendRecord {
  readonly key?: Buffer;
  readonly value?: Buffer;
  readonly headers: readonly Header[];
  readonly timestampMs?: number;
}
export interface AppendResponse {
  readonly records: readonly AppendedRecord[];
}
export interface AppendedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly replicasOnDisk: number;
  readonly error: StatusMessage | null;
}

// quire/v1/fetch.proto

export interface FetchRequest {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
  readonly minBytes: number;
  readonly maxWaitMs: number;
}
export interface FetchResponse {
  readonly batches: readonly RecordBatch[];
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly nextOffset: number;
  readonly leader: PartitionLeaderMessage | null;
}

export type SubscribeRequest =
  | { readonly step: "add"; readonly add: SubscribeAdd }
  | { readonly step: "seek"; readonly seek: SubscribeSeek }
  | { readonly step: "remove"; readonly remove: SubscribeRemove }
  | { readonly step: "credit"; readonly credit: SubscribeCredit }
  | { readonly step?: undefined };
export interface SubscribeAdd {
  readonly subscriptionId: number;
  readonly topic: string;
  readonly partition: number;
  readonly position: PositionMessage | null;
}
export interface SubscribeSeek {
  readonly subscriptionId: number;
  readonly position: PositionMessage | null;
}
export interface SubscribeRemove {
  readonly subscriptionId: number;
}
export interface SubscribeCredit {
  readonly totalBytes: number;
}

export type SubscribeResponse =
  | { readonly step: "batches"; readonly batches: SubscribeBatches }
  | { readonly step: "started"; readonly started: SubscribeStarted }
  | { readonly step: "caughtUp"; readonly caughtUp: SubscribeCaughtUp }
  | { readonly step: "end"; readonly end: SubscribeEnd }
  | { readonly step: "heartbeat"; readonly heartbeat: Empty }
  | { readonly step?: undefined };
export interface SubscribeBatches {
  readonly subscriptionId: number;
  readonly batches: readonly RecordBatch[];
  readonly highWatermark: number;
}
export interface SubscribeStarted {
  readonly subscriptionId: number;
  readonly offset: number;
  readonly leader: PartitionLeaderMessage | null;
}
export interface SubscribeCaughtUp {
  readonly subscriptionId: number;
  readonly offset: number;
}
export interface SubscribeEnd {
  readonly subscriptionId: number;
  readonly error: StatusMessage | null;
  readonly leader: PartitionLeaderMessage | null;
}

export interface ListOffsetsRequest {
  readonly queries: readonly OffsetQuery[];
}
export interface OffsetQuery {
  readonly topic: string;
  readonly partition: number;
  readonly position: PositionMessage | null;
}
export interface ListOffsetsResponse {
  readonly answers: readonly OffsetAnswer[];
}
export interface OffsetAnswer {
  readonly offset: number;
  readonly timestampMs?: number;
  readonly leader: PartitionLeaderMessage | null;
  readonly error: StatusMessage | null;
}

/** A message without fields. */
export type Empty = Record<never, never>;
