/** Messages of `FetchService.Subscribe`. */
import { readBatch, readLeader, readPosition, readStatus, writeBatch, writeLeader, writePosition, writeStatus } from "./batch-codec.js";
import type {
  Init,
  PartitionLeaderMessage,
  PositionMessage,
  RecordBatch,
  StatusMessage,
  SubscribeAdd,
  SubscribeBatches,
  SubscribeEnd,
  SubscribeRequest,
  SubscribeResponse,
  SubscribeStarted,
} from "./messages.js";
import type { Codec } from "./method.js";
import { Reader } from "./reader.js";
import { bytesField, varintField } from "./tags.js";
import { encode, type Sink } from "./writer.js";

const Request = { add: bytesField(1), seek: bytesField(2), remove: bytesField(3), credit: bytesField(4) } as const;
const Add = { subscriptionId: varintField(1), topic: bytesField(2), partition: varintField(3), position: bytesField(4) } as const;
const Seek = { subscriptionId: varintField(1), position: bytesField(2) } as const;
const Remove = { subscriptionId: varintField(1) } as const;
const Credit = { totalBytes: varintField(1) } as const;

const Response = { batches: bytesField(1), started: bytesField(2), caughtUp: bytesField(3), end: bytesField(4), heartbeat: bytesField(5) } as const;
const Batches = { subscriptionId: varintField(1), batches: bytesField(2), highWatermark: varintField(3) } as const;
const Started = { subscriptionId: varintField(1), offset: varintField(2), leader: bytesField(3) } as const;
const CaughtUp = { subscriptionId: varintField(1), offset: varintField(2) } as const;
const End = { subscriptionId: varintField(1), error: bytesField(2), leader: bytesField(3) } as const;

export const subscribeRequestCodec: Codec<SubscribeRequest> = {
  encode: (request) => encode(writeRequest, request),
  decode(bytes) {
    const reader = new Reader(bytes);
    let request: SubscribeRequest = {};
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === Request.add) request = { step: "add", add: readAdd(reader.message()) };
      else if (tag === Request.seek) request = { step: "seek", seek: readSeek(reader.message()) };
      else if (tag === Request.remove) request = { step: "remove", remove: { subscriptionId: readOneInteger(reader.message(), Remove.subscriptionId) } };
      else if (tag === Request.credit) request = { step: "credit", credit: { totalBytes: readOneInteger(reader.message(), Credit.totalBytes) } };
      else reader.skip(tag);
    }
    return request;
  },
};

function writeRequest(sink: Sink, request: Init<SubscribeRequest>): void {
  if ("add" in request && request.add !== undefined) {
    sink.begin(Request.add);
    sink.integer(Add.subscriptionId, request.add.subscriptionId);
    sink.string(Add.topic, request.add.topic);
    sink.integer(Add.partition, request.add.partition);
    writePosition(sink, Add.position, request.add.position);
    sink.end();
  } else if ("seek" in request && request.seek !== undefined) {
    sink.begin(Request.seek);
    sink.integer(Seek.subscriptionId, request.seek.subscriptionId);
    writePosition(sink, Seek.position, request.seek.position);
    sink.end();
  } else if ("remove" in request && request.remove !== undefined) {
    sink.begin(Request.remove);
    sink.integer(Remove.subscriptionId, request.remove.subscriptionId);
    sink.end();
  } else if ("credit" in request && request.credit !== undefined) {
    sink.begin(Request.credit);
    sink.integer(Credit.totalBytes, request.credit.totalBytes);
    sink.end();
  }
}

function readAdd(reader: Reader): SubscribeAdd {
  const add = { subscriptionId: 0, topic: "", partition: 0, position: null as PositionMessage | null };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Add.subscriptionId) add.subscriptionId = reader.integer();
    else if (tag === Add.topic) add.topic = reader.string();
    else if (tag === Add.partition) add.partition = reader.int32();
    else if (tag === Add.position) add.position = readPosition(reader.message());
    else reader.skip(tag);
  }
  return add;
}

function readSeek(reader: Reader): { subscriptionId: number; position: PositionMessage | null } {
  const seek = { subscriptionId: 0, position: null as PositionMessage | null };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Seek.subscriptionId) seek.subscriptionId = reader.integer();
    else if (tag === Seek.position) seek.position = readPosition(reader.message());
    else reader.skip(tag);
  }
  return seek;
}

