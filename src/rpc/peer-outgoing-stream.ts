import type * as grpc from "@grpc/grpc-js";
import { QuireError } from "../base/errors.js";
import { MIB } from "../base/limits.js";
import type { Clock, Timer } from "../base/ports.js";
import { openBidi } from "../wire/call.js";
import { peerChannelOptions } from "../wire/channel-options.js";
import { fromGrpcError } from "../wire/status.js";
import type { Channel, Dial } from "../wire/transport.js";
import { decodePeerMessage, encodePeerMessage, type Hello, PROTOCOL_VERSION } from "./peer-codec.js";
import { PeerOutbox } from "./peer-outbox.js";
import { type PeerTiming, peerService, type StreamKind } from "./peer-protocol.js";

const OUTBOX_BYTES_MAX: Readonly<Record<StreamKind, number>> = { bulk: 32 * MIB, control: 4 * MIB };
/** Heartbeats that may be unanswered; more say nothing new. */
const UNANSWERED_MAX = 32;
const HEARTBEAT = Buffer.alloc(0);

export interface OutgoingStreamOptions {
  readonly kind: StreamKind;
  readonly address: string;
  /** What this broker says; the peer must answer as `hello.toNodeId` of the same cluster. */
  readonly hello: Hello;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly timing: PeerTiming;
}

export interface OutgoingStreamEvents {
  /** The peer's Hello matched. */
  onOpen(incarnation: string): void;
  onHeard(): void;
  /** Once, whatever the reason, unless `close` was called before. */
  onClosed(error: QuireError): void;
}

/** One connection to a peer and the one stream on it, from dialling to its end. */
export class OutgoingStream {
  readonly outbox: PeerOutbox;
  readonly #options: OutgoingStreamOptions;
  readonly #events: OutgoingStreamEvents;
  readonly #channel: Channel;
  readonly #call: grpc.ClientDuplexStream<Uint8Array, Buffer>;
  readonly #handshake: Timer;
  #incarnation: string | undefined;
  #closed = false;
  /** Since it wrote anything. */
  #quietTicks = 0;
  readonly #quietTicksMax: number;
  #unanswered = 0;
  #answeredMs = 0;

  constructor(options: OutgoingStreamOptions, events: OutgoingStreamEvents) {
    this.#options = options;
    this.#events = events;
    const { heartbeatMs, bulkHeartbeatMs } = options.timing;
    this.#quietTicksMax = options.kind === "control" ? 1 : Math.floor(bulkHeartbeatMs / heartbeatMs);
    this.#channel = options.dial(options.address, peerChannelOptions);
    this.#call = openBidi(this.#channel, options.kind === "bulk" ? peerService.Bulk : peerService.Control);
    this.#call.on("data", (bytes: Buffer) => this.#received(bytes));
    this.#call.on("error", (error) => this.fail(fromGrpcError(error)));
    this.#call.on("end", () => this.fail(new QuireError("BROKER_UNREACHABLE", "the peer ended the stream")));
    this.outbox = new PeerOutbox(OUTBOX_BYTES_MAX[options.kind], (message, taken) => this.#write(message, taken));
    this.#handshake = options.clock.after(options.timing.handshakeMs, () => {
      this.fail(new QuireError("BROKER_UNREACHABLE", `the peer did not answer within ${options.timing.handshakeMs} ms`));
    });
    this.#write(encodePeerMessage({ hello: options.hello }), () => {});
  }

  /** The peer's, once it has answered. */
  get incarnation(): string | undefined {
    return this.#closed ? undefined : this.#incarnation;
  }

  /** Says that the stream lives if nothing else was said for a while, and gives it up when that goes unanswered. */
  tick(nowMs: number): void {
    if (this.#closed || this.#incarnation === undefined) return;
    if (this.#unanswered > 0 && nowMs - this.#answeredMs > this.#options.timing.cutMs) {
      this.fail(new QuireError("BROKER_UNREACHABLE", `the peer did not answer a heartbeat within ${this.#options.timing.cutMs} ms`));
      return;
    }
    if (this.#quietTicks >= this.#quietTicksMax && this.#unanswered < UNANSWERED_MAX) {
      if (this.#unanswered === 0) this.#answeredMs = nowMs;
      this.#unanswered += 1;
      this.#write(HEARTBEAT, () => {});
    }
    this.#quietTicks += 1;
  }

  /** A pause of this process must not count as the peer's silence. */
  forgive(nowMs: number): void {
    this.#answeredMs = nowMs;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handshake.cancel();
    this.outbox.clear();
    this.#call.on("error", () => {});
    this.#call.cancel();
    this.#channel.close();
  }

  /** Gives the stream up, as when it breaks. */
  fail(error: QuireError): void {
    if (this.#closed) return;
    this.close();
    this.#events.onClosed(error);
  }

  #write(message: Buffer, taken: () => void): void {
    if (this.#closed) return;
    this.#quietTicks = 0;
    this.#call.write(message, () => {
      if (!this.#closed) taken();
    });
  }

  #received(bytes: Buffer): void {
    if (this.#closed) return;
    if (this.#incarnation === undefined) {
      this.#receivedHello(bytes);
      return;
    }
    if (this.#unanswered > 0) this.#unanswered -= 1;
    this.#answeredMs = this.#options.clock.monotonicMs();
    this.#events.onHeard();
  }

  #receivedHello(bytes: Buffer): void {
    let hello: Hello | undefined;
    try {
      hello = decodePeerMessage(bytes).hello;
      if (hello === undefined) throw new QuireError("INVALID_FIELD", "the peer's first message is no Hello");
      checkHello(hello, this.#options.hello.toNodeId, this.#options.hello.clusterId);
    } catch (thrown) {
      this.fail(thrown instanceof QuireError ? thrown : new QuireError("INVALID_FIELD", "the peer speaks another protocol", { cause: thrown }));
      return;
    }
    this.#handshake.cancel();
    this.#incarnation = hello.incarnation;
    this.#events.onOpen(hello.incarnation);
  }
}

/** Whether a Hello is of the broker it should be. @throws QuireError CLUSTER_MISMATCH or UNSUPPORTED, with both values */
export function checkHello(hello: Hello, nodeId: number, clusterId: string): void {
  if (hello.protocolVersion !== PROTOCOL_VERSION) {
    throw new QuireError(
      "UNSUPPORTED",
      `the peer speaks protocol version ${hello.protocolVersion}, this broker ${PROTOCOL_VERSION}; run the same release on both`,
      {
        details: { theirs: hello.protocolVersion, ours: PROTOCOL_VERSION },
      },
    );
  }
  if (hello.clusterId !== clusterId) {
    throw new QuireError("CLUSTER_MISMATCH", `the peer belongs to cluster ${hello.clusterId}, this broker to ${clusterId}; check its address`, {
      details: { theirs: hello.clusterId, ours: clusterId },
    });
  }
  if (hello.nodeId !== nodeId) {
    throw new QuireError("CLUSTER_MISMATCH", `node ${hello.nodeId} answers where node ${nodeId} was expected; check its address`, {
      details: { theirs: hello.nodeId, expected: nodeId },
    });
  }
}
