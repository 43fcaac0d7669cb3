/**
 * This broker's link to one peer: two streams that it dialled (bulk, control) and the two that the peer dialled.
 *
 * The link is **up** when all four stand and their Hellos name one incarnation: then both directions work on both connections. Any
 * of them breaking, or being replaced by a newer one, takes it down (`closed`), at once. When nothing comes for a while it is down
 * (`silent`) though the streams stand; whatever comes next takes it up again.
 */

import type { DiskRoom } from "../base/disk-room.js";
import { QuireError } from "../base/errors.js";
import type { NodeId, ReplicaSetId, Term } from "../base/ids.js";
import type { Clock, Logger, Random } from "../base/ports.js";
import type { Leadership } from "../cluster/view.js";
import type { PeerEvents, ReplicaEnvelope } from "../replica/types.js";
import type { Dial } from "../wire/transport.js";
import type { Hello, LeadershipsMessage } from "./peer-codec.js";
import { PeerDialer } from "./peer-dialer.js";
import type { IncomingStream, Told } from "./peer-incoming-stream.js";
import type { PeerTiming, StreamKind } from "./peer-protocol.js";

export interface PeerNetworkEvents extends PeerEvents {
  /** What a peer leads: after each `onPeerUp` all of it (`full`), then changes. */
  onLeaderships(from: NodeId, incarnation: string, leaderships: readonly Leadership[], full: boolean): void;
}

export interface PeerLinkOptions {
  readonly nodeId: NodeId;
  readonly address: string;
  readonly hello: Hello;
  readonly events: PeerNetworkEvents;
  /** What this broker leads now. */
  readonly leaderships: () => readonly Leadership[];
  /** How much room its disk has. */
  readonly diskRoom: () => DiskRoom;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly timing: PeerTiming;
}

const KINDS = ["bulk", "control"] as const satisfies readonly StreamKind[];
/** Leaderships in one message: well within its limit. */
const LEADERSHIPS_PER_MESSAGE = 50_000;
/** Problems that pass by themselves while brokers start and stop; told, but not as a warning. */
const EXPECTED: ReadonlySet<string> = new Set(["BROKER_UNREACHABLE", "NOT_READY", "SHUTTING_DOWN", "DEADLINE"]);

export class PeerLink {
  readonly nodeId: NodeId;
  readonly address: string;
  readonly #options: PeerLinkOptions;
  readonly #dialers: Readonly<Record<StreamKind, PeerDialer>>;
  readonly #incoming: Partial<Record<StreamKind, IncomingStream>> = {};
  #state: "down" | "up" | "silent" = "down";
  #incarnation = "";
  #heardMs: number;
  #isFlushPending = false;
  /** What the peer leads, as told on its control stream. */
  readonly #theirs = new Map<ReplicaSetId, Term>();
  #theirDiskRoom: DiskRoom = "enough";
  /** Since the link was up last: one line per problem, not one per retry. */
  readonly #loggedProblems = new Set<string>();
  /** Since when this broker reaches the peer, but not the peer this broker. */
  #oneWaySinceMs: number | undefined;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.nodeId = options.nodeId;
    this.address = options.address;
    this.#heardMs = options.clock.monotonicMs();
    this.#dialers = { bulk: this.#dialer("bulk"), control: this.#dialer("control") };
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  get queuedBytes(): number {
    return this.#dialers.bulk.open?.outbox.bytes ?? 0;
  }

  /** What the peer said last; one that said nothing is taken to have enough. */
  get diskRoom(): DiskRoom {
    return this.#theirDiskRoom;
  }

  start(): void {
    for (const kind of KINDS) this.#dialers[kind].dial();
  }

