import type { DiskRoom } from "../base/disk-room.js";
import { QuireError } from "../base/errors.js";
import { type NodeId, nodeId, type ReplicaSetId, type Term } from "../base/ids.js";
import type { Clock, Logger, Random, Timer } from "../base/ports.js";
import type { Leadership } from "../cluster/view.js";
import type { Peers, ReplicaEnvelope } from "../replica/types.js";
import type { Dial } from "../wire/transport.js";
import { type Hello, PROTOCOL_VERSION } from "./peer-codec.js";
import { type IncomingCall, IncomingStream, type IncomingStreamOwner, type Told } from "./peer-incoming-stream.js";
import { PeerLink, type PeerNetworkEvents } from "./peer-link.js";
import { checkHello } from "./peer-outgoing-stream.js";
import { checkPeerTiming, type PeerTiming, type StreamKind } from "./peer-protocol.js";

export interface PeerNetworkOptions {
  readonly self: { readonly nodeId: NodeId; readonly clusterId: string; readonly incarnation: string };
  readonly events: PeerNetworkEvents;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly timing: PeerTiming;
}

export interface PeerAddress {
  readonly nodeId: NodeId;
  /** `host:port` that brokers use among themselves. */
  readonly address: string;
}

/** Strangers whose refusal was logged; beyond it they are forgotten and may be logged again. */
const LOGGED_STRANGERS_MAX = 1_000;

/**
 * The links to all other brokers of the cluster. Sending never blocks and may lose; messages between two brokers keep their order per stream
 * (`bulk`: appends with entries, snapshots; `control`: all else), not between the two. Messages may arrive shortly before `onPeerUp`.
 */
export class PeerNetwork implements Peers, IncomingStreamOwner {
  readonly #options: PeerNetworkOptions;
  readonly #timing: PeerTiming;
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #linkOf = new Map<IncomingStream, PeerLink>();
  /** Streams that have not said who they are. */
  readonly #unknown = new Set<IncomingStream>();
  readonly #led = new Map<ReplicaSetId, Term>();
  #diskRoom: DiskRoom = "enough";
  readonly #loggedStrangers = new Set<string>();
  readonly #ticker: Timer;
  #tickedMs: number;
  #stopped = false;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    this.#timing = options.timing;
    checkPeerTiming(this.#timing);
    this.#tickedMs = options.clock.monotonicMs();
    this.#ticker = options.clock.every(this.#timing.heartbeatMs, () => this.#tick());
  }

