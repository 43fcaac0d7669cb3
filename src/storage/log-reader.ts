import { assert } from "../base/assert.js";
import { EntryKind } from "../base/entry-kind.js";
import { QuireError } from "../base/errors.js";
import type { Frame } from "../base/frame.js";
import { FRAME_HEADER_BYTES, type FrameHeader, frameBytes, frameOf, isBodyIntact, readFrameHeader } from "../base/frame-codec.js";
import { indexPlus, type LogIndex } from "../base/ids.js";
import { KIB, MIB } from "../base/limits.js";
import { type Files, readFully } from "./files.js";
import type { ReadDetail } from "./log.js";
import type { EntryPlace, LogState } from "./log-state.js";
import type { OffsetIndex, Place } from "./offset-index.js";
import type { OpenSegments } from "./open-segments.js";
import { emptyIndex, SEGMENT_HEADER_BYTES, type Segment, segmentName } from "./segment.js";
import { walkHeaders } from "./segment-walk.js";
import type { TailWindow } from "./tail-cache.js";

/** Read beyond what was asked for, since a read begins at a place that the offset index knows. */
const SLACK_BYTES = 32 * KIB;
/** At most this much in one read call. */
const CHUNK_BYTES_MAX = 4 * MIB;
/** An outline is read in pieces of so much, in the same memory. */
const OUTLINE_BYTES = 256 * KIB;
/** Bodies of this size are jumped over: a read takes as long as copying so much. */
const JUMP_BYTES_MIN = 64 * KIB;
/** Read where a header is, when those before were followed by so large a body. */
const JUMP_READ_BYTES = 4 * KIB;
const LEFT_OUT = Buffer.alloc(0);
/** In one blocking read. */
const BLOCKING_BYTES = 256 * KIB;

interface LogReaderOptions {
  readonly files: Files;
  readonly folder: string;
  readonly state: LogState;
  readonly window: TailWindow;
  readonly openSegments: OpenSegments;
  /** Entries through here can be read from files; those after it are in memory. */
  readonly writtenIndex: () => LogIndex;
}

/** Reads entries from a log's files. Knows nothing of truncations under way: `SegmentedLog` repeats a read that met one. */
export class LogReader {
  readonly #options: LogReaderOptions;

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /** Frames from `from` through `through` while they fit, at least one. */
  async read(from: LogIndex, through: LogIndex, bytesMax: number, detail: ReadDetail): Promise<Frame[]> {
    const { state, window, writtenIndex } = this.#options;
    const found: Frame[] = [];
    let bytesLeft = bytesMax;
    let next = from;
    // The first one may be larger than what was asked for: then it is all.
    while (next <= through && next <= writtenIndex() && (bytesLeft > 0 || found.length === 0)) {
      const segment = state.segmentOf(next);
      if (segment === undefined) break;
      const last = Math.min(through, segment.last, writtenIndex()) as LogIndex;
      const frames = await this.#readSegment(segment, { from: next, through: last, bytesMax: bytesLeft, atLeastOne: found.length === 0, detail });
      for (const frame of frames) bytesLeft -= frameBytes(frame);
      found.push(...frames);
      next = indexPlus(next, frames.length);
      if (next <= last) return found;
    }
    const rest = next <= through ? window.read(next, through, bytesLeft) : undefined;
    const [first] = rest ?? [];
    if (rest !== undefined && first !== undefined && (found.length === 0 || frameBytes(first) <= bytesLeft)) found.push(...rest);
    return found;
  }

