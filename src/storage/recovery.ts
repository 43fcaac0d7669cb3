/**
 * What recovery concludes from what it read; pure. `open-log.ts` reads and acts.
 *
 * The argument, in short (README.md has all of it): the checkpoint says through where everything was synced. After it come
 * group commits, each begun only when the one before it was synced, and a segment is begun only when the one before it was
 * synced as a whole. So of all bytes after the checkpoint only those of the last group, in the last segment, can be
 * missing or wrong because of a crash. Wrong bytes before any valid frame of a later group are damage.
 */
import type { FrameHeader } from "../base/frame-codec.js";
import { indexPlus, type LogIndex, type Offset, type Term } from "../base/ids.js";
import type { Doubt } from "../consensus/types.js";

/** Where a scan stands: the last entry that was accepted. */
export interface ScanPoint {
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly endOffset: Offset;
  /** Group of the last entry accepted; the checkpoint's before the first. */
  readonly group: number;
}

/**
 * Whether the frame with this header is the next entry. `stale`: it belongs to a group that the checkpoint has already closed, so it is
 * what a truncation left behind.
 */
export function judgeHeader(header: FrameHeader, at: ScanPoint, closedGroup: number): "next" | "stale" | "bad" {
  if (header.group <= closedGroup) return "stale";
  const follows = header.index === at.lastIndex + 1 && header.term >= at.lastTerm && header.baseOffset === at.endOffset && header.group >= at.group;
  return follows ? "next" : "bad";
}

/**
 * Whether a header found beyond bad bytes may be this log's at all: users may store bytes that look like frames. A false yes
 * only makes recovery more careful.
 */
export function isPlausible(header: FrameHeader, at: ScanPoint, closedGroup: number): boolean {
  return (
    header.group > closedGroup && header.group >= at.group && header.index > at.lastIndex && header.term >= at.lastTerm && header.baseOffset >= at.endOffset
  );
}

/** Whether a frame beyond bad bytes proves that those were synced: its group began after the entry that is missing there. */
export const provesDamage = (header: FrameHeader, at: ScanPoint): boolean => header.index - header.groupPosition > at.lastIndex + 1;

/** What a log lacks whose bytes are bad after `at`. */
export function doubtAfter(at: ScanPoint, { isProven, isFollowed }: { isProven: boolean; isFollowed: boolean }): Doubt {
  return { kind: isProven || isFollowed ? "damaged" : "torn", from: indexPlus(at.lastIndex, 1) };
}

/** Two doubts as one: the worse kind, from the earlier entry. */
export function mergeDoubts(a: Doubt | undefined, b: Doubt | undefined): Doubt | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { kind: a.kind === "damaged" || b.kind === "damaged" ? "damaged" : "torn", from: a.from < b.from ? a.from : b.from };
}
