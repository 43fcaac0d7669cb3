/** `RecordBatch`, and the small messages that produce, fetch and subscribe share. */
import type { AnyMessage, Init, PartitionLeaderMessage, PositionMessage, RecordBatch, StatusMessage } from "./messages.js";
import type { Reader } from "./reader.js";
import { bytesField, fixed32Field, varintField } from "./tags.js";
import type { Sink } from "./writer.js";

const Batch = {
  baseOffset: varintField(1),
  term: varintField(2),
  baseTimestampMs: varintField(3),
  maxTimestampMs: varintField(4),
  recordCount: varintField(5),
  compression: varintField(6),
  uncompressedBytes: varintField(7),
  producerId: varintField(8),
  producerEpoch: varintField(9),
  baseSequence: varintField(10),
  priority: varintField(11),
  crc32: fixed32Field(12),
  records: bytesField(13),
} as const;

export function writeBatch(sink: Sink, batch: Init<RecordBatch>): void {
  sink.integer(Batch.baseOffset, batch.baseOffset);
  sink.integer(Batch.term, batch.term);
  sink.integer(Batch.baseTimestampMs, batch.baseTimestampMs);
  sink.integer(Batch.maxTimestampMs, batch.maxTimestampMs);
  sink.integer(Batch.recordCount, batch.recordCount);
  sink.integer(Batch.compression, batch.compression);
  sink.integer(Batch.uncompressedBytes, batch.uncompressedBytes);
  sink.integer(Batch.producerId, batch.producerId);
  sink.integer(Batch.producerEpoch, batch.producerEpoch);
  sink.integer(Batch.baseSequence, batch.baseSequence);
  sink.integer(Batch.priority, batch.priority);
  if (batch.crc32 !== undefined) sink.alwaysFixed32(Batch.crc32, batch.crc32);
  sink.bytes(Batch.records, batch.body);
}

const NO_BYTES: Buffer = Buffer.alloc(0);
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export function readBatch(reader: Reader): RecordBatch {
  const batch: Mutable<RecordBatch> = {
    baseOffset: 0,
    term: 0,
    baseTimestampMs: 0,
    maxTimestampMs: 0,
    recordCount: 0,
    compression: 0,
    uncompressedBytes: 0,
    producerId: 0,
    producerEpoch: 0,
    baseSequence: 0,
    priority: 0,
    crc32: undefined,
    body: NO_BYTES,
  };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) readBatchField(reader, tag, batch);
  return batch;
}

function readBatchField(reader: Reader, tag: number, batch: Mutable<RecordBatch>): void {
  switch (tag) {
    case Batch.baseOffset:
      batch.baseOffset = reader.integer();
      return;
    case Batch.term:
      batch.term = reader.integer();
      return;
    case Batch.baseTimestampMs:
      batch.baseTimestampMs = reader.integer();
      return;
    case Batch.maxTimestampMs:
      batch.maxTimestampMs = reader.integer();
      return;
    case Batch.recordCount:
      batch.recordCount = reader.int32();
      return;
    case Batch.compression:
      batch.compression = reader.int32();
      return;
    case Batch.uncompressedBytes:
      batch.uncompressedBytes = reader.int32();
      return;
    case Batch.producerId:
      batch.producerId = reader.integer();
      return;
    case Batch.producerEpoch:
      batch.producerEpoch = reader.int32();
      return;
    case Batch.baseSequence:
      batch.baseSequence = reader.int32();
      return;
    case Batch.priority:
      batch.priority = reader.int32();
      return;
    case Batch.crc32:
      batch.crc32 = reader.fixed32();
      return;
    case Batch.records:
      batch.body = reader.bytes();
      return;
    default:
      reader.skip(tag);
  }
}

const Leader = { nodeId: varintField(1), address: bytesField(2), term: varintField(3) } as const;

export function writeLeader(sink: Sink, tag: number, leader: Init<PartitionLeaderMessage> | null | undefined): void {
  if (leader == null) return;
  sink.begin(tag);
  sink.integer(Leader.nodeId, leader.nodeId);
  sink.string(Leader.address, leader.address);
  sink.integer(Leader.term, leader.term);
  sink.end();
}

export function readLeader(reader: Reader): PartitionLeaderMessage {
  const leader = { nodeId: 0, address: "", term: 0 };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Leader.nodeId) leader.nodeId = reader.int32();
    else if (tag === Leader.address) leader.address = reader.string();
    else if (tag === Leader.term) leader.term = reader.integer();
    else reader.skip(tag);
  }
  return leader;
}

const Position = { offset: varintField(1), timestampMs: varintField(2), named: varintField(3) } as const;

export function writePosition(sink: Sink, tag: number, position: Init<PositionMessage> | null | undefined): void {
  if (position == null) return;
  sink.begin(tag);
  if ("offset" in position && position.offset !== undefined) sink.alwaysInteger(Position.offset, position.offset);
  if ("timestampMs" in position && position.timestampMs !== undefined) sink.alwaysInteger(Position.timestampMs, position.timestampMs);
  if ("named" in position && position.named !== undefined) sink.alwaysInteger(Position.named, position.named);
  sink.end();
}

export function readPosition(reader: Reader): PositionMessage {
  let position: PositionMessage = {};
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Position.offset) position = { position: "offset", offset: reader.integer() };
    else if (tag === Position.timestampMs) position = { position: "timestampMs", timestampMs: reader.integer() };
    else if (tag === Position.named) position = { position: "named", named: reader.int32() };
    else reader.skip(tag);
  }
  return position;
}

const Status = { code: varintField(1), message: bytesField(2), details: bytesField(3) } as const;
const Any = { typeUrl: bytesField(1), value: bytesField(2) } as const;

/** The fields of a `google.rpc.Status`, for one that stands alone. */
export function writeStatusFields(sink: Sink, status: Init<StatusMessage>): void {
  sink.integer(Status.code, status.code);
  sink.string(Status.message, status.message);
  for (const detail of status.details ?? []) {
    sink.begin(Status.details);
    sink.string(Any.typeUrl, detail.type_url);
    sink.bytes(Any.value, detail.value);
    sink.end();
  }
}

export function writeStatus(sink: Sink, tag: number, status: Init<StatusMessage> | null | undefined): void {
  if (status == null) return;
  sink.begin(tag);
  writeStatusFields(sink, status);
  sink.end();
}

export function readStatus(reader: Reader): StatusMessage {
  let code = 0;
  let message = "";
  const details: AnyMessage[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Status.code) code = reader.int32();
    else if (tag === Status.message) message = reader.string();
    else if (tag === Status.details) details.push(readAny(reader.message()));
    else reader.skip(tag);
  }
  return { code, message, details };
}

function readAny(reader: Reader): AnyMessage {
  const any: Mutable<AnyMessage> = { type_url: "", value: NO_BYTES };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Any.typeUrl) any.type_url = reader.string();
    else if (tag === Any.value) any.value = reader.bytes();
    else reader.skip(tag);
  }
  return any;
}
