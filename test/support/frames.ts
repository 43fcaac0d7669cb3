import { EntryKind, type EntryKindCode } from "../../src/base/entry-kind.js";
import type { Frame } from "../../src/base/frame.js";
import { logIndex, offset, term } from "../../src/base/ids.js";
import { plainHeader } from "../../src/base/record-batch.js";

export interface FrameSpec {
  readonly index: number;
  readonly term?: number;
  readonly baseOffset: number;
  /** Default 1; 0 makes a no-op. */
  readonly records?: number;
  readonly body?: Buffer | string;
  readonly timestampMs?: number;
  readonly kind?: EntryKindCode;
}

/** A frame that no producer made. */
export function frame({ index, term: termOf = 1, baseOffset, records = 1, body = `body ${index}`, timestampMs = 1_000 + index, kind }: FrameSpec): Frame {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return {
    index: logIndex(index),
    term: term(termOf),
    kind: kind ?? (records === 0 ? EntryKind.noOp : EntryKind.records),
    baseOffset: offset(baseOffset),
    batch: records === 0 ? plainHeader(bytes) : plainHeader(bytes, { recordCount: records, baseTimestampMs: timestampMs, maxTimestampMs: timestampMs }),
    body: bytes,
  };
}

/** Frames `from` to `through`, one record each, whose offsets begin at `baseOffset`. */
export function frames(from: number, through: number, options: { term?: number; baseOffset?: number; bodyBytes?: number } = {}): Frame[] {
  const { term: termOf = 1, baseOffset = from - 1, bodyBytes } = options;
  return Array.from({ length: through - from + 1 }, (_, i) =>
    frame({
      index: from + i,
      term: termOf,
      baseOffset: baseOffset + i,
      ...(bodyBytes !== undefined && { body: Buffer.alloc(bodyBytes, `${termOf}.${from + i};`) }),
    }),
  );
}
