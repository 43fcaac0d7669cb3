/** `Envelope` (peer.proto): what the replicas of one set say to each other, as bytes between brokers. */
import { assert, unreachable } from "../base/assert.js";
import { EntryKind } from "../base/entry-kind.js";
import type { Frame } from "../base/frame.js";
import { decodeFrames, FRAME_HEADER_BYTES, frameBytes, writeFrameHeader } from "../base/frame-codec.js";
import { type LogIndex, logIndex, type Offset, offset, replicaId, replicaSetId, type Term, term } from "../base/ids.js";
import { decodeConfiguration, encodeConfiguration } from "../replica/configuration-codec.js";
import type { Payload, ReplicaEnvelope, SnapshotMeta } from "../replica/types.js";
import { MalformedError, type Reader } from "../wire/reader.js";
import { bytesField, varintField } from "../wire/tags.js";
import type { Sink } from "../wire/writer.js";

type Message = ReplicaEnvelope["message"];
type Of<Kind extends Message["kind"]> = Extract<Message, { readonly kind: Kind }>;
type Append = Of<"append">;
type Entry = Append["entries"][number];
interface Position {
  readonly index: LogIndex;
  readonly term: Term;
}

/** A piece of a snapshot's state; the first has offset 0. Pieces of one snapshot come in order on one stream. */
export interface SnapshotPart {
  readonly envelope: Omit<ReplicaEnvelope, "message">;
  readonly term: Term;
  readonly snapshot: SnapshotMeta;
  readonly nextOffset: Offset;
  readonly stateBytes: number;
  readonly partOffset: number;
  readonly part: Buffer;
}

const Envelope = { replicaSetId: varintField(1), from: varintField(2), to: varintField(3), term: varintField(4) } as const;
const Kind = {
  preVote: bytesField(5),
  preVoteReply: bytesField(6),
  vote: bytesField(7),
  voteReply: bytesField(8),
  append: bytesField(9),
  appendReply: bytesField(10),
  heartbeat: bytesField(11),
  heartbeatReply: bytesField(12),
  snapshotPart: bytesField(13),
  timeoutNow: bytesField(14),
  tailQuery: bytesField(15),
  tailReply: bytesField(16),
} as const;

/** Writes the fields of an envelope. `part` says which piece of a snapshot's state goes along. */
export function writeEnvelope(sink: Sink, envelope: ReplicaEnvelope, part: { readonly offset: number; readonly bytes: number }): void {
  const { message } = envelope;
  sink.integer(Envelope.replicaSetId, envelope.replicaSetId);
  sink.integer(Envelope.from, envelope.from);
  sink.integer(Envelope.to, envelope.to);
  sink.integer(Envelope.term, message.term);
  switch (message.kind) {
    case "append":
      writeAppend(sink, message);
      break;
    case "append-reply":
      writeAppendReply(sink, message);
      break;
    case "snapshot":
      writeSnapshotPart(sink, message, part);
      break;
    case "tail-reply":
      writeTailReply(sink, message);
      break;
    default:
      writeSmall(sink, message);
      break;
  }
}

function writeSmall(sink: Sink, message: Exclude<Message, Append | Of<"append-reply"> | Of<"snapshot"> | Of<"tail-reply">>): void {
  switch (message.kind) {
    case "pre-vote":
      sink.begin(Kind.preVote);
      writePosition(sink, bytesField(1), message.last);
      break;
    case "vote":
      sink.begin(Kind.vote);
      writePosition(sink, bytesField(1), message.last);
      sink.bool(varintField(2), message.transfer);
      break;
    case "pre-vote-reply":
    case "vote-reply":
      sink.begin(message.kind === "vote-reply" ? Kind.voteReply : Kind.preVoteReply);
      sink.bool(varintField(1), message.granted);
      break;
    case "heartbeat":
      sink.begin(Kind.heartbeat);
      sink.integer(varintField(1), message.commit);
      sink.integer(varintField(2), message.round);
      sink.bool(varintField(3), message.quiesce);
      break;
    case "heartbeat-reply":
      sink.begin(Kind.heartbeatReply);
      sink.integer(varintField(1), message.round);
      break;
    case "timeout-now":
      sink.begin(Kind.timeoutNow);
      break;
    case "tail-query":
      sink.begin(Kind.tailQuery);
      sink.integer(varintField(1), message.nonce);
      break;
    default:
      unreachable(message);
  }
  sink.end();
}

function writePosition(sink: Sink, tag: number, position: Position): void {
  sink.begin(tag);
  sink.integer(varintField(1), position.index);
  sink.integer(varintField(2), position.term);
  sink.end();
}

const AppendField = { previous: bytesField(1), commit: varintField(2), round: varintField(3), frames: bytesField(4) } as const;

