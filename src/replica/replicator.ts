import { indexPlus, type Term } from "../base/ids.js";
import { MIB } from "../base/limits.js";
import type { Effect, Entry, Event, Member, Message } from "../consensus/types.js";
import { EntryKind } from "../consensus/types.js";
import type { Frame, Log } from "../storage/log.js";
import type { Snapshot } from "../storage/replica-store.js";
import type { CatchUpReads } from "./catch-up-reads.js";
import { decodeConfiguration } from "./configuration-codec.js";
import type { Payload, Peers } from "./types.js";

/** Most bytes of frames in one append; larger only when a single frame is. */
const APPEND_BYTES_MAX = MIB;
/** A follower whose link holds this much waits until it drains; the core asks again with the next heartbeat. */
const LINK_BYTES_MAX = 16 * MIB;

export interface ReplicatorOptions {
  readonly log: Pick<Log, "logStart" | "readCached" | "read">;
  readonly reads: CatchUpReads;
  /** Whether this replica still leads in the term: what was read or found meanwhile must not be said in a term that is over. */
  readonly leads: (term: Term) => boolean;
  readonly send: (to: Member, message: Message<Payload>) => boolean;
  readonly peers: Pick<Peers, "queuedBytes" | "takesRecords">;
  readonly snapshotFor: () => Promise<Snapshot | undefined>;
  readonly step: (event: Event<Payload>) => void;
  readonly failed: (error: Error) => void;
}

type Replicate = Extract<Effect<Payload>, { kind: "replicate" }>;

/** Turns the core's wish to bring a follower up to date into messages: from memory in the same turn, else from disk. */
export class Replicator {
  readonly #options: ReplicatorOptions;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
  }

  replicate(effect: Replicate): void {
    const { log, peers } = this.#options;
    const from = indexPlus(effect.previous.index, 1);
    if (effect.through < from) {
      this.#sendAppend(effect, []);
      return;
    }
    // The log's beginning goes at once; the core hears of it when that is on disk, and then asks for a snapshot.
    if (from <= log.logStart.index || peers.queuedBytes(effect.to.nodeId) >= LINK_BYTES_MAX) {
      this.#sendNothing(effect);
      return;
    }
    // What it will not take is not read either: one frame tells.
    const bytesMax = peers.takesRecords(effect.to.nodeId) ? APPEND_BYTES_MAX : 1;
    const frames = log.readCached(from, effect.through, bytesMax);
    if (frames !== undefined) {
      this.#sendFrames(effect, frames);
      return;
    }
    if (!this.#options.reads.tryBegin()) {
      this.#sendNothing(effect);
      return;
    }
    const read = log.read(from, effect.through, bytesMax);
    read
      .finally(() => this.#options.reads.end())
      .then(
        (read) => {
          // In a later term other entries may stand in the same places: said in this one they would be a lie.
          if (this.#options.leads(effect.term)) this.#sendFrames(effect, read);
          else this.#sendNothing(effect);
        },
        (error: Error) => {
          this.#sendNothing(effect);
          // The log's beginning may have gone while it was read; what is still part of it must be readable.
          if (from > log.logStart.index) this.#options.failed(error);
        },
      );
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
    if (sent) this.#options.step({ kind: "replicated", to: to.replicaId, term, bytes, through: last?.index ?? previous.index });
    else this.#options.step({ kind: "replicated", to: to.replicaId, term, bytes });
  }
}

/** A frame as an entry of consensus; configurations are the only bodies that the core needs to know. */
export const entryOf = (frame: Frame): Entry<Payload> => {
  const { index, term, kind } = frame;
  if (kind !== EntryKind.configuration) return { index, term, kind, payload: frame };
  return { index, term, kind, payload: frame, configuration: decodeConfiguration(frame.body) };
};
