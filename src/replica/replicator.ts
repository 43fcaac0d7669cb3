import { indexPlus, type ReplicaId, type Term } from "../base/ids.js";
import { MIB } from "../base/limits.js";
import type { Effect, Entry, Event, Member, Message } from "../consensus/types.js";
import { EntryKind } from "../consensus/types.js";
import type { Frame, Log } from "../storage/log.js";
import type { Snapshot } from "../storage/replica-store.js";
import { decodeConfiguration } from "./configuration-codec.js";
import type { Inflight, ReplicationBudget } from "./replication-budget.js";
import type { Payload, Peers } from "./types.js";

/** Most bytes of frames in one append; larger only when a single frame is. */
const APPEND_BYTES_MAX = MIB;
/** The same of what is read from disk: those who keep up wait behind it. */
const READ_BYTES_MAX = APPEND_BYTES_MAX / 2;
/** A follower whose link holds this much waits until it drains; the core asks again with the next heartbeat. */
const LINK_BYTES_MAX = 16 * MIB;

export interface ReplicatorOptions {
  readonly log: Pick<Log, "logStart" | "readCached" | "read">;
  readonly budget: ReplicationBudget;
  /** What the core holds to be on the way to a member; 0 for who does not lead (any more). */
  readonly inflightBytes: (to: ReplicaId) => number;
  /** Whether this replica still leads in the term: what was read or found meanwhile must not be said in a term that is over. */
  readonly leads: (term: Term) => boolean;
  readonly send: (to: Member, message: Message<Payload>) => boolean;
  readonly peers: Pick<Peers, "queuedBytes" | "takesRecords">;
  readonly snapshotFor: () => Promise<Snapshot | undefined>;
  readonly step: (event: Event<Payload>) => void;
  readonly failed: (error: Error) => void;
}

type Replicate = Extract<Effect<Payload>, { kind: "replicate" }>;

/** Bytes on the way to one follower, and what they are counted in. */
interface Sent {
  readonly to: Member;
  bytes: number;
  inflight: Inflight;
}

