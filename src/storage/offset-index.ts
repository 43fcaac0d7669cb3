/** A place in a segment from which a walk over frames may begin. */
export interface Place {
  readonly index: number;
  /** Base offset of the frame there. */
  readonly offset: number;
  /** Bytes from the beginning of the file. */
  readonly position: number;
}

/** Numbers per entry: log index, base offset, position, and the largest timestamp of all frames before it. */
const WIDTH = 4;

/**
 * Where some of a segment's frames are: one entry every so many bytes. Finds by log index, offset or timestamp the last
 * place known to be at or before what is looked for; a walk over headers does the rest. Can always be rebuilt.
 */
export class OffsetIndex {
  readonly #start: Place;
  readonly #numbers: number[];

  /** `start` is the segment's first frame. `numbers` comes from `numbers` of an index that was saved. */
  constructor(start: Place, numbers: readonly number[] = []) {
    this.#start = start;
    this.#numbers = [...numbers];
  }

  /** What to save. */
  get numbers(): readonly number[] {
    return this.#numbers;
  }

  /** What to save of a segment that is known only up to a position. */
  upTo(position: number): readonly number[] {
    let length = this.#numbers.length;
    while ((this.#numbers[length - 2] ?? -1) >= position) length -= WIDTH;
    return this.#numbers.slice(0, length);
  }

  /** Adds the frame at `place` when it is at least `everyBytes` after the last one that was added. */
  offer(place: Place, maxTimestampBefore: number, everyBytes: number): void {
    if (place.position - (this.#numbers.at(-2) ?? this.#start.position) < everyBytes) return;
    this.#numbers.push(place.index, place.offset, place.position, maxTimestampBefore);
  }

  /** Forgets entries at or beyond this position. */
  cut(position: number): void {
    while ((this.#numbers.at(-2) ?? -1) >= position) this.#numbers.length -= WIDTH;
  }

  atOrBeforeIndex(index: number): Place {
    return this.#last((entry) => this.#at(entry, 0) <= index);
  }

  /** Frames without records share the offset of what follows, so the frame that holds `offset` is at this place or after it. */
  atOrBeforeOffset(offset: number): Place {
    return this.#last((entry) => this.#at(entry, 1) <= offset);
  }

  /** No frame before this place has a timestamp as late. */
  beforeTimestamp(timestampMs: number): Place {
    return this.#last((entry) => this.#at(entry, 3) < timestampMs);
  }

  /** The last entry for which `holds`, which holds for a prefix of them. */
  #last(holds: (entry: number) => boolean): Place {
    let low = 0;
    let high = this.#numbers.length / WIDTH;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(middle)) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return this.#start;
    return { index: this.#at(low - 1, 0), offset: this.#at(low - 1, 1), position: this.#at(low - 1, 2) };
  }

  #at(entry: number, column: number): number {
    return this.#numbers[entry * WIDTH + column] ?? 0;
  }
}
