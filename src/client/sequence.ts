/** Who an idempotent producer is, and the sequences of its batches in one partition. Pure. */
import { limits } from "../base/limits.js";
import { withBody } from "../base/record-batch.js";

/** An id, and the epochs that are this client's own. */
export interface Identity {
  readonly producerId: number;
  readonly firstEpoch: number;
  readonly lastEpoch: number;
}

/** What makes a batch known: every attempt carries the same. */
export interface Stamp {
  readonly identity: Identity;
  readonly epoch: number;
  readonly baseSequence: number;
}

/**
 * Numbers the records of one partition. Once a batch is given up, nobody knows whether its sequences were written, and what is numbered behind them
 * might be refused for ever: so the next batch begins a new epoch, at 0, which also keeps the one given up from being written late (KIP-360).
 */
export class Sequence {
  #identity: Identity | undefined;
  #epoch = 0;
  #next = 0;
  #isBroken = false;

  /** Whether `identity` has no epoch left that the next batch here could begin. */
  isUsedUp(identity: Identity): boolean {
    return this.#identity === identity && this.#epoch === identity.lastEpoch && this.#needsEpoch;
  }

  /** Numbers a batch that leaves for the first time. */
  stamp(identity: Identity, records: number): Stamp {
    if (this.#identity !== identity) this.#begin(identity, identity.firstEpoch);
    else if (this.#needsEpoch) this.#begin(identity, this.#epoch + 1);
    const baseSequence = this.#next;
    this.#next += records;
    return { identity, epoch: this.#epoch, baseSequence };
  }

  /** A batch with this stamp will not be sent again. */
  gaveUp(stamp: Stamp | undefined): void {
    if (stamp !== undefined && this.isCurrent(stamp)) this.#isBroken = true;
  }

  /** Whether the stamp is of the newest epoch here: only then an older epoch than another's means that there is another. */
  isCurrent({ identity, epoch }: Stamp): boolean {
    return identity === this.#identity && epoch === this.#epoch;
  }

  get #needsEpoch(): boolean {
    return this.#isBroken || this.#next > limits.sequenceMax - limits.batchRecords;
  }

  #begin(identity: Identity, epoch: number): void {
    this.#identity = identity;
    this.#epoch = epoch;
    this.#next = 0;
    this.#isBroken = false;
  }
}

/** A batch's message with its stamp, if it has one. */
export const stamped = (message: BatchMessage, stamp: Stamp | undefined): BatchMessage =>
  stamp === undefined
    ? message
    : withBody(message, message.body, { producerId: stamp.identity.producerId, producerEpoch: stamp.epoch, baseSequence: stamp.baseSequence });

type BatchMessage = ReturnType<typeof withBody>;
