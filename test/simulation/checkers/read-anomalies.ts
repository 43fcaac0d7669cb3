/** Anomalies of what was read. */
import type { Anomaly, Poll, ReadRecord, Send } from "./history.js";
import type { PartitionHistory, VersionOrder } from "./partition-history.js";

export function* readAnomalies(partition: PartitionHistory, order: VersionOrder, senders: ReadonlyMap<string, Send>): Iterable<Anomaly> {
  for (const { offset, values } of order.conflicts) {
    yield {
      name: "inconsistent-offsets",
      expected: `one value at offset ${offset}`,
      seen: values.map((value) => `"${value}"`).join(" and "),
      values,
      offsets: [offset],
    };
  }
  yield* contents(partition, senders);
  yield* polls(partition);
  yield* wholeLog(partition);
}

/** Every value read is one that was sent here, may have been written, and is as it was sent. Each is told of once. */
function* contents(partition: PartitionHistory, senders: ReadonlyMap<string, Send>): Iterable<Anomaly> {
  const told = new Set<string>();
  for (const { record, by } of partition.recordsRead()) {
    const wrong = wrongContent(partition.name, record, senders.get(record.value));
    if (wrong === undefined || told.has(record.value)) continue;
    told.add(record.value);
    yield { ...wrong, seen: `${by} read "${record.value}" at offset ${record.offset}${wrong.seen}`, values: [record.value], offsets: [record.offset] };
  }
}

function wrongContent(
  partition: string,
  { digest }: Pick<ReadRecord, "digest">,
  send: Send | undefined,
): Pick<Anomaly, "name" | "expected" | "seen"> | undefined {
  if (send === undefined) return { name: "invented", expected: "only what was sent", seen: ", which nobody sent" };
  if (send.partition !== partition)
    return { name: "invented", expected: "only what was sent to this partition", seen: `, which was sent to ${send.partition}` };
  if (send.outcome.kind === "failed") return { name: "aborted-read", expected: "nothing that failed for certain", seen: `, which failed for ${send.client}` };
  if (send.digest !== digest) return { name: "altered", expected: `the bytes that were sent, digest ${send.digest}`, seen: ` with digest ${digest}` };
  return undefined;
}

/** Where a reader is: just before `next`; undefined while nothing is known. */
interface Position {
  next: number | undefined;
}

/** Each reader gets one offset after the other, from where it began or sought; a gap is excused by a trim only. */
function* polls(partition: PartitionHistory): Iterable<Anomaly> {
  const positions = new Map<string, Position>();
  for (const read of partition.reads) {
    const position = positions.get(read.reader) ?? { next: undefined };
    positions.set(read.reader, position);
    if (read.kind === "poll") yield* onePoll(partition, read, position);
    else position.next = read.to === "latest" ? undefined : read.to === "earliest" ? 0 : read.to;
  }
}

function* onePoll(partition: PartitionHistory, poll: Poll, position: Position): Iterable<Anomaly> {
  const trimmedBefore = partition.trims.length === 0 ? 0 : partition.trimmedBefore(poll.completed);
  for (const [at, { offset, value }] of poll.records.entries()) {
    const { next } = position;
    position.next = offset + 1;
    if (next === undefined || offset === next) continue;
    const prefix = at === 0 ? "" : "int-";
    const seen = `${poll.reader} was given offset ${offset}, "${value}"`;
    const about = { seen, values: [value], offsets: [next - 1, next] };
    if (offset < next) yield { name: `${prefix}nonmonotonic-poll`, expected: `offset ${next} or above at ${poll.completed}`, ...about };
    else if (offset > trimmedBefore && !(poll.leaps === true && next < trimmedBefore))
      yield { name: `${prefix}poll-skip`, expected: `offset ${Math.max(next, trimmedBefore)} at ${poll.completed}`, ...about };
  }
}

function* wholeLog(partition: PartitionHistory): Iterable<Anomaly> {
  const { finalRead } = partition;
  if (finalRead === undefined) return;
  const { logStart, records } = finalRead;
  const trimmedBefore = partition.trimmedBefore(Number.POSITIVE_INFINITY);
  if (logStart > trimmedBefore) {
    yield {
      name: "untrimmed-start",
      expected: `a log that begins at ${trimmedBefore} or below`,
      seen: `it begins at ${logStart}`,
      values: [],
      offsets: [trimmedBefore],
    };
  }
  let next = logStart;
  for (const { offset, value } of records) {
    const about = { seen: `the final read goes on with offset ${offset}`, values: [value], offsets: [next - 1] };
    if (offset > next) yield { name: "hole", expected: `offset ${next}`, ...about };
    else if (offset < next) yield { name: "int-nonmonotonic-poll", expected: `offset ${next} or above`, ...about };
    next = offset + 1;
  }
}