/** Turns the core's wish to bring a follower up to date into messages: from memory in the same turn, else from disk. */
export class Replicator {
  readonly #options: ReplicatorOptions;
  /** What the budget counts of this replica. */
  #sent: Map<ReplicaId, Sent> | undefined;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
  }

  replicate(effect: Replicate): void {
    if (effect.through <= effect.previous.index) return this.#sendAppend(effect, []);
    const { budget, log } = this.#options;
    const next = indexPlus(effect.previous.index, 1);
    // Who has nearly caught up waits no longer with those that have not.
    const isBehind = this.#inflightTo(effect.to) === budget.behind;
    if (isBehind && next > log.logStart.index && log.readCached(next, next, 1) !== undefined) this.#countIn(effect.to, budget.tail);
    this.#inflightTo(effect.to).whenRoom(effect.to.nodeId, () => this.#sendEntries(effect));
  }

  /** The core heard something: what was answered, or lost, or said in a term that is over, makes room for others. */
  account(): void {
    if (this.#sent === undefined) return;
    for (const { to } of this.#sent.values()) this.#count(to, this.#options.inflightBytes(to.replicaId));
  }

  /** As of when there is room, which may be later. */
  #sendEntries(effect: Replicate): void {
    const { log, peers, budget, leads } = this.#options;
    const { nodeId } = effect.to;
    const from = indexPlus(effect.previous.index, 1);
    // The log's beginning goes at once; the core hears of it when that is on disk, and then asks for a snapshot.
    if (!leads(effect.term) || from <= log.logStart.index || peers.queuedBytes(nodeId) >= LINK_BYTES_MAX) {
      this.#sendNothing(effect);
      return;
    }
    // What it will not take is not read either: one frame tells.
    const bytesMax = peers.takesRecords(nodeId) ? APPEND_BYTES_MAX : 1;
    const frames = log.readCached(from, effect.through, bytesMax);
    if (frames !== undefined) {
      this.#countIn(effect.to, budget.tail);
      this.#sendFrames(effect, frames);
      return;
    }
    if (this.#inflightTo(effect.to) !== budget.behind) {
      this.#countIn(effect.to, budget.behind);
      budget.behind.whenRoom(nodeId, () => this.#sendEntries(effect));
      return;
    }
    if (!budget.tryBeginRead()) {
      this.#sendNothing(effect);
      return;
    }
    budget.behind.count(nodeId, READ_BYTES_MAX);
    const read = log.read(from, effect.through, Math.min(bytesMax, READ_BYTES_MAX));
    read
      .finally(() => budget.endRead())
      .then(
        (read) => {
          // In a later term other entries may stand in the same places: said in this one they would be a lie.
          if (leads(effect.term)) this.#sendFrames(effect, read);
          else this.#sendNothing(effect);
        },
        (error: Error) => {
          this.#sendNothing(effect);
          // The log's beginning may have gone while it was read; what is still part of it must be readable.
          if (from > log.logStart.index) this.#options.failed(error);
        },
      )
      .finally(() => budget.behind.count(nodeId, -READ_BYTES_MAX));
  }

  sendSnapshot(to: Member, term: Term): void {
    const { step, send, failed } = this.#options;
    this.#options.snapshotFor().then((snapshot) => {
      if (snapshot === undefined || !this.#options.leads(term)) {
        step({ kind: "snapshot-sent", to: to.replicaId, term });
        return;
      }
      const { index, term: at, configuration, nextOffset, state } = snapshot;
      const sent = send(to, { kind: "snapshot", term, snapshot: { index, term: at, configuration }, state: { nextOffset, state } });
      step({ kind: "snapshot-sent", to: to.replicaId, term, ...(sent && { snapshot: { index, term: at } }) });
    }, failed);
  }

  #sendNothing({ to, term }: Replicate): void {
    this.#options.step({ kind: "replicated", to: to.replicaId, term, bytes: 0 });
  }

  /** A follower without room for records takes what stands before them: the no-op of a term, a new configuration, what was trimmed. */
  #sendFrames(effect: Replicate, frames: readonly Frame[]): void {
    const records = this.#options.peers.takesRecords(effect.to.nodeId) ? -1 : frames.findIndex((frame) => frame.kind === EntryKind.records);
    if (records === 0) this.#sendNothing(effect);
    else this.#sendAppend(effect, records < 0 ? frames : frames.slice(0, records));
  }

  #sendAppend(effect: Replicate, frames: readonly Frame[]): void {
    const { to, term, previous, commit, round } = effect;
    const sent = this.#options.send(to, { kind: "append", term, previous, commit, round, entries: frames.map(entryOf) });
    const last = frames.at(-1);
    let bytes = 0;
    for (const frame of frames) bytes += frame.body.length;
    if (sent) {
      this.#count(to, this.#counted(to) + bytes);
      this.#options.step({ kind: "replicated", to: to.replicaId, term, bytes, through: last?.index ?? previous.index });
    } else this.#options.step({ kind: "replicated", to: to.replicaId, term, bytes });
  }

  #inflightTo(to: Member): Inflight {
    return this.#sent?.get(to.replicaId)?.inflight ?? this.#options.budget.tail;
  }

  /** What is on the way to this follower counts there from now on. */
  #countIn(to: Member, inflight: Inflight): void {
    const former = this.#inflightTo(to);
    if (former === inflight) return;
    const sent = this.#sentTo(to);
    former.count(to.nodeId, -sent.bytes);
    sent.inflight = inflight;
    inflight.count(to.nodeId, sent.bytes);
  }

  #counted(to: Member): number {
    return this.#sent?.get(to.replicaId)?.bytes ?? 0;
  }

  #count(to: Member, bytes: number): void {
    const before = this.#counted(to);
    if (bytes === before) return;
    // Changed in place, and kept at 0: this happens twice for every entry.
    const sent = this.#sentTo(to);
    sent.bytes = bytes;
    sent.inflight.count(to.nodeId, bytes - before);
  }

  #sentTo(to: Member): Sent {
    this.#sent ??= new Map();
    let sent = this.#sent.get(to.replicaId);
    if (sent === undefined) {
      sent = { to, bytes: 0, inflight: this.#options.budget.tail };
      this.#sent.set(to.replicaId, sent);
    }
    return sent;
  }
}

/** A frame as an entry of consensus; configurations are the only bodies that the core needs to know. */
export const entryOf = (frame: Frame): Entry<Payload> => {
  const { index, term, kind } = frame;
  if (kind !== EntryKind.configuration) return { index, term, kind, payload: frame };
  return { index, term, kind, payload: frame, configuration: decodeConfiguration(frame.body) };
};
