/**
 * Judges what clients saw. Values are unique and offsets are returned, so one pass over each partition's log finds what in general
 * would need a search (after jepsen.tests.kafka and Kingsbury's report on Redpanda 21.10). Quire's offsets are dense, which makes a
 * missing one an anomaly even where nobody knows what stood there.
 */
import type { Anomaly, AnomalyName, History, ReadRecord, Send } from "./history.js";
import { byPartition, type PartitionHistory, VersionOrder } from "./partition-history.js";
import { readAnomalies } from "./read-anomalies.js";
import { sendAnomalies } from "./send-anomalies.js";
import { Violation } from "./violation.js";

export interface Verdict {
  /** The first few of each kind in each partition. */
  readonly violations: readonly Violation[];
  readonly counts: ReadonlyMap<AnomalyName, number>;
  /** Acknowledgements with the promise of `quorum`. */
  readonly acknowledged: number;
  /** Records handed to readers, the final reads' included. */
  readonly read: number;
}

/** Anomalies of one kind that are reported for one partition; all are counted. */
const REPORTED_MAX = 3;

/** @throws Error when a partition neither was read to its end nor was deleted: then the history proves nothing */
export function checkHistory(history: History): Verdict {
  const violations: Violation[] = [];
  const counts = new Map<AnomalyName, number>();
  const senders = new Map(history.sends.map((send) => [send.value, send]));
  if (senders.size !== history.sends.length) throw new Error("values are not unique, so nothing can be told from them");
  let acknowledged = 0;
  let read = 0;
  for (const partition of byPartition(history).values()) {
    if (partition.finalRead === undefined && !partition.isDeleted) throw new Error(`${partition.name} was neither read to its end nor deleted`);
    acknowledged += partition.sends.filter(({ acks, outcome }) => acks === "quorum" && outcome.kind === "acknowledged").length;
    for (const _ of partition.recordsRead()) read += 1;
    const reported = new Map<AnomalyName, number>();
    for (const anomaly of anomaliesOf(partition, senders)) {
      counts.set(anomaly.name, (counts.get(anomaly.name) ?? 0) + 1);
      const before = reported.get(anomaly.name) ?? 0;
      reported.set(anomaly.name, before + 1);
      if (before < REPORTED_MAX) violations.push(violationOf(anomaly, partition));
    }
  }
  return { violations, counts, acknowledged, read };
}

function* anomaliesOf(partition: PartitionHistory, senders: ReadonlyMap<string, Send>): Iterable<Anomaly> {
  const order = new VersionOrder(partition);
  yield* sendAnomalies(partition, order);
  yield* readAnomalies(partition, order, senders);
}

function violationOf(anomaly: Anomaly, partition: PartitionHistory): Violation {
  const { name, expected, seen } = anomaly;
  return new Violation({ invariant: name, subject: partition.name, expected, seen, evidence: evidenceFor(anomaly, partition) });
}

/** Every operation that tells of these values or offsets. */
function evidenceFor({ values, offsets }: Anomaly, partition: PartitionHistory): string[] {
  const isNamed = ({ value, offset }: Pick<ReadRecord, "value" | "offset">): boolean => values.includes(value) || offsets.includes(offset);
  const lines: string[] = [];
  for (const send of partition.sends) {
    const offset = send.outcome.kind === "acknowledged" ? send.outcome.offset : -1;
    if (isNamed({ value: send.value, offset })) lines.push(describeSend(send));
  }
  for (const read of partition.reads) {
    if (read.kind === "poll" && read.records.some(isNamed)) lines.push(`${read.completed} ${read.reader} polled ${describeRecords(read.records, isNamed)}`);
  }
  const { finalRead } = partition;
  if (finalRead !== undefined) lines.push(`final read from ${finalRead.logStart}: ${describeRecords(finalRead.records, isNamed)}`);
  for (const trim of partition.trims.slice(-3)) lines.push(`${trim.committed} trim before ${trim.before} was committed`);
  return lines;
}

function describeSend({ client, value, invoked, completed, acks, mayRepeat, outcome }: Send): string {
  const told = outcome.kind === "acknowledged" ? `acknowledged at offset ${outcome.offset} in term ${outcome.term}` : outcome.kind;
  return `${invoked} to ${completed} ${client} sent "${value}" (acks=${acks}${mayRepeat === true ? ", may repeat" : ""}): ${told}`;
}

/** The ends of what was read, and the records that matter with their neighbours. */
function describeRecords(records: readonly ReadRecord[], isNamed: (record: ReadRecord) => boolean): string {
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) return "nothing";
  const at = records.findIndex(isNamed);
  const shown = at < 0 ? [] : records.slice(Math.max(0, at - 2), at + 3);
  const list = shown.map(({ offset, value }) => `${offset}="${value}"`).join(" ");
  return `${first.offset} to ${last.offset}${list === "" ? "" : `, there ${list}`}`;
}