function writeAppend(sink: Sink, message: Append): void {
  sink.begin(Kind.append);
  writePosition(sink, AppendField.previous, message.previous);
  sink.integer(AppendField.commit, message.commit);
  sink.integer(AppendField.round, message.round);
  let bytes = 0;
  for (const entry of message.entries) bytes += frameBytes(frameOf(entry.payload));
  sink.region(AppendField.frames, bytes, (buffer, start) => {
    let at = start;
    for (const entry of message.entries) {
      const frame = frameOf(entry.payload);
      writeFrameHeader(buffer, at, frame);
      buffer.set(frame.body, at + FRAME_HEADER_BYTES);
      at += frameBytes(frame);
    }
  });
  sink.end();
}

/** Entries leave a broker only as the frames that its log holds. */
export function frameOf(payload: Payload | null): Frame {
  assert(payload !== null && "index" in payload, "an entry that is sent has its place in a log");
  return payload;
}

const ReplyField = { match: varintField(1), round: varintField(2), rejected: bytesField(3) } as const;
const RejectionField = { previous: varintField(1), hint: bytesField(2) } as const;

function writeAppendReply(sink: Sink, message: Of<"append-reply">): void {
  sink.begin(Kind.appendReply);
  sink.integer(ReplyField.match, message.match);
  sink.integer(ReplyField.round, message.round);
  if (message.rejected !== undefined) {
    sink.begin(ReplyField.rejected);
    sink.integer(RejectionField.previous, message.rejected.previous);
    writePosition(sink, RejectionField.hint, message.rejected.hint);
    sink.end();
  }
  sink.end();
}

const PartField = {
  position: bytesField(1),
  configuration: bytesField(2),
  nextOffset: varintField(3),
  stateBytes: varintField(4),
  partOffset: varintField(5),
  part: bytesField(6),
} as const;

function writeSnapshotPart(sink: Sink, message: Of<"snapshot">, part: { readonly offset: number; readonly bytes: number }): void {
  const { state } = message;
  assert("state" in state, "a snapshot that is sent has its state");
  sink.begin(Kind.snapshotPart);
  writePosition(sink, PartField.position, message.snapshot);
  sink.bytes(PartField.configuration, encodeConfiguration(message.snapshot.configuration));
  sink.integer(PartField.nextOffset, state.nextOffset);
  sink.integer(PartField.stateBytes, state.state.length);
  sink.integer(PartField.partOffset, part.offset);
  sink.bytes(PartField.part, state.state.subarray(part.offset, part.offset + part.bytes));
  sink.end();
}

const LogStates = ["whole", "torn", "damaged"] as const satisfies readonly Of<"tail-reply">["log"][];
const TailField = { nonce: varintField(1), last: bytesField(2), configuration: bytesField(3), log: varintField(4) } as const;

function writeTailReply(sink: Sink, message: Of<"tail-reply">): void {
  sink.begin(Kind.tailReply);
  sink.integer(TailField.nonce, message.nonce);
  writePosition(sink, TailField.last, message.last);
  sink.bytes(TailField.configuration, encodeConfiguration(message.configuration));
  sink.integer(TailField.log, LogStates.indexOf(message.log) + 1);
  sink.end();
}

/** @throws MalformedError or QuireError for anything that no broker of this protocol version sends */
export function readEnvelope(reader: Reader): ReplicaEnvelope | SnapshotPart {
  let set = 0;
  let from = 0;
  let to = 0;
  let termOf = 0;
  let kind = 0;
  let body: Reader | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Envelope.replicaSetId) set = natural(reader);
    else if (tag === Envelope.from) from = natural(reader);
    else if (tag === Envelope.to) to = natural(reader);
    else if (tag === Envelope.term) termOf = natural(reader);
    else if (tag >= Kind.preVote && tag <= Kind.tailReply && (tag & 7) === 2) {
      kind = tag;
      body = reader.message();
    } else reader.skip(tag);
  }
  if (body === undefined) throw new MalformedError("an envelope has no message that this version knows");
  const head = { replicaSetId: replicaSetId(set), from: replicaId(from), to: replicaId(to) };
  if (kind === Kind.snapshotPart) return readSnapshotPart(body, head, term(termOf));
  return { replicaSetId: head.replicaSetId, from: head.from, to: head.to, message: readMessage(kind, body, term(termOf)) };
}

function natural(reader: Reader): number {
  const value = reader.integer();
  if (value < 0) throw new MalformedError(`a number that counts is ${value}`);
  return value;
}

/** The fields of a small message by number: naturals as they are, nested messages as readers. */
interface Fields {
  readonly numbers: readonly number[];
  readonly messages: readonly (Reader | undefined)[];
}

