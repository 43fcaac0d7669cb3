import { QuireError } from "../base/errors.js";
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
 *
 * @throws QuireError REPLICA_FAILED: two logs agree on an entry, and not on what was before it. One of their disks forgot what it had promised, as an
 * old copy of a disk does; nobody knows which, so this replica must not go on.
 */
export function frameOf(entry: Entry<Payload>, nextOffset: Offset): Frame {
  if (isFrame(entry.payload)) {
    if (entry.payload.baseOffset !== nextOffset) throw diverged(entry, entry.payload.baseOffset, nextOffset);
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

const diverged = ({ index, term }: Entry<Payload>, theirs: Offset, ours: Offset): QuireError =>
  new QuireError(
    "REPLICA_FAILED",
    `entry ${index} of term ${term} begins at offset ${theirs} in the leader's log, and this log's next offset is ${ours}: one of the two disks lost what it had promised to keep, as an old copy of a disk does; compare the replicas, and empty the folder of the one that is wrong`,
    { details: { index, term, offset: theirs, nextOffset: ours } },
  );

/** The frames of entries that are appended together, the first of which begins at `nextOffset`. */
export function framesOf(entries: readonly Entry<Payload>[], nextOffset: Offset): Frame[] {
  let next = nextOffset;
  return entries.map((entry) => {
    const frame = frameOf(entry, next);
    next = endOffsetOf(frame);
    return frame;
  });
}
