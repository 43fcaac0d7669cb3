/** Searches among the frames of a log that are in memory. */
import { assert } from "../base/assert.js";
import { endOffsetOf } from "../base/frame.js";
import { type LogIndex, logIndex, type Offset } from "../base/ids.js";
import type { TailEntry, TailWindow } from "./tail-cache.js";

/** Entries after `after` through `last`; what is in memory may begin later. */
interface Range {
  readonly after: LogIndex;
  readonly last: LogIndex;
}

/** The frame that holds `offset`. Of a million entries without records, a few are looked at. */
export function holderOf(window: TailWindow, offset: Offset, { after, last }: Range): TailEntry | undefined {
  const { oldest } = window;
  if (oldest === undefined || oldest.baseOffset > offset) return undefined;
  let low = Math.max(oldest.index, after + 1);
  let high: number = last;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const frame = window.entry(logIndex(middle));
    assert(frame !== undefined, "the frames in memory have no gap");
    if (endOffsetOf(frame) > offset) high = middle;
    else low = middle + 1;
  }
  const found = window.entry(logIndex(low));
  return found !== undefined && found.batch.recordCount > 0 && endOffsetOf(found) > offset ? found : undefined;
}

/** The first frame for which `isWanted` holds. */
export function firstOf(window: TailWindow, { after, last }: Range, isWanted: (frame: TailEntry) => boolean): TailEntry | undefined {
  const { oldest } = window;
  if (oldest === undefined) return undefined;
  for (let index = Math.max(oldest.index, after + 1); index <= last; index++) {
    const frame = window.entry(logIndex(index));
    if (frame !== undefined && isWanted(frame)) return frame;
  }
  return undefined;
}
