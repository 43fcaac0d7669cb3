import type { EntryKindCode } from "./entry-kind.js";
import type { LogIndex, Offset, Term } from "./ids.js";
import type { RecordBatchHeader } from "./record-batch.js";

/**
 * One entry as bytes: fixed header and opaque body, the same from disk to follower to disk. Fields are decoded
 * once, when the frame is made or read; `frame-codec.ts` has the layout.
 */
export interface Frame {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKindCode;
  /** Offset of the first record; for other kinds, the next offset at this point. */
  readonly baseOffset: Offset;
  /** `recordCount` is 0 unless `kind` is `records`. `crc32` is the body's, whatever the kind. */
  readonly batch: RecordBatchHeader;
  readonly body: Buffer;
  /** Length of a body that was left out: `body` is empty then. */
  readonly omittedBytes?: number;
}

/** The offset just past the frame's last record. */
export const endOffsetOf = (frame: Pick<Frame, "baseOffset" | "batch">): Offset => (frame.baseOffset + frame.batch.recordCount) as Offset;
