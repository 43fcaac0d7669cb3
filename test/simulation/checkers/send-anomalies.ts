/** Anomalies of what was sent and acknowledged. */
import type { Anomaly, Send } from "./history.js";
import type { PartitionHistory, VersionOrder } from "./partition-history.js";

interface Acknowledged {
  readonly send: Send;
  readonly offset: number;
  readonly term: number;
}

export function* sendAnomalies(partition: PartitionHistory, order: VersionOrder): Iterable<Anomaly> {
  const acknowledged = promisesOf(partition);
  yield* duplicates(partition, order);
  yield* lostWrites(partition, acknowledged);
  yield* inOrderOfSending(acknowledged);
  yield* inOrderOfTime(acknowledged);
  yield* inOrderOfTerms(acknowledged);
}

function promisesOf({ sends }: PartitionHistory): Acknowledged[] {
  const found: Acknowledged[] = [];
  for (const send of sends) {
    const { acks, outcome } = send;
    if (acks === "quorum" && outcome.kind === "acknowledged") found.push({ send, offset: outcome.offset, term: outcome.term });
  }
  return found;
}

function* duplicates({ sends }: PartitionHistory, { repeated }: VersionOrder): Iterable<Anomaly> {
  if (repeated.size === 0) return;
  const mayRepeat = new Set(sends.filter((send) => send.mayRepeat === true).map((send) => send.value));
  for (const [value, offsets] of repeated) {
    if (mayRepeat.has(value)) continue;
    const list = [...offsets].sort((a, b) => a - b);
    yield { name: "duplicate", expected: `"${value}" at one offset`, seen: `at offsets ${list.join(", ")}`, values: [value], offsets: [] };
  }
}

/** Only a final read proves that something is gone; what was deleted was to be gone. */
function* lostWrites(partition: PartitionHistory, acknowledged: readonly Acknowledged[]): Iterable<Anomaly> {
  const { finalRead } = partition;
  if (finalRead === undefined) return;
  const kept = new Map(finalRead.records.map(({ offset, value }) => [offset, value]));
  let highestRead = -1;
  for (const { record } of partition.recordsRead()) if (record.offset > highestRead) highestRead = record.offset;
  // A log start that no trim explains is an anomaly of its own, and no excuse.
  const excusedBefore = Math.min(finalRead.logStart, partition.trimmedBefore(Number.POSITIVE_INFINITY));
  for (const { send, offset } of acknowledged) {
    if (offset < excusedBefore || kept.get(offset) === send.value) continue;
    const there = kept.get(offset);
    const name = offset > highestRead ? "unseen" : "lost-write";
    const instead = there === undefined ? "nothing" : `"${there}"`;
    yield {
      name,
      expected: `"${send.value}", acknowledged, at offset ${offset}`,
      seen: `${instead} there at the end`,
      values: [send.value],
      offsets: [offset],
    };
  }
}

/** What a client sends to a partition stands there in the order in which it was sent; one batch is one piece. */
function* inOrderOfSending(acknowledged: readonly Acknowledged[]): Iterable<Anomaly> {
  const newest = new Map<string, Acknowledged>();
  for (const later of acknowledged) {
    const { client, call, batch, value } = later.send;
    const earlier = newest.get(client);
    newest.set(client, later);
    if (earlier === undefined) continue;
    const about = { values: [earlier.send.value, value], offsets: [] };
    const seen = `"${earlier.send.value}" at ${earlier.offset}, "${value}" at ${later.offset}`;
    if (later.offset <= earlier.offset) {
      const name = call !== undefined && call === earlier.send.call ? "int-nonmonotonic-send" : "nonmonotonic-send";
      yield { name, expected: `what ${client} sent later at a higher offset`, seen, ...about };
    } else if (batch !== undefined && batch === earlier.send.batch && later.offset !== earlier.offset + 1) {
      yield { name: "int-send-skip", expected: `the records of batch ${batch} of ${client} side by side`, seen, ...about };
    }
  }
}

/** An acknowledged offset exceeds every offset acknowledged before its send began: two sorted lists, merged. */
function* inOrderOfTime(acknowledged: readonly Acknowledged[]): Iterable<Anomaly> {
  const ends = [...acknowledged].sort((a, b) => a.send.completed - b.send.completed);
  const begins = [...acknowledged].sort((a, b) => a.send.invoked - b.send.invoked);
  let highest: Acknowledged | undefined;
  let next = 0;
  for (const later of begins) {
    for (let done = ends[next]; done !== undefined && done.send.completed < later.send.invoked; done = ends[++next]) {
      if (highest === undefined || done.offset > highest.offset) highest = done;
    }
    if (highest === undefined || later.offset > highest.offset) continue;
    yield {
      name: "real-time-order",
      expected: `"${later.send.value}", sent at ${later.send.invoked}, above offset ${highest.offset}, acknowledged at ${highest.send.completed}`,
      seen: `offset ${later.offset}`,
      values: [highest.send.value, later.send.value],
      offsets: [],
    };
  }
}

function* inOrderOfTerms(acknowledged: readonly Acknowledged[]): Iterable<Anomaly> {
  const along = [...acknowledged].sort((a, b) => a.offset - b.offset);
  for (const [at, later] of along.entries()) {
    const earlier = along[at - 1];
    if (earlier === undefined || later.term >= earlier.term) continue;
    yield {
      name: "nonmonotonic-term",
      expected: `offset ${later.offset} in term ${earlier.term} or later, like offset ${earlier.offset}`,
      seen: `term ${later.term}`,
      values: [earlier.send.value, later.send.value],
      offsets: [],
    };
  }
}
