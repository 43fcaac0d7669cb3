import type { Frame } from "../../../src/base/frame.js";
import { FRAME_HEADER_BYTES, isBodyIntact, readFrameHeader } from "../../../src/base/frame-codec.js";
import type { LogIndex } from "../../../src/base/ids.js";
import type { LogPosition } from "../../../src/consensus/types.js";
import type { Log } from "../../../src/storage/log.js";
import type { ReplicaRecord } from "../../../src/storage/replica-store.js";
import { segmentName } from "../../../src/storage/segment.js";
import type { DurableJournal, TellingDisk } from "./durable-journal.js";

interface Place extends LogPosition {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export interface DurableEntriesOptions {
  readonly log: Pick<Log, "bytes" | "segments" | "logStart">;
  /** Of the log's segments. */
  readonly folder: string;
  readonly disk: Pick<TellingDisk, "durableBytes">;
  /** Where entries may be instead, and the name of the log there. */
  readonly journal?: { readonly journal: DurableJournal; readonly record: ReplicaRecord };
}

/**
 * Asks the disk, not the log, how far a log's entries are on it: remembers where each entry that was appended stands in its segment
 * until the disk has it, there or in the journal.
 */
export class DurableEntries {
  readonly #options: DurableEntriesOptions;
  /** In log order. */
  #waiting: Place[] = [];

  constructor(options: DurableEntriesOptions) {
    this.#options = options;
  }

  /** The log has just taken these. */
  appended(frames: readonly Frame[]): void {
    const { log, folder } = this.#options;
    const whole = [...log.segments()];
    const firstOf = (before: number): number => (whole[before - 1]?.last.index ?? log.logStart.index) + 1;
    let segment = whole.length;
    let end = log.bytes - whole.reduce((sum, { bytes }) => sum + bytes, 0);
    const places: Place[] = [];
    for (const { index, term, body } of [...frames].reverse()) {
      while (index < firstOf(segment)) {
        segment -= 1;
        end = whole[segment]?.bytes ?? 0;
      }
      const from = end - FRAME_HEADER_BYTES - body.length;
      places.push({ index, term, path: `${folder}/${segmentName(firstOf(segment) as LogIndex)}`, from, to: end });
      end = from;
    }
    this.#waiting.push(...places.reverse());
  }

  /** The log removes entries from `from` on. */
  truncated(from: LogIndex): void {
    this.#waiting = this.#waiting.filter(({ index }) => index < from);
    const { journal } = this.#options;
    journal?.journal.cut(journal.record, from);
  }

  /** The log says that it is on disk through `last`. Returns through where it is; undefined when nothing is that was not told of before. */
  synced(last: LogPosition): LogPosition | undefined {
    let through: LogPosition | undefined;
    let count = 0;
    for (const place of this.#waiting) {
      const { index, term } = place;
      if (index > last.index || !(this.#isThere(place) || this.#isInJournal(place))) break;
      through = { index, term };
      count += 1;
    }
    this.#waiting.splice(0, count);
    return through;
  }

  #isInJournal(at: LogPosition): boolean {
    const { journal } = this.#options;
    return journal?.journal.has(journal.record, at) ?? false;
  }

  /** What stood in its place before may be durable too. */
  #isThere({ index, term, path, from, to }: Place): boolean {
    const bytes = this.#options.disk.durableBytes(path, from, to);
    const header = bytes === undefined ? "short" : readFrameHeader(bytes, 0);
    if (bytes === undefined || typeof header === "string") return false;
    return header.index === index && header.term === term && isBodyIntact(header, bytes.subarray(FRAME_HEADER_BYTES));
  }
}
