/** Messages of `ProduceService.Produce`. */
import { readBatch, readLeader, readStatus, writeBatch, writeLeader, writeStatus } from "./batch-codec.js";
import type { Init, PartitionLeaderMessage, ProduceBatch, ProduceRequest, ProduceResponse, ProduceResult, RecordBatch, StatusMessage } from "./messages.js";
import type { Codec } from "./method.js";
import { Reader } from "./reader.js";
import { bytesField, varintField } from "./tags.js";
import { encode, type Sink } from "./writer.js";

const Request = { batches: bytesField(1) } as const;
const Batch = {
  correlationId: varintField(1),
  topic: bytesField(2),
  partition: varintField(3),
  acks: varintField(4),
  timeoutMs: varintField(5),
  batch: bytesField(6),
  run: varintField(7),
} as const;
const Response = { results: bytesField(1) } as const;
const Result = {
  correlationId: varintField(1),
  baseOffset: varintField(2),
  replicasOnDisk: varintField(3),
  leader: bytesField(4),
  error: bytesField(5),
} as const;

export const produceRequestCodec: Codec<ProduceRequest> = {
  encode: (request) => encode(writeRequest, request),
  decode(bytes) {
    const reader = new Reader(bytes);
    const batches: ProduceBatch[] = [];
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === Request.batches) batches.push(readProduceBatch(reader.message()));
      else reader.skip(tag);
    }
    return { batches };
  },
};

function writeRequest(sink: Sink, request: Init<ProduceRequest>): void {
  for (const item of request.batches ?? []) {
    sink.begin(Request.batches);
    sink.integer(Batch.correlationId, item.correlationId);
    sink.string(Batch.topic, item.topic);
    sink.integer(Batch.partition, item.partition);
    sink.integer(Batch.acks, item.acks);
    sink.integer(Batch.timeoutMs, item.timeoutMs);
    if (item.batch != null) {
      sink.begin(Batch.batch);
      writeBatch(sink, item.batch);
      sink.end();
    }
    sink.integer(Batch.run, item.run);
    sink.end();
  }
}

function readProduceBatch(reader: Reader): ProduceBatch {
  const item = { correlationId: 0, topic: "", partition: 0, acks: 0, timeoutMs: 0, batch: null as RecordBatch | null, run: 0 };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Batch.correlationId) item.correlationId = reader.integer();
    else if (tag === Batch.topic) item.topic = reader.string();
    else if (tag === Batch.partition) item.partition = reader.int32();
    else if (tag === Batch.acks) item.acks = reader.int32();
    else if (tag === Batch.timeoutMs) item.timeoutMs = reader.int32();
    else if (tag === Batch.run) item.run = reader.integer();
    else if (tag === Batch.batch) item.batch = readBatch(reader.message());
    else reader.skip(tag);
  }
  return item;
}

export const produceResponseCodec: Codec<ProduceResponse> = {
  encode: (response) => encode(writeResponse, response),
  decode(bytes) {
    const reader = new Reader(bytes);
    const results: ProduceResult[] = [];
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === Response.results) results.push(readResult(reader.message()));
      else reader.skip(tag);
    }
    return { results };
  },
};

function writeResponse(sink: Sink, response: Init<ProduceResponse>): void {
  for (const result of response.results ?? []) {
    sink.begin(Response.results);
    sink.integer(Result.correlationId, result.correlationId);
    sink.integer(Result.baseOffset, result.baseOffset);
    sink.integer(Result.replicasOnDisk, result.replicasOnDisk);
    writeLeader(sink, Result.leader, result.leader);
    writeStatus(sink, Result.error, result.error);
    sink.end();
  }
}

function readResult(reader: Reader): ProduceResult {
  const result = {
    correlationId: 0,
    baseOffset: 0,
    replicasOnDisk: 0,
    leader: null as PartitionLeaderMessage | null,
    error: null as StatusMessage | null,
  };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Result.correlationId) result.correlationId = reader.integer();
    else if (tag === Result.baseOffset) result.baseOffset = reader.integer();
    else if (tag === Result.replicasOnDisk) result.replicasOnDisk = reader.int32();
    else if (tag === Result.leader) result.leader = readLeader(reader.message());
    else if (tag === Result.error) result.error = readStatus(reader.message());
    else reader.skip(tag);
  }
  return result;
}