  /** The first written entry at or after the one that `index` finds for which `isWanted` holds. */
  async find(segment: Segment, start: (index: OffsetIndex) => Place, isWanted: (header: FrameHeader) => boolean): Promise<FrameHeader | undefined> {
    const { folder, openSegments, writtenIndex } = this.#options;
    return openSegments.use(folder, segment, async (file, index) => {
      let found: FrameHeader | undefined;
      const last = Math.min(segment.last, writtenIndex());
      const place = start(index);
      if (place.index > last) return undefined;
      let expected = place.index;
      const end = await walkHeaders(file, { position: place.position, end: segment.bytes }, (header, position) => {
        if (header.index > last) return false;
        if (header.index !== expected) throw corrupt(segment, position, "the log index of another entry");
        expected += 1;
        if (isWanted(header)) found = header;
        return found === undefined && header.index < last;
      });
      if (end.problem !== "end" && end.problem !== "stopped") throw corrupt(segment, end.position, end.problem);
      return found;
    });
  }

  /**
   * Where an entry begins, found at once and, if need be, blocking: a truncation changes what the log is at once, and what
   * it cuts is nearly always in memory. It is not when a conflict meets a log that was opened again since.
   */
  placeOf(from: LogIndex): EntryPlace {
    const { files, folder, state, window } = this.#options;
    const segment = state.segmentOf(from);
    if (segment === undefined) throw new QuireError("LOG_CORRUPT", `log index ${from} is not in any segment`);
    if (from === segment.first) return { position: SEGMENT_HEADER_BYTES, offset: segment.baseOffset };
    const frame = window.entry(from);
    if (frame === undefined) return findPlace(files, folder, segment, from);
    let position = segment.bytes;
    for (let index = from; index <= segment.last; index = indexPlus(index, 1)) {
      const cut = window.entry(index);
      assert(cut !== undefined, "the frames in memory have no gap");
      position -= FRAME_HEADER_BYTES + cut.bodyBytes;
    }
    return { position, offset: frame.baseOffset };
  }

  #readSegment(segment: Segment, wanted: Wanted): Promise<Frame[]> {
    const { folder, openSegments, state } = this.#options;
    // What is behind, in a segment that is complete, is mostly read once, by who begins there or catches up.
    const isOld = segment !== state.head;
    return openSegments.use(folder, segment, async (file, index) => {
      const place = index.atOrBeforeIndex(wanted.from);
      let position = place.position;
      let expected = place.index;
      const found: Frame[] = [];
      let bytesLeft = wanted.bytesMax;
      const isOutline = wanted.detail === "outline";
      let memory = LEFT_OUT;
      let chunkBytes = isOutline ? OUTLINE_BYTES : Math.min(CHUNK_BYTES_MAX, SLACK_BYTES + bytesLeft, segment.bytes - position);
      while (expected <= wanted.through) {
        const bytes = Math.max(0, Math.min(chunkBytes, segment.bytes - position));
        if (!isOutline || memory.length < bytes) memory = Buffer.allocUnsafeSlow(bytes);
        const chunk = await readFully(file, memory.subarray(0, bytes), position, isOld && !isOutline);
        const part = framesIn(chunk, { ...wanted, expected, bytesMax: bytesLeft, atLeastOne: wanted.atLeastOne && found.length === 0 });
        if (part.problem !== undefined && found.length + part.frames.length === 0) throw corrupt(segment, position + part.bytes, part.problem);
        found.push(...part.frames);
        for (const frame of part.frames) bytesLeft -= frameBytes(frame);
        position += part.bytes;
        expected += part.count;
        if (part.problem !== undefined || part.isFull) break;
        // The chunk ended within a frame: begin again with it, with room for all of it.
        if (part.bytes === 0 && chunk.length < part.needs && chunk.length < chunkBytes) throw corrupt(segment, position, "the file ends");
        const outlineBytes = part.bytes >= JUMP_BYTES_MIN * part.count ? JUMP_READ_BYTES : OUTLINE_BYTES;
        chunkBytes = Math.max(part.needs, isOutline ? outlineBytes : Math.min(CHUNK_BYTES_MAX, SLACK_BYTES + bytesLeft));
      }
      return found;
    });
  }
}

