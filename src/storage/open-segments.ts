import { assert } from "../base/assert.js";
import { KIB } from "../base/limits.js";
import { decodeCheckedJson, encodeCheckedJson } from "./checked-json.js";
import { type Files, type OpenFile, writeFile } from "./files.js";
import { OffsetIndex } from "./offset-index.js";
import { emptyIndex, indexName, SEGMENT_HEADER_BYTES, type Segment, segmentName } from "./segment.js";
import { walkHeaders } from "./segment-walk.js";

/** Distance of entries in an index that had to be rebuilt. */
const REBUILT_EVERY_BYTES = 128 * KIB;

interface OpenSegment {
  readonly file: Promise<OpenFile>;
  /** Loaded or rebuilt; of no use while the segment is written to, for then it has its own. */
  index: Promise<OffsetIndex> | undefined;
  users: number;
  isForgotten: boolean;
}

interface SavedIndex {
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
  readonly numbers: readonly number[];
}

/** Files open for reading, and the offset indexes of complete segments: of all logs of a broker, the most recently used. */
export class OpenSegments {
  readonly #files: Files;
  readonly #max: number;
  /** Least recently used first. */
  readonly #open = new Map<Segment, OpenSegment>();

  /** `max`: segments kept open; those in use at the moment may exceed it. */
  constructor(files: Files, max: number) {
    this.#files = files;
    this.#max = max;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Runs `read` with the segment's file and index. */
  async use<T>(folder: string, segment: Segment, read: (file: OpenFile, index: OffsetIndex) => Promise<T>): Promise<T> {
    const open = this.#openOf(folder, segment);
    open.users += 1;
    try {
      const file = await open.file;
      return await read(file, segment.index ?? (await this.#indexOf(folder, segment, open, file)));
    } finally {
      open.users -= 1;
      await this.#trim(segment, open);
    }
  }

  /** The segment's file was removed or cut. */
  forget(segment: Segment): void {
    const open = this.#open.get(segment);
    if (open === undefined) return;
    this.#open.delete(segment);
    open.isForgotten = true;
    if (open.users === 0) closeQuietly(open);
  }

  /** Saves a complete segment's index beside it. It can be rebuilt, so it is neither synced nor needed. */
  async saveIndex(folder: string, segment: Segment): Promise<void> {
    if (segment.index === undefined) return;
    const saved: SavedIndex = { first: segment.first, last: segment.last, bytes: segment.bytes, numbers: segment.index.numbers };
    try {
      await writeFile(this.#files, `${folder}/${indexName(segment.first)}`, encodeCheckedJson(saved), { sync: false });
    } catch {
      // A full or failing disk shows itself where it matters: in the writes of segments.
    }
  }

  #openOf(folder: string, segment: Segment): OpenSegment {
    const known = this.#open.get(segment);
    if (known !== undefined) {
      this.#open.delete(segment);
      this.#open.set(segment, known);
      return known;
    }
    const open: OpenSegment = { file: this.#files.open(`${folder}/${segmentName(segment.first)}`, "read"), index: undefined, users: 0, isForgotten: false };
    open.file.catch(() => this.#open.get(segment) === open && this.#open.delete(segment));
    this.#open.set(segment, open);
    return open;
  }

  #indexOf(folder: string, segment: Segment, open: OpenSegment, file: OpenFile): Promise<OffsetIndex> {
    open.index ??= this.#load(folder, segment, file);
    open.index.catch(() => {
      open.index = undefined;
    });
    return open.index;
  }

  async #load(folder: string, segment: Segment, file: OpenFile): Promise<OffsetIndex> {
    // It can be rebuilt, so one that cannot be read is as good as none.
    const bytes = await this.#files.readAll(`${folder}/${indexName(segment.first)}`).catch(() => undefined);
    const saved = bytes === undefined ? undefined : (decodeCheckedJson(bytes) as SavedIndex | undefined);
    const start = { index: segment.first, offset: segment.baseOffset, position: SEGMENT_HEADER_BYTES };
    if (saved?.first === segment.first && saved.last === segment.last && saved.bytes === segment.bytes) return new OffsetIndex(start, saved.numbers);
    return rebuildIndex(segment, file);
  }

  async #trim(used: Segment, open: OpenSegment): Promise<void> {
    if (open.isForgotten && open.users === 0) await closeOpened(open);
    for (const [segment, candidate] of this.#open) {
      if (this.#open.size <= this.#max) return;
      if (candidate.users > 0 || segment === used) continue;
      this.#open.delete(segment);
      await closeOpened(candidate);
    }
  }
}

/** Walks over a complete segment. Stops at damage without a word: the read that comes there will say so. */
async function rebuildIndex(segment: Segment, file: OpenFile): Promise<OffsetIndex> {
  const index = emptyIndex(segment);
  let maxTimestampMs = 0;
  await walkHeaders(file, { position: SEGMENT_HEADER_BYTES, end: segment.bytes }, (header, position) => {
    index.offer({ index: header.index, offset: header.baseOffset, position }, maxTimestampMs, REBUILT_EVERY_BYTES);
    if (header.batch.recordCount > 0) maxTimestampMs = Math.max(maxTimestampMs, header.batch.maxTimestampMs);
    return header.index < segment.last;
  });
  return index;
}

async function closeOpened(open: OpenSegment): Promise<void> {
  assert(open.users === 0, "a file in use is not closed");
  const file = await open.file.catch(() => undefined);
  await file?.close();
}

/** A file that was only read: nothing is lost when closing it fails. */
function closeQuietly(open: OpenSegment): void {
  closeOpened(open).catch(() => undefined);
}
