import { QuireError } from "../base/errors.js";
import { endOffsetOf, type Frame } from "../base/frame.js";
import { frameBytes } from "../base/frame-codec.js";
import { indexPlus, type LogIndex, type Offset } from "../base/ids.js";
import type { TopicPartition } from "../cluster/view.js";
import { EntryKind, type Replica } from "../replica/types.js";
import { earliestOffset, type PartitionKeeper } from "./partition-keeper.js";
import type { ReadPace, Turn } from "./read-pace.js";

/** Entries passed in one read after which the place of the next record is looked up. */
const PASSED_MAX = 100;

interface Wanted {
  readonly bytesMax: number;
  readonly atLeastOne: boolean;
  readonly isWanted: () => boolean;
}

/** The turn that one call of `read` got, and what it has read in it. */
interface DiskTurn {
  turn: Turn | undefined;
  bytes: number;
}

export interface CursorOptions {
  readonly keeper: PartitionKeeper;
  readonly pace: ReadPace;
}

/**
 * A place in a partition from which committed batches are read forwards. Every read asks anew whether this broker may
 * serve, so a cursor outlives elections. The tail comes from memory in the same turn, the rest from disk.
 */
export class Cursor {
  readonly #keeper: PartitionKeeper;
  readonly #at: TopicPartition;
  readonly #pace: ReadPace;
  #replica: Replica | undefined;
  /** Where `position` stands in the log, once known; entries from here on were not looked at. */
  #index: LogIndex | undefined;
  #position: Offset;
  #seeks = 0;

  constructor({ keeper, pace }: CursorOptions, at: TopicPartition, position: Offset) {
    this.#keeper = keeper;
    this.#pace = pace;
    this.#at = at;
    this.#position = position;
  }

  get position(): Offset {
    return this.#position;
  }

  seek(position: Offset): void {
    this.#position = position;
    this.#index = undefined;
    this.#seeks += 1;
  }

  /** The replica, when this broker may serve the partition and `position` is one of its offsets. @throws QuireError */
  check(): Replica {
    const { replica } = this.#keeper.serving(this.#at);
    const earliest = earliestOffset(replica);
    const latest = replica.highWatermark;
    if (this.#position < earliest || this.#position > latest) {
      throw new QuireError(
        "OFFSET_OUT_OF_RANGE",
        `offset ${this.#position} of ${this.#at.topic}/${this.#at.partition} is not there; offsets ${earliest} to ${latest} are: begin at earliest or latest`,
        { details: { topic: this.#at.topic, partition: this.#at.partition, offset: this.#position, earliest, latest, term: replica.term } },
      );
    }
    return replica;
  }

  /** Whether a change brought nothing for this place: all is read, and more may be read here. What consumer groups commit is such a change, too. */
  isCaughtUp(replica: Replica): boolean {
    const { serving, highWatermark } = replica;
    return serving && highWatermark === this.#position && earliestOffset(replica) <= this.#position && this.#keeper.runs(replica);
  }

  /**
   * Next record batches, at most `bytesMax` with their headers; with `atLeastOne`, one batch even when it is larger. Empty when
   * nothing (that fits) is there below the high watermark, or it was not wanted any more when it might have been read from disk.
   *
   * @throws QuireError what `check` throws, LOG_CORRUPT
   */
  async read(bytesMax: number, atLeastOne: boolean, isWanted: () => boolean): Promise<Frame[]> {
    const disk: DiskTurn = { turn: undefined, bytes: 0 };
    try {
      return await this.#read({ bytesMax, atLeastOne, isWanted }, disk);
    } finally {
      if (disk.turn !== undefined) this.#pace.done(disk.turn, disk.bytes);
    }
  }

  async #read({ bytesMax, atLeastOne, isWanted }: Wanted, disk: DiskTurn): Promise<Frame[]> {
    for (;;) {
      const replica = this.check();
      if (this.#position === replica.highWatermark) return [];
      const from = this.#knownIndex(replica);
      const seeks = this.#seeks;
      if (from === undefined) {
        const found = await replica.log.indexOfOffset(this.#position);
        if (seeks === this.#seeks) {
          this.#replica = replica;
          this.#index = found;
        }
        continue;
      }
      const through = replica.commitIndex;
      if (from > through) return [];
      const cached = replica.log.readCached(from, through, bytesMax);
      if (cached === undefined && disk.turn === undefined) {
        disk.turn = await this.#pace.turn(replica, bytesMax, isWanted);
        if (disk.turn === undefined) return [];
        // It may have taken seconds: whether this broker still serves, and from which log, is asked again.
        continue;
      }
      const frames = cached ?? (await this.#readDisk(replica, from, through, bytesMax));
      if (cached === undefined && frames !== undefined) disk.bytes += bytesOf(frames);
      if (frames === undefined || seeks !== this.#seeks) continue;
      const taken = this.#take(frames, replica.highWatermark, bytesMax, atLeastOne);
      if (taken.length > 0 || this.#index === from) return taken;
      // Entries without records, or before the position, were passed: go on behind them. Consumer groups may have left a million of them: then look up where records go on.
      if (frames.length >= PASSED_MAX) this.#index = undefined;
    }
  }

  /** Undefined when the log was cut or replaced behind the cursor's back. */
  #knownIndex(replica: Replica): LogIndex | undefined {
    const lost = this.#replica !== replica || (this.#index !== undefined && this.#index <= replica.log.logStart.index);
    return lost ? undefined : this.#index;
  }

  async #readDisk(replica: Replica, from: LogIndex, through: LogIndex, bytesMax: number): Promise<Frame[] | undefined> {
    try {
      return await replica.log.read(from, through, bytesMax);
    } catch (error) {
      // Retention may drop a segment while it is read; then the position is looked up again, or found out of range.
      if (from <= replica.log.logStart.index) return undefined;
      throw error;
    }
  }

  #take(frames: readonly Frame[], highWatermark: Offset, bytesMax: number, atLeastOne: boolean): Frame[] {
    const taken: Frame[] = [];
    let bytes = 0;
    for (const frame of frames) {
      if (frame.kind === EntryKind.records) {
        const end = endOffsetOf(frame);
        if (end > highWatermark) break;
        if (end > this.#position) {
          bytes += frameBytes(frame);
          if (bytes > bytesMax && !(atLeastOne && taken.length === 0)) break;
          taken.push(frame);
          this.#position = end;
        }
      }
      this.#index = indexPlus(frame.index, 1);
    }
    return taken;
  }
}

const bytesOf = (frames: readonly Frame[]): number => {
  let bytes = 0;
  for (const frame of frames) bytes += frameBytes(frame);
  return bytes;
};
