import { unreachable } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { endOffsetOf, type Frame } from "../base/frame.js";
import { indexPlus, type Offset, offset, type Term } from "../base/ids.js";
import { MIB } from "../base/limits.js";
import type { TopicPartition } from "../cluster/view.js";
import { EntryKind, type Replica } from "../replica/types.js";
import type { Deadlines } from "./deadlines.js";
import { earliestOffset, type PartitionKeeper } from "./partition-keeper.js";
import type { Position } from "./types.js";

export interface ConfirmOptions {
  readonly keeper: PartitionKeeper;
  readonly deadlines: Deadlines;
  /** How long R replicas may take to confirm a read point. */
  readonly confirmMsMax: number;
}

export interface ListedOffset {
  readonly offset: Offset;
  /** For a timestamp: the largest one of the batch found; undefined at the end of the log. */
  readonly timestampMs: number | undefined;
  readonly term: Term;
}

/**
 * The offset of a place. `latest`, and a timestamp beyond the last record, are linearizable: they include everything
 * that was acknowledged before the call.
 */
export async function listOffset(options: ConfirmOptions, at: TopicPartition, position: Position): Promise<ListedOffset> {
  const { replica } = options.keeper.serving(at);
  switch (position.kind) {
    case "earliest":
      return { offset: earliestOffset(replica), timestampMs: undefined, term: replica.term };
    case "latest":
      await confirm(options, at, replica);
      return { offset: replica.highWatermark, timestampMs: undefined, term: replica.term };
    case "offset":
      return { offset: checkKept(at, replica, position.offset), timestampMs: undefined, term: replica.term };
    case "timestamp":
      await confirm(options, at, replica);
      return { ...(await atTimestamp(replica, position.timestampMs)), term: replica.term };
    default:
      return unreachable(position);
  }
}

function checkKept(at: TopicPartition, replica: Replica, wanted: Offset): Offset {
  const earliest = earliestOffset(replica);
  const latest = replica.highWatermark;
  if (wanted >= earliest && wanted <= latest) return wanted;
  throw new QuireError("OFFSET_OUT_OF_RANGE", `offset ${wanted} of ${at.topic}/${at.partition} is not there; offsets ${earliest} to ${latest} are`, {
    details: { topic: at.topic, partition: at.partition, offset: wanted, earliest, latest, term: replica.term },
  });
}

/** Waits until R replicas confirmed that this is the leader still. @throws QuireError QUORUM_UNAVAILABLE */
export function confirm({ keeper, deadlines, confirmMsMax }: ConfirmOptions, at: TopicPartition, replica: Replica): Promise<void> {
  const late = (): QuireError =>
    new QuireError(
      "QUORUM_UNAVAILABLE",
      `too few replicas of ${at.topic}/${at.partition} confirmed within ${confirmMsMax} ms that broker ${keeper.self} leads it; try again when more are up`,
      { details: { topic: at.topic, partition: at.partition }, retryAfterMs: 500 },
    );
  return deadlines.within<void>(confirmMsMax, late, (resolve, reject) => {
    replica.readIndex().then(
      () => resolve(),
      (error: Error) => reject(keeper.explain(at, error)),
    );
  });
}

async function atTimestamp(replica: Replica, timestampMs: number): Promise<Omit<ListedOffset, "term">> {
  const end = replica.highWatermark;
  const start = earliestOffset(replica);
  const found = start < end ? await findFrame(replica, timestampMs, start) : undefined;
  // Beyond the high watermark nothing is shown, not even that it is there.
  if (found === undefined || found.baseOffset >= end) return { offset: end, timestampMs: undefined };
  return { offset: offset(Math.max(found.baseOffset, start)), timestampMs: found.batch.maxTimestampMs };
}

/** The first batch with a record at or after `start` whose largest timestamp is at or after `timestampMs`. */
async function findFrame(replica: Replica, timestampMs: number, start: Offset): Promise<Frame | undefined> {
  const { log } = replica;
  const found = await log.findTimestamp(timestampMs);
  if (found === undefined) return undefined;
  // The log may hold batches that were trimmed already; then search on from where readers may begin.
  let from = found.baseOffset >= start ? found.index : await log.indexOfOffset(start);
  for (;;) {
    const through = replica.commitIndex;
    if (from > through) return undefined;
    const frames = log.readCached(from, through, MIB) ?? (await log.read(from, through, MIB));
    for (const frame of frames) {
      if (frame.kind !== EntryKind.records) continue;
      if (endOffsetOf(frame) > start && frame.batch.maxTimestampMs >= timestampMs) return frame;
    }
    const last = frames.at(-1);
    if (last === undefined) return undefined;
    from = indexPlus(last.index, 1);
  }
}
