/** Faults of single messages between brokers: lost, doubled, overtaken, and repeated much later. */
import { decodePeerMessage } from "../../../src/rpc/peer-codec.js";
import { peerService } from "../../../src/rpc/peer-protocol.js";
import type { ClientCall } from "./client-call.js";
import type { Medium } from "./link.js";
import type { NetworkProcess } from "./seam.js";
import { type ServerCall, StreamServerCall } from "./server-call.js";

/** How many of a thousand messages each fault takes. */
export interface MessageRates {
  readonly drop: number;
  readonly duplicate: number;
  readonly reorder: number;
  readonly replay: number;
}

export const noMessageFaults: MessageRates = { drop: 0, duplicate: 0, reorder: 0, replay: 0 };

const PATHS: ReadonlySet<string> = new Set([peerService.Bulk.path, peerService.Control.path]);
/** By how much one that is reordered or doubled comes later, and one that is replayed. */
const SOON_MS = { min: 0.1, max: 50 };
const LATE_MS = { min: 500, max: 15_000 };
/** Copies that wait to be replayed, together. */
const COPIED_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Consensus must stand all of that by its terms and indexes, whatever the transport promises. Only messages that carry nothing but whole
 * envelopes are touched: leaderships, Hellos, heartbeats and pieces of snapshots rely on the order of a stream. A copy comes from the same
 * process to the same process, perhaps on a later connection.
 */
export class PeerMessages {
  rates: MessageRates = noMessageFaults;
  readonly #medium: Medium;
  /** The latest stream of each kind that a process has to another one. */
  readonly #streams = new Map<NetworkProcess, { readonly path: string; readonly from: NetworkProcess; readonly call: StreamServerCall }[]>();
  #copiedBytes = 0;

  constructor(medium: Medium) {
    this.#medium = medium;
  }

  began(call: ServerCall): void {
    const from = call.endpoint.other?.process;
    if (!PATHS.has(call.path) || !(call instanceof StreamServerCall) || from === undefined) return;
    const to = call.endpoint.process;
    const others = (this.#streams.get(to) ?? []).filter((stream) => stream.path !== call.path || stream.from !== from);
    this.#streams.set(to, [...others, { path: call.path, from, call }]);
  }

  ended(call: ServerCall): void {
    if (!PATHS.has(call.path)) return;
    const to = call.endpoint.process;
    const left = (this.#streams.get(to) ?? []).filter((stream) => stream.call !== call);
    if (left.length === 0) this.#streams.delete(to);
    else this.#streams.set(to, left);
  }

  /** A process that died ends no streams. */
  forget(process: NetworkProcess): void {
    this.#streams.delete(process);
  }

  /** True when the message is not to be sent as usual. */
  divert(call: ClientCall, bytes: Buffer): boolean {
    const { drop, duplicate, reorder, replay } = this.rates;
    if (drop + duplicate + reorder + replay === 0 || !PATHS.has(call.path) || !isWholeEnvelopes(bytes)) return false;
    const draw = this.#medium.chance.below(1_000);
    if (draw < drop) {
      this.#medium.count("messages dropped");
      return true;
    }
    if (draw < drop + reorder) {
      this.#medium.count("messages reordered");
      this.#later(call, bytes, SOON_MS);
      return true;
    }
    if (draw < drop + reorder + duplicate) {
      this.#medium.count("messages duplicated");
      this.#later(call, bytes, SOON_MS);
    } else if (draw < drop + reorder + duplicate + replay) {
      this.#medium.count("messages replayed late");
      this.#later(call, bytes, LATE_MS);
    }
    return false;
  }

  #later(call: ClientCall, bytes: Buffer, delay: { readonly min: number; readonly max: number }): void {
    const from = call.endpoint?.process;
    const to = call.endpoint?.other?.process;
    if (from === undefined || to === undefined || this.#copiedBytes + bytes.length > COPIED_BYTES_MAX) return;
    this.#copiedBytes += bytes.length;
    const copy = Buffer.from(bytes);
    this.#medium.world.after(
      this.#medium.draw(delay),
      "stray message",
      () => {
        this.#copiedBytes -= copy.length;
        to.enter(() => {
          const stream = this.#streams.get(to)?.find(({ path, from: sender }) => path === call.path && sender === from);
          if (stream?.call.isGreeted === true) stream.call.inject(copy);
          else this.#medium.count("stray messages that found no stream");
        });
      },
      call.endpoint?.other?.kernel,
    );
  }
}

function isWholeEnvelopes(bytes: Buffer): boolean {
  if (bytes.length === 0) return false;
  const { hello, leaderships, envelopes } = decodePeerMessage(bytes);
  if (hello !== undefined || leaderships !== undefined || envelopes.length === 0) return false;
  return envelopes.every((envelope) => !("part" in envelope) || (envelope.partOffset === 0 && envelope.part.length === envelope.stateBytes));
}
