/** `PeerService` (peer.proto) with its codecs, and the times that links between brokers keep. */
import { assert } from "../base/assert.js";
import { type BidiMethod, loadProto, service, type UnaryMethod } from "../wire/method.js";

export interface BrokerMessage {
  readonly nodeId: number;
  readonly incarnation: string;
  readonly address: string;
  readonly peerAddress: string;
  readonly rack: string;
}
export interface ProbeResponse {
  readonly broker: BrokerMessage | null;
  readonly state: number;
  readonly founders: string;
  readonly clusterId?: string;
  readonly foundingRecord?: Buffer;
}
export interface RegisterBrokerRequest {
  readonly broker: BrokerMessage | null;
}
export interface RegisterBrokerResponse {
  readonly metadataReplicaId: number;
}
export interface ChangeGroupRequest {
  readonly command: Buffer;
}
export interface ChangeGroupResponse {
  readonly generation: number;
  readonly begunAfter: number;
}
export interface DeleteGroupRequest {
  readonly group: string;
  readonly version: number;
}
type Empty = Record<never, never>;

/** Streams carry bytes: their ends decode by themselves, since one that speaks garbage is cut off and logged. */
export type PeerService = {
  readonly Bulk: BidiMethod<Buffer, Buffer>;
  readonly Control: BidiMethod<Buffer, Buffer>;
  readonly Probe: UnaryMethod<Empty, ProbeResponse>;
  readonly Found: UnaryMethod<{ readonly foundingRecord: Buffer }, Empty>;
  readonly RegisterBroker: UnaryMethod<RegisterBrokerRequest, RegisterBrokerResponse>;
  readonly ChangeGroup: UnaryMethod<ChangeGroupRequest, ChangeGroupResponse>;
  readonly DeleteGroup: UnaryMethod<DeleteGroupRequest, Empty>;
};

const bytes = { encode: (message: Uint8Array): Buffer => message as Buffer, decode: (message: Buffer): Buffer => message };
const stream = { request: bytes, response: bytes };

export const peerService = service<PeerService>(loadProto(["quire/internal/v1/peer.proto"]), "quire.internal.v1.PeerService", {
  Bulk: stream,
  Control: stream,
});

/** `bulk`: appends with entries, and snapshots. `control`: all else. Each has a connection of its own. */
export type StreamKind = "bulk" | "control";

export interface PeerTiming {
  /** A control stream that said nothing for so long says that it lives; also how often links are looked after. */
  readonly heartbeatMs: number;
  /** The same of a bulk stream: who is alive is heard on the other, so it only has to be found out in time when this one alone is dead. */
  readonly bulkHeartbeatMs: number;
  /** Nothing came from the peer for so long: it is `silent`. */
  readonly silentMs: number;
  /** Nothing came, or a heartbeat was not answered, for so long: the connections are given up and dialled anew. */
  readonly cutMs: number;
  /** From dialling to the peer's Hello. */
  readonly handshakeMs: number;
  /** Pause before the first redial; it doubles up to the maximum, and half of it is random. */
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
}

/** A peer that is silent as long as a leader may be is as good as gone; all else follows from that. */
export function peerTimingOf({ heartbeatMs, electionTimeoutMs }: { readonly heartbeatMs: number; readonly electionTimeoutMs: number }): PeerTiming {
  return {
    heartbeatMs: Math.floor(Math.min(1.5 * heartbeatMs, electionTimeoutMs / 3)),
    bulkHeartbeatMs: electionTimeoutMs,
    silentMs: electionTimeoutMs,
    cutMs: 3 * electionTimeoutMs,
    handshakeMs: 2 * electionTimeoutMs,
    backoffMsMin: 50,
    backoffMsMax: electionTimeoutMs,
  };
}

export function checkPeerTiming(timing: PeerTiming): void {
  assert(timing.heartbeatMs * 3 <= timing.silentMs, "three heartbeats fit into the time after which a peer is silent");
  assert(
    timing.heartbeatMs <= timing.bulkHeartbeatMs && timing.bulkHeartbeatMs < timing.cutMs,
    "a bulk stream beats no more often than its ticks, and before it is given up",
  );
  assert(timing.silentMs < timing.cutMs, "a peer is silent before its connections are given up");
}