function readFields(reader: Reader): Fields {
  const numbers = [0, 0, 0, 0, 0, 0, 0];
  const messages: (Reader | undefined)[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    const field = tag >>> 3;
    const wireType = tag & 7;
    if (field < numbers.length && wireType === 0) numbers[field] = natural(reader);
    else if (field < numbers.length && wireType === 2) messages[field] = reader.message();
    else reader.skip(tag);
  }
  return { numbers, messages };
}

const numberOf = (fields: Fields, field: number): number => fields.numbers[field] ?? 0;

function positionOf(fields: Fields, field: number): Position {
  const reader = fields.messages[field];
  if (reader === undefined) throw new MalformedError("a message lacks its place in the log");
  const position = readFields(reader);
  return { index: logIndex(numberOf(position, 1)), term: term(numberOf(position, 2)) };
}

function bytesOf(fields: Fields, field: number): Buffer {
  const reader = fields.messages[field];
  return reader === undefined ? Buffer.alloc(0) : reader.buffer.subarray(reader.position, reader.end);
}

function readMessage(kind: number, body: Reader, termOf: Term): Message {
  const fields = readFields(body);
  switch (kind) {
    case Kind.preVote:
      return { kind: "pre-vote", term: termOf, last: positionOf(fields, 1) };
    case Kind.preVoteReply:
      return { kind: "pre-vote-reply", term: termOf, granted: numberOf(fields, 1) !== 0 };
    case Kind.vote:
      return { kind: "vote", term: termOf, last: positionOf(fields, 1), transfer: numberOf(fields, 2) !== 0 };
    case Kind.voteReply:
      return { kind: "vote-reply", term: termOf, granted: numberOf(fields, 1) !== 0 };
    case Kind.append:
      return readAppend(fields, termOf);
    case Kind.appendReply:
      return readAppendReply(fields, termOf);
    case Kind.heartbeat:
      return { kind: "heartbeat", term: termOf, commit: logIndex(numberOf(fields, 1)), round: numberOf(fields, 2), quiesce: numberOf(fields, 3) !== 0 };
    case Kind.heartbeatReply:
      return { kind: "heartbeat-reply", term: termOf, round: numberOf(fields, 1) };
    case Kind.timeoutNow:
      return { kind: "timeout-now", term: termOf };
    case Kind.tailQuery:
      return { kind: "tail-query", term: termOf, nonce: numberOf(fields, 1) };
    default:
      return readTailReply(fields, termOf);
  }
}

function readAppend(fields: Fields, termOf: Term): Append {
  const previous = positionOf(fields, 1);
  const entries: Entry[] = [];
  let last = previous;
  for (const frame of decodeFrames(bytesOf(fields, 4))) {
    if (frame.index !== last.index + 1 || frame.term < last.term || frame.term > termOf) {
      throw new MalformedError(`entry ${frame.index}/${frame.term} cannot follow ${last.index}/${last.term} in an append of term ${termOf}`);
    }
    const { index, kind } = frame;
    if (kind === EntryKind.configuration) entries.push({ index, term: frame.term, kind, payload: frame, configuration: decodeConfiguration(frame.body) });
    else entries.push({ index, term: frame.term, kind, payload: frame });
    last = frame;
  }
  return { kind: "append", term: termOf, previous, commit: logIndex(numberOf(fields, 2)), round: numberOf(fields, 3), entries };
}

function readAppendReply(fields: Fields, termOf: Term): Of<"append-reply"> {
  const reply = { kind: "append-reply", term: termOf, match: logIndex(numberOf(fields, 1)), round: numberOf(fields, 2) } as const;
  const rejected = fields.messages[3];
  if (rejected === undefined) return reply;
  const rejection = readFields(rejected);
  return { ...reply, rejected: { previous: logIndex(numberOf(rejection, 1)), hint: positionOf(rejection, 2) } };
}

function readTailReply(fields: Fields, termOf: Term): Of<"tail-reply"> {
  const log = LogStates[numberOf(fields, 4) - 1];
  if (log === undefined) throw new MalformedError("a tail reply says nothing");
  const configuration = decodeConfiguration(bytesOf(fields, 3));
  return { kind: "tail-reply", term: termOf, nonce: numberOf(fields, 1), last: positionOf(fields, 2), configuration, log };
}

function readSnapshotPart(body: Reader, envelope: SnapshotPart["envelope"], termOf: Term): SnapshotPart {
  const fields = readFields(body);
  const part = bytesOf(fields, 6);
  const stateBytes = numberOf(fields, 4);
  const partOffset = numberOf(fields, 5);
  if (partOffset + part.length > stateBytes) throw new MalformedError(`a snapshot's part ends at ${partOffset + part.length}, its state at ${stateBytes}`);
  return {
    envelope,
    term: termOf,
    snapshot: { ...positionOf(fields, 1), configuration: decodeConfiguration(bytesOf(fields, 2)) },
    nextOffset: offset(numberOf(fields, 3)),
    stateBytes,
    partOffset,
    part,
  };
}
