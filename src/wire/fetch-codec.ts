/** Messages of `FetchService.Fetch`. */
import { readBatch, readLeader, writeBatch, writeLeader } from "./batch-codec.js";
import type { FetchRequest, FetchResponse, Init, PartitionLeaderMessage, RecordBatch } from "./messages.js";
import type { Codec } from "./method.js";
import { Reader } from "./reader.js";
import { bytesField, varintField } from "./tags.js";
import { encode, type Sink } from "./writer.js";

const Request = {
  topic: bytesField(1),
  partition: varintField(2),
  offset: varintField(3),
  maxBytes: varintField(4),
  minBytes: varintField(5),
  maxWaitMs: varintField(6),
} as const;
const Response = {
  batches: bytesField(1),
  highWatermark: varintField(2),
  logStartOffset: varintField(3),
  nextOffset: varintField(4),
  leader: bytesField(5),
} as const;

export const fetchRequestCodec: Codec<FetchRequest> = {
  encode: (request) => encode(writeRequest, request),
  decode(bytes) {
    const reader = new Reader(bytes);
    const request = { topic: "", partition: 0, offset: 0, maxBytes: 0, minBytes: 0, maxWaitMs: 0 };
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === Request.topic) request.topic = reader.string();
      else if (tag === Request.partition) request.partition = reader.int32();
      else if (tag === Request.offset) request.offset = reader.integer();
      else if (tag === Request.maxBytes) request.maxBytes = reader.int32();
      else if (tag === Request.minBytes) request.minBytes = reader.int32();
      else if (tag === Request.maxWaitMs) request.maxWaitMs = reader.int32();
      else reader.skip(tag);
    }
    return request;
  },
};

function writeRequest(sink: Sink, request: Init<FetchRequest>): void {
  sink.string(Request.topic, request.topic);
  sink.integer(Request.partition, request.partition);
  sink.integer(Request.offset, request.offset);
  sink.integer(Request.maxBytes, request.maxBytes);
  sink.integer(Request.minBytes, request.minBytes);
  sink.integer(Request.maxWaitMs, request.maxWaitMs);
}

export const fetchResponseCodec: Codec<FetchResponse> = {
  encode: (response) => encode(writeResponse, response),
  decode(bytes) {
    const reader = new Reader(bytes);
    const batches: RecordBatch[] = [];
    const response = { batches, highWatermark: 0, logStartOffset: 0, nextOffset: 0, leader: null as PartitionLeaderMessage | null };
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === Response.batches) batches.push(readBatch(reader.message()));
      else if (tag === Response.highWatermark) response.highWatermark = reader.integer();
      else if (tag === Response.logStartOffset) response.logStartOffset = reader.integer();
      else if (tag === Response.nextOffset) response.nextOffset = reader.integer();
      else if (tag === Response.leader) response.leader = readLeader(reader.message());
      else reader.skip(tag);
    }
    return response;
  },
};

function writeResponse(sink: Sink, response: Init<FetchResponse>): void {
  for (const batch of response.batches ?? []) {
    sink.begin(Response.batches);
    writeBatch(sink, batch);
    sink.end();
  }
  sink.integer(Response.highWatermark, response.highWatermark);
  sink.integer(Response.logStartOffset, response.logStartOffset);
  sink.integer(Response.nextOffset, response.nextOffset);
  writeLeader(sink, Response.leader, response.leader);
}
