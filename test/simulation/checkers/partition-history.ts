/** What a history says of one partition, arranged for the checks. */
import type { FinalRead, History, Moment, Poll, ReadRecord, Seek, Send, Trim } from "./history.js";

export class PartitionHistory {
  readonly name: string;
  readonly sends: Send[] = [];
  readonly reads: (Seek | Poll)[] = [];
  readonly trims: Trim[] = [];
  finalRead: FinalRead | undefined;
  isDeleted = false;

  constructor(name: string) {
    this.name = name;
  }

  /** Offsets below this may be gone by `moment`. */
  trimmedBefore(moment: Moment): number {
    let before = 0;
    for (const trim of this.trims) if (trim.committed <= moment && trim.before > before) before = trim.before;
    return before;
  }

  /** Everything read, by whomever. */
  *recordsRead(): Iterable<{ readonly record: ReadRecord; readonly by: string }> {
    for (const read of this.reads) if (read.kind === "poll") for (const record of read.records) yield { record, by: read.reader };
    for (const record of this.finalRead?.records ?? []) yield { record, by: "the final read" };
  }
}

export function byPartition(history: History): Map<string, PartitionHistory> {
  const partitions = new Map<string, PartitionHistory>();
  const of = (name: string): PartitionHistory => {
    const found = partitions.get(name) ?? new PartitionHistory(name);
    partitions.set(name, found);
    return found;
  };
  for (const send of history.sends) of(send.partition).sends.push(send);
  for (const read of history.reads) of(read.partition).reads.push(read);
  for (const trim of history.trims) of(trim.partition).trims.push(trim);
  for (const read of history.finalReads) of(read.partition).finalRead = read;
  for (const name of history.deleted) of(name).isDeleted = true;
  return partitions;
}

/** What stands at which offset, by all that was acknowledged and read, and where each value stands. */
export class VersionOrder {
  readonly #values: (string | undefined)[] = [];
  /** Of values that stand once, which are nearly all. */
  readonly #offsets = new Map<string, number>();
  readonly #repeated = new Map<string, Set<number>>();
  readonly conflicts: { readonly offset: number; readonly values: readonly [string, string] }[] = [];

  constructor(partition: PartitionHistory) {
    // Reads first: what was read is there, whatever an acknowledgement says.
    for (const { record } of partition.recordsRead()) this.#add(record.offset, record.value);
    for (const { acks, outcome, value } of partition.sends) if (acks === "quorum" && outcome.kind === "acknowledged") this.#add(outcome.offset, value);
  }

  /** Values that stand at more than one offset, and where. */
  get repeated(): ReadonlyMap<string, ReadonlySet<number>> {
    return this.#repeated;
  }

  #add(offset: number, value: string): void {
    const there = this.#values[offset];
    if (there === undefined) this.#values[offset] = value;
    else if (there !== value) this.conflicts.push({ offset, values: [there, value] });
    const before = this.#offsets.get(value);
    if (before === undefined) this.#offsets.set(value, offset);
    else if (before !== offset) {
      const all = this.#repeated.get(value);
      if (all === undefined) this.#repeated.set(value, new Set([before, offset]));
      else all.add(offset);
    }
  }
}
