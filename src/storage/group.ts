import { assert } from "../base/assert.js";
import { endOffsetOf, type Frame } from "../base/frame.js";
import { FRAME_HEADER_BYTES, type GroupMark, writeFrameHeader } from "../base/frame-codec.js";
import { indexPlus, type LogIndex } from "../base/ids.js";
import { MIB } from "../base/limits.js";
import type { EntryPlace } from "./log-state.js";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, type Segment } from "./segment.js";
import type { TailWindow } from "./tail-cache.js";

/** Two chunks per frame and a segment's header stay below the 1,024 chunks that one writev takes. */
const FRAMES_MAX = 500;
const BYTES_MAX = 4 * MIB;

/** What one write puts into a segment. A truncation meanwhile lowers `last` and `end`; below `first` nothing of it is wanted. */
export interface Group {
  readonly first: LogIndex;
  last: LogIndex;
  /** Where the last entry ends. */
  end: EntryPlace;
  readonly chunks: readonly Buffer[];
  readonly position: number;
  readonly bytes: number;
  readonly frames: number;
}

/** Where a group goes. */
interface GroupPlace {
  readonly first: LogIndex;
  /** Nothing after this entry is in it. */
  readonly through: LogIndex;
  /** Unless it begins the segment. */
  readonly position: number;
}

/**
 * The next group from `first` on. Headers are made here, for
 * only now is the group's number known; bodies are the frames' own.
 */
export function takeGroup(segment: Segment, window: TailWindow, { first, through, position }: GroupPlace, mark: GroupMark): Group {
  const frames = framesOfGroup(window, first, Math.min(segment.last, through));
  const last = frames.at(-1);
  assert(last !== undefined, "a group has a frame");
  const begins = first === segment.first;
  const headers = Buffer.allocUnsafe(frames.length * FRAME_HEADER_BYTES);
  const chunks: Buffer[] = begins ? [encodeSegmentHeader(segment, mark.group)] : [];
  let end = begins ? SEGMENT_HEADER_BYTES : position;
  for (const [i, frame] of frames.entries()) {
    const at = i * FRAME_HEADER_BYTES;
    writeFrameHeader(headers, at, frame, { group: mark.group, groupPosition: mark.groupPosition + i });
    chunks.push(headers.subarray(at, at + FRAME_HEADER_BYTES));
    if (frame.body.length > 0) chunks.push(frame.body);
    end += FRAME_HEADER_BYTES + frame.body.length;
  }
  const start = begins ? 0 : position;
  return { first, last: last.index, end: { position: end, offset: endOffsetOf(last) }, chunks, position: start, bytes: end - start, frames: frames.length };
}

function framesOfGroup(window: TailWindow, first: LogIndex, last: number): Frame[] {
  const frames: Frame[] = [];
  let bytes = 0;
  for (let index = first; index <= last && frames.length < FRAMES_MAX && bytes < BYTES_MAX; index = indexPlus(index, 1)) {
    const frame = window.get(index);
    assert(frame !== undefined, "what is not written is in memory");
    frames.push(frame);
    bytes += FRAME_HEADER_BYTES + frame.body.length;
  }
  return frames;
}