/** Walks, blocking, from the last place that is known. A segment that has lost its index, being complete, gets it back: it becomes the last one. */
function findPlace(files: Files, folder: string, segment: Segment, from: LogIndex): EntryPlace {
  const path = `${folder}/${segmentName(segment.first)}`;
  const index = segment.index ?? emptyIndex(segment);
  let { position } = index.atOrBeforeIndex(from);
  let chunk: Buffer = Buffer.alloc(0);
  let chunkAt = position;
  for (;;) {
    if (position + FRAME_HEADER_BYTES > chunkAt + chunk.length) {
      chunkAt = position;
      chunk = files.readSync(path, position, Math.min(BLOCKING_BYTES, segment.bytes - position));
    }
    const header = readFrameHeader(chunk, position - chunkAt);
    if (typeof header === "string") throw corrupt(segment, position, header);
    if (segment.index === undefined) index.offer({ index: header.index, offset: header.baseOffset, position }, segment.maxTimestampMs, SLACK_BYTES);
    if (header.index === from) {
      segment.index = index;
      return { position, offset: header.baseOffset };
    }
    position += FRAME_HEADER_BYTES + header.bodyBytes;
  }
}

interface Wanted {
  readonly from: LogIndex;
  readonly through: LogIndex;
  readonly bytesMax: number;
  readonly atLeastOne: boolean;
  readonly detail: ReadDetail;
}

interface ChunkPart {
  readonly frames: Frame[];
  /** Of frames walked over, wanted or not. In an outline the last of them may end beyond the chunk. */
  readonly bytes: number;
  readonly count: number;
  /** No more is wanted. */
  readonly isFull: boolean;
  /** Bytes of the frame that the chunk ends within. */
  readonly needs: number;
  readonly problem: string | undefined;
}

/** The wanted frames in a chunk that begins with entry `expected`. Both checksums are checked; bodies are slices, in an outline copies, or left out. */
function framesIn(chunk: Buffer, { from, through, bytesMax, atLeastOne, detail, expected }: Wanted & { expected: number }): ChunkPart {
  const frames: Frame[] = [];
  let at = 0;
  let index = expected;
  let bytesLeft = bytesMax;
  const part = (rest: { isFull?: boolean; needs?: number; problem?: string }): ChunkPart => ({
    frames,
    bytes: at,
    count: index - expected,
    isFull: rest.isFull ?? false,
    needs: rest.needs ?? FRAME_HEADER_BYTES,
    problem: rest.problem,
  });
  while (index <= through) {
    const header = readFrameHeader(chunk, at);
    if (header === "short") return part({});
    if (typeof header === "string") return part({ problem: header });
    if (header.index !== index) return part({ problem: `log index ${header.index} in the place of ${index}` });
    const bytes = FRAME_HEADER_BYTES + header.bodyBytes;
    if (index >= from) {
      const isLeftOut = detail === "outline" && header.kind === EntryKind.records;
      const bytesRead = isLeftOut ? FRAME_HEADER_BYTES : bytes;
      if (bytesRead > bytesLeft && !(atLeastOne && frames.length === 0)) return part({ isFull: true });
      if (at + bytesRead > chunk.length) return part({ needs: bytesRead });
      const body = isLeftOut ? LEFT_OUT : chunk.subarray(at + FRAME_HEADER_BYTES, at + bytes);
      if (!isLeftOut && !isBodyIntact(header, body)) return part({ problem: "body checksum" });
      if (isLeftOut) frames.push({ ...frameOf(header, body), omittedBytes: header.bodyBytes });
      else frames.push(frameOf(header, detail === "outline" ? Buffer.from(body) : body));
      bytesLeft -= bytesRead;
    }
    at += bytes;
    index += 1;
  }
  return part({ isFull: true });
}

export const corrupt = (segment: Segment, position: number, problem: string): QuireError =>
  new QuireError(
    "LOG_CORRUPT",
    `segment ${segment.first} of a log cannot be read at byte ${position} (${problem}); the other replicas have what is lost here`,
    {
      details: { segment: segment.first, position, problem },
    },
  );