function readOneInteger(reader: Reader, field: number): number {
  let value = 0;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === field) value = reader.integer();
    else reader.skip(tag);
  }
  return value;
}

export const subscribeResponseCodec: Codec<SubscribeResponse> = {
  encode: (response) => encode(writeResponse, response),
  decode(bytes) {
    const reader = new Reader(bytes);
    let response: SubscribeResponse = {};
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === Response.batches) response = { step: "batches", batches: readBatches(reader.message()) };
      else if (tag === Response.started) response = { step: "started", started: readStarted(reader.message()) };
      else if (tag === Response.caughtUp) response = { step: "caughtUp", caughtUp: readCaughtUp(reader.message()) };
      else if (tag === Response.end) response = { step: "end", end: readEnd(reader.message()) };
      else if (tag === Response.heartbeat) {
        reader.skip(tag);
        response = { step: "heartbeat", heartbeat: {} };
      } else reader.skip(tag);
    }
    return response;
  },
};

function writeResponse(sink: Sink, response: Init<SubscribeResponse>): void {
  if ("batches" in response && response.batches !== undefined) writeBatches(sink, response.batches);
  else if ("started" in response && response.started !== undefined) {
    sink.begin(Response.started);
    sink.integer(Started.subscriptionId, response.started.subscriptionId);
    sink.integer(Started.offset, response.started.offset);
    writeLeader(sink, Started.leader, response.started.leader);
    sink.end();
  } else if ("caughtUp" in response && response.caughtUp !== undefined) {
    sink.begin(Response.caughtUp);
    sink.integer(CaughtUp.subscriptionId, response.caughtUp.subscriptionId);
    sink.integer(CaughtUp.offset, response.caughtUp.offset);
    sink.end();
  } else if ("end" in response && response.end !== undefined) {
    sink.begin(Response.end);
    sink.integer(End.subscriptionId, response.end.subscriptionId);
    writeStatus(sink, End.error, response.end.error);
    writeLeader(sink, End.leader, response.end.leader);
    sink.end();
  } else if ("heartbeat" in response && response.heartbeat !== undefined) {
    sink.begin(Response.heartbeat);
    sink.end();
  }
}

function writeBatches(sink: Sink, step: Init<SubscribeBatches>): void {
  sink.begin(Response.batches);
  sink.integer(Batches.subscriptionId, step.subscriptionId);
  for (const batch of step.batches ?? []) {
    sink.begin(Batches.batches);
    writeBatch(sink, batch);
    sink.end();
  }
  sink.integer(Batches.highWatermark, step.highWatermark);
  sink.end();
}

function readBatches(reader: Reader): SubscribeBatches {
  const batches: RecordBatch[] = [];
  const step = { subscriptionId: 0, batches, highWatermark: 0 };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Batches.subscriptionId) step.subscriptionId = reader.integer();
    else if (tag === Batches.batches) batches.push(readBatch(reader.message()));
    else if (tag === Batches.highWatermark) step.highWatermark = reader.integer();
    else reader.skip(tag);
  }
  return step;
}

function readStarted(reader: Reader): SubscribeStarted {
  const started = { subscriptionId: 0, offset: 0, leader: null as PartitionLeaderMessage | null };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Started.subscriptionId) started.subscriptionId = reader.integer();
    else if (tag === Started.offset) started.offset = reader.integer();
    else if (tag === Started.leader) started.leader = readLeader(reader.message());
    else reader.skip(tag);
  }
  return started;
}

function readCaughtUp(reader: Reader): { subscriptionId: number; offset: number } {
  const caughtUp = { subscriptionId: 0, offset: 0 };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === CaughtUp.subscriptionId) caughtUp.subscriptionId = reader.integer();
    else if (tag === CaughtUp.offset) caughtUp.offset = reader.integer();
    else reader.skip(tag);
  }
  return caughtUp;
}

function readEnd(reader: Reader): SubscribeEnd {
  const end = { subscriptionId: 0, error: null as StatusMessage | null, leader: null as PartitionLeaderMessage | null };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === End.subscriptionId) end.subscriptionId = reader.integer();
    else if (tag === End.error) end.error = readStatus(reader.message());
    else if (tag === End.leader) end.leader = readLeader(reader.message());
    else reader.skip(tag);
  }
  return end;
}
