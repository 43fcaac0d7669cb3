/** `BulkRequest`, `ControlRequest` and their responses (peer.proto): one layout, since a link's two streams differ only in what they carry. */

import type { DiskRoom } from "../base/disk-room.js";
import { frameBytes } from "../base/frame-codec.js";
import { replicaSetId, term } from "../base/ids.js";
import { limits, MIB } from "../base/limits.js";
import type { Leadership } from "../cluster/view.js";
import type { ReplicaEnvelope } from "../replica/types.js";
import { MalformedError, Reader } from "../wire/reader.js";
import { bytesField, varintField } from "../wire/tags.js";
import { encode, type Sink } from "../wire/writer.js";
import { frameOf, readEnvelope, type SnapshotPart, writeEnvelope } from "./peer-envelope-codec.js";

export const PROTOCOL_VERSION = 1;

export interface Hello {
  readonly protocolVersion: number;
  readonly clusterId: string;
  readonly nodeId: number;
  readonly incarnation: string;
  readonly toNodeId: number;
}

export interface LeadershipsMessage {
  /** Forget what was said before. */
  readonly full: boolean;
  readonly leaderships: readonly Leadership[];
}

/** An envelope on its way out; a large snapshot is several parcels. */
export interface Parcel {
  readonly envelope: ReplicaEnvelope;
  readonly part: { readonly offset: number; readonly bytes: number };
  /** About what it takes on the wire. */
  readonly bytes: number;
}

export interface OutgoingMessage {
  readonly hello?: Hello;
  readonly parcels?: readonly Parcel[];
  readonly leaderships?: LeadershipsMessage;
  readonly diskRoom?: DiskRoom;
}
export interface IncomingMessage {
  readonly hello: Hello | undefined;
  readonly envelopes: readonly (ReplicaEnvelope | SnapshotPart)[];
  readonly leaderships: LeadershipsMessage | undefined;
  /** Undefined: as before. */
  readonly diskRoom: DiskRoom | undefined;
}

/** Envelope and numbers of a message, about. */
const ENVELOPE_BYTES = 64;
const SNAPSHOT_WHOLE_BYTES_MAX = limits.peerMessageBytes / 2;
const SNAPSHOT_PART_BYTES = MIB;
const WHOLE = { offset: 0, bytes: 0 };

/** Cuts an envelope into what fits into messages. */
export function parcelsOf(envelope: ReplicaEnvelope): Parcel[] {
  const { message } = envelope;
  if (message.kind === "append") {
    let bytes = ENVELOPE_BYTES;
    for (const entry of message.entries) bytes += frameBytes(frameOf(entry.payload));
    return [{ envelope, part: WHOLE, bytes }];
  }
  if (message.kind !== "snapshot" || !("state" in message.state)) return [{ envelope, part: WHOLE, bytes: ENVELOPE_BYTES }];
  const total = message.state.state.length;
  const partBytes = total <= SNAPSHOT_WHOLE_BYTES_MAX ? total : SNAPSHOT_PART_BYTES;
  const parcels: Parcel[] = [];
  for (let offset = 0; offset < total || offset === 0; offset += Math.max(1, partBytes)) {
    const bytes = Math.min(partBytes, total - offset);
    parcels.push({ envelope, part: { offset, bytes }, bytes: bytes + 4 * ENVELOPE_BYTES });
  }
  return parcels;
}

const Message = { hello: bytesField(1), envelopes: bytesField(2), leaderships: bytesField(3), diskRoom: varintField(4) } as const;
/** By number; the first is what was not said. */
const DISK_ROOMS: readonly (DiskRoom | undefined)[] = [undefined, "enough", "low", "none"];
const HelloField = {
  protocolVersion: varintField(1),
  clusterId: bytesField(2),
  nodeId: varintField(3),
  incarnation: bytesField(4),
  toNodeId: varintField(5),
} as const;
const LeadershipsField = { full: varintField(1), leaderships: bytesField(2) } as const;
const LeadershipField = { replicaSetId: varintField(1), term: varintField(2), leads: varintField(3) } as const;

