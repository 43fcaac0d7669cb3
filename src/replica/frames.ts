import { assert } from "../base/assert.js";
import { endOffsetOf } from "../base/frame.js";
import type { Offset } from "../base/ids.js";
import { plainHeader } from "../base/record-batch.js";
import type { Entry } from "../consensus/types.js";
import type { Frame } from "../storage/log.js";
import { encodeConfiguration } from "./configuration-codec.js";
import type { Payload, Proposal } from "./types.js";

const EMPTY = Buffer.alloc(0);

const isFrame = (payload: Payload | null): payload is Frame => payload !== null && "index" in payload;
const isProposal = (payload: Payload | null): payload is Proposal => payload !== null && "kind" in payload && !("index" in payload);

/**
 * The bytes of an entry that is about to be appended. A follower's entries are frames already; a leader's get their
 * place here: the offset is only known now, when everything before it has one.
 */
export function frameOf(entry: Entry<Payload>, nextOffset: Offset): Frame {
  if (isFrame(entry.payload)) {
    assert(
      entry.payload.baseOffset === nextOffset,
      `entry ${entry.index} begins at offset ${entry.payload.baseOffset}; this log's next offset is ${nextOffset}`,
    );
    return entry.payload;
  }
  const proposal = isProposal(entry.payload) ? entry.payload : undefined;
  const body = entry.configuration === undefined ? (proposal?.body ?? EMPTY) : encodeConfiguration(entry.configuration);
  return {
    index: entry.index,
    term: entry.term,
    kind: entry.kind,
    baseOffset: nextOffset,
    batch: proposal?.batch ?? plainHeader(body),
    body,
  };
}

/** The frames of entries that are appended together, the first of which begins at `nextOffset`. */
export function framesOf(entries: readonly Entry<Payload>[], nextOffset: Offset): Frame[] {
  let next = nextOffset;
  return entries.map((entry) => {
    const frame = frameOf(entry, next);
    next = endOffsetOf(frame);
    return frame;
  });
}