  /** The brokers to be linked with: adds, removes, and dials changed addresses anew. This broker itself is left out. */
  setPeers(peers: readonly PeerAddress[]): void {
    if (this.#stopped) return;
    const wanted = new Map(peers.filter((peer) => peer.nodeId !== this.#options.self.nodeId).map((peer) => [peer.nodeId, peer.address]));
    for (const link of this.#links.values()) {
      if (wanted.get(link.nodeId) === link.address) continue;
      this.#links.delete(link.nodeId);
      link.stop();
    }
    for (const [node, address] of wanted) {
      if (this.#links.has(node)) continue;
      const link = this.#link(node, address);
      this.#links.set(node, link);
      link.start();
    }
  }

  send(to: NodeId, envelope: ReplicaEnvelope): boolean {
    return this.#links.get(to)?.send(envelope) ?? false;
  }

  queuedBytes(to: NodeId): number {
    const link = this.#links.get(to);
    return link?.isUp === true ? link.queuedBytes : Number.POSITIVE_INFINITY;
  }

  takesRecords(to: NodeId): boolean {
    return this.diskRoomOf(to) !== "none";
  }

  /** How much room another broker says that its disk has. */
  diskRoomOf(node: NodeId): DiskRoom {
    return this.#links.get(node)?.diskRoom ?? "enough";
  }

  isUp(node: NodeId): boolean {
    return this.#links.get(node)?.isUp ?? false;
  }

  /** Tells all peers what this broker leads from now on, or no longer. Whoever connects later is told all that holds then. */
  announceLeaderships(changes: readonly Leadership[]): void {
    for (const { replicaSetId, term, leads } of changes) {
      if (leads) this.#led.set(replicaSetId, term);
      else this.#led.delete(replicaSetId);
    }
    for (const link of this.#links.values()) link.announce(changes);
  }

  /** Tells all peers how much room this broker's disk has from now on. */
  announceDiskRoom(room: DiskRoom): void {
    this.#diskRoom = room;
    for (const link of this.#links.values()) link.announceDiskRoom();
  }

  /** Takes a stream that a peer opened; for the peer service. */
  accept(kind: StreamKind, call: IncomingCall): void {
    const stream = new IncomingStream(kind, call, this, this.#options.clock, this.#timing.handshakeMs);
    this.#unknown.add(stream);
    if (this.#stopped) stream.refuse(new QuireError("SHUTTING_DOWN", "this broker is stopping"));
  }

  /** Ends all links. Peers that were up are told down first. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#ticker.cancel();
    for (const link of this.#links.values()) link.stop();
    this.#links.clear();
    for (const stream of this.#unknown) stream.refuse(new QuireError("SHUTTING_DOWN", "this broker is stopping"));
  }

  onHello(stream: IncomingStream, hello: Hello): Hello {
    this.#unknown.delete(stream);
    const { self } = this.#options;
    const link = this.#links.get(nodeId(hello.nodeId));
    const answer = { protocolVersion: PROTOCOL_VERSION, ...self, toNodeId: hello.nodeId };
    try {
      checkHello(hello, link?.nodeId ?? hello.nodeId, self.clusterId);
      if (hello.toNodeId !== self.nodeId) {
        throw new QuireError("CLUSTER_MISMATCH", `this is node ${self.nodeId}, not node ${hello.toNodeId}; check the address`, {
          details: { ours: self.nodeId, expected: hello.toNodeId },
        });
      }
      if (link === undefined)
        throw new QuireError("NOT_READY", `node ${hello.nodeId} is not a broker of this cluster, as far as node ${self.nodeId} knows by now`);
    } catch (thrown) {
      if (thrown instanceof QuireError && thrown.reason !== "NOT_READY") this.#reportStranger(hello, thrown);
      throw thrown;
    }
    this.#linkOf.set(stream, link);
    link.attach(stream);
    return answer;
  }

  onMessage(stream: IncomingStream, envelopes: readonly ReplicaEnvelope[], told: Told): void {
    this.#linkOf.get(stream)?.received(envelopes, told);
  }

  onGarbage(stream: IncomingStream, thrown: unknown): void {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    this.#reportStranger(stream.hello, new QuireError("INVALID_FIELD", why));
  }

  onClosed(stream: IncomingStream): void {
    this.#unknown.delete(stream);
    const link = this.#linkOf.get(stream);
    this.#linkOf.delete(stream);
    link?.detach(stream);
  }

  #link(node: NodeId, address: string): PeerLink {
    const { self, events, dial, clock, random, logger } = this.#options;
    return new PeerLink({
      nodeId: node,
      address,
      hello: { protocolVersion: PROTOCOL_VERSION, ...self, toNodeId: node },
      events,
      leaderships: () => [...this.#led].map(([replicaSetId, term]) => ({ replicaSetId, term, leads: true })),
      diskRoom: () => this.#diskRoom,
      dial,
      clock,
      random,
      logger,
      timing: this.#timing,
    });
  }

  /** One line per stranger and reason, not one per retry. */
  #reportStranger(hello: Hello | undefined, error: QuireError): void {
    const key = `${hello?.nodeId} ${hello?.clusterId} ${error.reason}`;
    if (this.#loggedStrangers.has(key)) return;
    if (this.#loggedStrangers.size >= LOGGED_STRANGERS_MAX) this.#loggedStrangers.clear();
    this.#loggedStrangers.add(key);
    this.#options.logger.warn({ peer: hello?.nodeId, reason: error.reason, why: error.message }, "peer cut off");
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const pausedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    for (const link of this.#links.values()) {
      if (pausedMs > this.#timing.silentMs / 2) link.forgive(nowMs);
      link.tick(nowMs);
    }
  }
}