export const encodePeerMessage = (message: OutgoingMessage): Buffer => encode(writeMessage, message);

function writeMessage(sink: Sink, message: OutgoingMessage): void {
  if (message.hello !== undefined) {
    sink.begin(Message.hello);
    sink.integer(HelloField.protocolVersion, message.hello.protocolVersion);
    sink.string(HelloField.clusterId, message.hello.clusterId);
    sink.integer(HelloField.nodeId, message.hello.nodeId);
    sink.string(HelloField.incarnation, message.hello.incarnation);
    sink.integer(HelloField.toNodeId, message.hello.toNodeId);
    sink.end();
  }
  for (const parcel of message.parcels ?? []) {
    sink.begin(Message.envelopes);
    writeEnvelope(sink, parcel.envelope, parcel.part);
    sink.end();
  }
  if (message.leaderships !== undefined) writeLeaderships(sink, message.leaderships);
  if (message.diskRoom !== undefined) sink.integer(Message.diskRoom, DISK_ROOMS.indexOf(message.diskRoom));
}

function writeLeaderships(sink: Sink, { full, leaderships }: LeadershipsMessage): void {
  sink.begin(Message.leaderships);
  sink.bool(LeadershipsField.full, full);
  for (const leadership of leaderships) {
    sink.begin(LeadershipsField.leaderships);
    sink.integer(LeadershipField.replicaSetId, leadership.replicaSetId);
    sink.integer(LeadershipField.term, leadership.term);
    sink.bool(LeadershipField.leads, leadership.leads);
    sink.end();
  }
  sink.end();
}

/** @throws MalformedError or QuireError for anything that no broker sends */
export function decodePeerMessage(bytes: Buffer): IncomingMessage {
  const reader = new Reader(bytes);
  let hello: Hello | undefined;
  let leaderships: LeadershipsMessage | undefined;
  let diskRoom: DiskRoom | undefined;
  const envelopes: (ReplicaEnvelope | SnapshotPart)[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === Message.envelopes) envelopes.push(readEnvelope(reader.message()));
    else if (tag === Message.hello) hello = readHello(reader.message());
    else if (tag === Message.leaderships) leaderships = readLeaderships(reader.message());
    else if (tag === Message.diskRoom) diskRoom = DISK_ROOMS[reader.int32()];
    else reader.skip(tag);
  }
  return { hello, envelopes, leaderships, diskRoom };
}

function readHello(reader: Reader): Hello {
  const hello = { protocolVersion: 0, clusterId: "", nodeId: 0, incarnation: "", toNodeId: 0 };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === HelloField.protocolVersion) hello.protocolVersion = reader.int32();
    else if (tag === HelloField.clusterId) hello.clusterId = reader.string();
    else if (tag === HelloField.nodeId) hello.nodeId = reader.int32();
    else if (tag === HelloField.incarnation) hello.incarnation = reader.string();
    else if (tag === HelloField.toNodeId) hello.toNodeId = reader.int32();
    else reader.skip(tag);
  }
  return hello;
}

function readLeaderships(reader: Reader): LeadershipsMessage {
  let full = false;
  const leaderships: Leadership[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === LeadershipsField.full) full = reader.bool();
    else if (tag === LeadershipsField.leaderships) leaderships.push(readLeadership(reader.message()));
    else reader.skip(tag);
  }
  return { full, leaderships };
}

function readLeadership(reader: Reader): Leadership {
  let set = 0;
  let termOf = 0;
  let leads = false;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === LeadershipField.replicaSetId) set = reader.integer();
    else if (tag === LeadershipField.term) termOf = reader.integer();
    else if (tag === LeadershipField.leads) leads = reader.bool();
    else reader.skip(tag);
  }
  if (set < 0 || termOf < 0) throw new MalformedError(`a leadership of replica set ${set} in term ${termOf}`);
  return { replicaSetId: replicaSetId(set), term: term(termOf), leads };
}
