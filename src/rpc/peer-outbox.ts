import type { DiskRoom } from "../base/disk-room.js";
import { MIB } from "../base/limits.js";
import type { ReplicaEnvelope } from "../replica/types.js";
import { encodePeerMessage, type LeadershipsMessage, type Parcel, parcelsOf } from "./peer-codec.js";

/** One message carries what fits; a larger parcel goes alone. */
const MESSAGE_BYTES = MIB;
/** Bytes handed to gRPC and not yet taken by the connection: enough to keep it busy, little enough to stay in control. */
const UNDER_WAY_BYTES_MAX = 2 * MIB;

/** Writes one message; `taken` is called when the connection has taken it, so that the next may follow (`drain`). */
export type WriteMessage = (message: Buffer, taken: () => void) => void;

/** What waits for one outgoing stream: envelopes of many replica sets, sent together, bounded in bytes. Lives and dies with the stream. */
export class PeerOutbox {
  readonly #write: WriteMessage;
  readonly #bytesMax: number;
  #parcels: Parcel[] = [];
  #queuedBytes = 0;
  #underWayBytes = 0;
  readonly #leaderships: LeadershipsMessage[] = [];
  #diskRoom: DiskRoom | undefined;

  constructor(bytesMax: number, write: WriteMessage) {
    this.#bytesMax = bytesMax;
    this.#write = write;
  }

  /** Bytes that wait, about, those under way included. */
  get bytes(): number {
    return this.#queuedBytes + this.#underWayBytes;
  }

  /** Queues an envelope for the next `flush`. False when there is no room; into an empty outbox goes an envelope of any size. */
  push(envelope: ReplicaEnvelope): boolean {
    const parcels = parcelsOf(envelope);
    let bytes = 0;
    for (const parcel of parcels) bytes += parcel.bytes;
    if (this.bytes > 0 && this.bytes + bytes > this.#bytesMax) return false;
    for (const parcel of parcels) this.#parcels.push(parcel);
    this.#queuedBytes += bytes;
    return true;
  }

  /** Never refused: there are no more of them than replica sets, and nobody repeats them. */
  pushLeaderships(leaderships: LeadershipsMessage): void {
    this.#leaderships.push(leaderships);
  }

  /** Never refused either: the newest is all there is to say. */
  pushDiskRoom(room: DiskRoom): void {
    this.#diskRoom = room;
  }

  /** Writes what the connection takes now; the rest follows as it takes more. */
  flush(): void {
    while (this.#underWayBytes < UNDER_WAY_BYTES_MAX && (this.#parcels.length > 0 || this.#leaderships.length > 0 || this.#diskRoom !== undefined)) {
      const leaderships = this.#leaderships.shift();
      const diskRoom = this.#diskRoom;
      this.#diskRoom = undefined;
      const message = encodePeerMessage({ parcels: this.#take(), ...(leaderships && { leaderships }), ...(diskRoom && { diskRoom }) });
      this.#underWayBytes += message.length;
      this.#write(message, () => {
        this.#underWayBytes -= message.length;
        this.flush();
      });
    }
  }

  /** Drops what has not been written. */
  clear(): void {
    this.#parcels = [];
    this.#queuedBytes = 0;
  }

  /** Takes them out of the queue, not only past a mark: under a lasting backlog what was sent would never be let go. */
  #take(): Parcel[] {
    let count = 0;
    let bytes = 0;
    for (const parcel of this.#parcels) {
      if (bytes > 0 && bytes + parcel.bytes > MESSAGE_BYTES) break;
      bytes += parcel.bytes;
      count += 1;
    }
    this.#queuedBytes -= bytes;
    return this.#parcels.splice(0, count);
  }
}