  /** False when the link is not up or its queue is full. */
  send(envelope: ReplicaEnvelope): boolean {
    if (this.#state !== "up") return false;
    const { message } = envelope;
    const isBulk = message.kind === "snapshot" || (message.kind === "append" && message.entries.length > 0);
    const stream = this.#dialers[isBulk ? "bulk" : "control"].open;
    if (stream === undefined || !stream.outbox.push(envelope)) return false;
    this.#flushSoon();
    return true;
  }

  announce(leaderships: readonly Leadership[]): void {
    const control = this.#dialers.control.open;
    if (control === undefined || leaderships.length === 0) return;
    control.outbox.pushLeaderships({ full: false, leaderships });
    this.#flushSoon();
  }

  announceDiskRoom(): void {
    this.#dialers.control.open?.outbox.pushDiskRoom(this.#options.diskRoom());
    this.#flushSoon();
  }

  /** A stream whose Hello matched. It replaces an older one; the peer is there, so a pausing dialer need not wait. */
  attach(stream: IncomingStream): void {
    const { hello } = stream;
    for (const kind of KINDS) {
      const former = this.#incoming[kind];
      const isSame = former?.hello?.incarnation === hello?.incarnation;
      if (former === undefined || (kind !== stream.kind && isSame)) continue;
      if (!isSame)
        this.report(new QuireError("CONFLICT", `another incarnation of node ${this.nodeId} appeared; if both live, give one of them another node id`));
      former.refuse(new QuireError("CONFLICT", `a newer ${kind} stream of node ${this.nodeId} took this one's place`));
    }
    this.#incoming[stream.kind] = stream;
    this.heard();
    this.start();
    this.#review();
  }

  /** A stream that ended, whoever ended it. */
  detach(stream: IncomingStream): void {
    if (this.#incoming[stream.kind] !== stream) return;
    delete this.#incoming[stream.kind];
    if (stream.kind === "control") {
      this.#theirs.clear();
      this.#theirDiskRoom = "enough";
    }
    this.#goDown("closed");
  }

  received(envelopes: readonly ReplicaEnvelope[], { leaderships, diskRoom }: Told): void {
    this.heard();
    if (diskRoom !== undefined) this.#theirDiskRoom = diskRoom;
    if (leaderships !== undefined) this.#receivedLeaderships(leaderships);
    for (const envelope of envelopes) this.#options.events.onMessage(this.nodeId, envelope);
  }

  #receivedLeaderships({ full, leaderships }: LeadershipsMessage): void {
    if (full) this.#theirs.clear();
    for (const { replicaSetId, term, leads } of leaderships) {
      if (leads) this.#theirs.set(replicaSetId, term);
      else this.#theirs.delete(replicaSetId);
    }
    // While down they only gather: the first thing after onPeerUp is all of them.
    if (this.isUp) this.#options.events.onLeaderships(this.nodeId, this.#incarnation, leaderships, full);
  }

  heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    if (this.#state === "silent") this.#review();
  }

  tick(nowMs: number): void {
    const { timing } = this.#options;
    for (const kind of KINDS) this.#dialers[kind].tick(nowMs);
    const quietMs = nowMs - this.#heardMs;
    if (quietMs > timing.silentMs && this.#state === "up") this.#goDown("silent");
    if (quietMs > timing.cutMs) this.#cut(new QuireError("BROKER_UNREACHABLE", `nothing came from node ${this.nodeId} for ${Math.round(quietMs)} ms`));
    this.#watchOneWay(nowMs);
  }

  #watchOneWay(nowMs: number): void {
    const isOneWay = KINDS.every((kind) => this.#dialers[kind].open !== undefined) && KINDS.some((kind) => this.#incoming[kind] === undefined);
    if (!isOneWay) this.#oneWaySinceMs = undefined;
    else this.#oneWaySinceMs ??= nowMs;
    if (this.#oneWaySinceMs === undefined || nowMs - this.#oneWaySinceMs < this.#options.timing.cutMs) return;
    this.report(
      new QuireError("BROKER_UNREACHABLE", `node ${this.nodeId} is reached but does not reach this broker; check the peer address it has for it`),
      "one way",
    );
  }

  /** A pause of this process must not count as the peer's silence: it gets a whole period again. */
  forgive(nowMs: number): void {
    this.#heardMs = nowMs;
    for (const kind of KINDS) this.#dialers[kind].forgive(nowMs);
  }

  /** Gives up every stream that stands, both ways; they are dialled anew. */
  #cut(error: QuireError): void {
    for (const kind of KINDS) {
      this.#incoming[kind]?.refuse(error);
      this.#dialers[kind].open?.fail(error);
    }
  }

  stop(): void {
    for (const kind of KINDS) {
      this.#dialers[kind].stop();
      this.#incoming[kind]?.refuse(new QuireError("SHUTTING_DOWN", "this broker gives up the link"));
    }
    this.#goDown("closed");
  }

  /** Logs a problem, once until the link is up again. */
  report(error: QuireError, problem: string = error.reason): void {
    if (this.#loggedProblems.has(problem)) return;
    this.#loggedProblems.add(problem);
    const fields = { peer: this.nodeId, address: this.address, reason: error.reason, why: error.message };
    if (EXPECTED.has(problem)) this.#options.logger.info(fields, "peer not reachable");
    else this.#options.logger.warn(fields, "peer link in trouble");
  }

  #dialer(kind: StreamKind): PeerDialer {
    const { address, hello, dial, clock, timing, random } = this.#options;
    return new PeerDialer({ kind, address, hello, dial, clock, timing }, random, {
      onOpen: () => {
        this.heard();
        if (kind === "control") {
          this.#announceAll();
          this.announceDiskRoom();
        }
        this.#review();
      },
      onHeard: () => this.heard(),
      onClosed: (error) => {
        // Down first: then that the peer cannot be reached is said already.
        this.#review();
        this.report(error);
      },
    });
  }

  #announceAll(): void {
    const all = this.#options.leaderships();
    for (let at = 0; at < all.length || at === 0; at += LEADERSHIPS_PER_MESSAGE) {
      this.#dialers.control.open?.outbox.pushLeaderships({ full: at === 0, leaderships: all.slice(at, at + LEADERSHIPS_PER_MESSAGE) });
    }
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#isFlushPending) return;
    this.#isFlushPending = true;
    this.#options.clock.soon(() => {
      this.#isFlushPending = false;
      for (const kind of KINDS) this.#dialers[kind].open?.outbox.flush();
    });
  }

  /** Takes the link up or down by what stands now. */
  #review(): void {
    const incarnations = KINDS.flatMap((kind) => [this.#dialers[kind].open?.incarnation, this.#incoming[kind]?.hello?.incarnation]);
    const [first] = incarnations;
    const stands = first !== undefined && incarnations.every((incarnation) => incarnation === first);
    if (!stands) this.#goDown("closed");
    else if (this.#state !== "up") this.#goUp(first);
  }

  #goUp(incarnation: string): void {
    this.#state = "up";
    this.#incarnation = incarnation;
    this.#loggedProblems.clear();
    this.#options.logger.info({ peer: this.nodeId, address: this.address, incarnation }, "peer up");
    this.#options.events.onPeerUp(this.nodeId, incarnation);
    const leaderships = [...this.#theirs].map(([replicaSetId, term]) => ({ replicaSetId, term, leads: true }));
    if (this.isUp) this.#options.events.onLeaderships(this.nodeId, incarnation, leaderships, true);
  }

  #goDown(why: "closed" | "silent"): void {
    const wasUp = this.#state === "up";
    this.#state = why === "silent" ? "silent" : "down";
    if (!wasUp) return;
    for (const kind of KINDS) this.#dialers[kind].open?.outbox.clear();
    for (const problem of EXPECTED) this.#loggedProblems.add(problem);
    this.#options.logger.info({ peer: this.nodeId, address: this.address, why }, "peer down");
    this.#options.events.onPeerDown(this.nodeId, why);
  }
}
