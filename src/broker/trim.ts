import { QuireError } from "../base/errors.js";
import type { Offset } from "../base/ids.js";
import { encodeTrimEntry } from "../base/trim-entry.js";
import type { TopicPartition } from "../cluster/view.js";
import { EntryKind } from "../replica/types.js";
import type { Deadlines } from "./deadlines.js";
import { earliestOffset, type PartitionKeeper } from "./partition-keeper.js";

export interface TrimOptions {
  readonly keeper: PartitionKeeper;
  readonly deadlines: Deadlines;
  readonly timeoutMs: number;
}

/** Proposes a new log start. Asking for what was trimmed already changes nothing and tells the present one. */
export async function trim({ keeper, deadlines, timeoutMs }: TrimOptions, at: TopicPartition, before: Offset): Promise<Offset> {
  const { replica } = keeper.serving(at);
  const details = { topic: at.topic, partition: at.partition };
  const latest = replica.highWatermark;
  if (before < 0 || before > latest) {
    const earliest = earliestOffset(replica);
    throw new QuireError("OFFSET_OUT_OF_RANGE", `cannot trim ${at.topic}/${at.partition} before offset ${before}; it has offsets ${earliest} to ${latest}`, {
      details: { ...details, offset: before, earliest, latest },
    });
  }
  if (before <= earliestOffset(replica)) return earliestOffset(replica);
  const late = (): QuireError =>
    new QuireError("WRITE_OUTCOME_UNKNOWN", `the trim of ${at.topic}/${at.partition} was not confirmed within ${timeoutMs} ms; repeating it does no harm`, {
      details,
    });
  await deadlines.within<void>(timeoutMs, late, (resolve, reject) => {
    replica.propose({ kind: EntryKind.trim, body: encodeTrimEntry(before) }, (outcome) => {
      if (outcome instanceof Error) reject(keeper.explain(at, outcome));
      else resolve();
    });
  });
  return earliestOffset(replica);
}
