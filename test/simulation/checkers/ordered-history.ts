/** Correct histories, for the tests of the checker: clients send at random, one log orders them, readers follow it. */
import { SeededRandom } from "../../consensus/seeded-random.js";
import type { FinalRead, History, Poll, ReadRecord, Seek, Send, Trim } from "./history.js";

export interface HistorySketch {
  readonly seed: number;
  /** Sends; some fail, of some the outcome stays unknown. */
  readonly records: number;
  readonly clients: number;
  readonly readers: number;
}

const PARTITION = "orders/0";

export function orderedHistory({ seed, records, clients, readers }: HistorySketch): History {
  const random = new SeededRandom(seed);
  const log: ReadRecord[] = [];
  const sends: Send[] = [];
  // Of each client: when its last send was written, so that the next one comes after it in the log however their answers overlap.
  for (let now = 0; now < records; now++) {
    const value = `v${now}`;
    const digest = random.below(1 << 30);
    const sent = {
      client: `c${random.below(clients)}`,
      partition: PARTITION,
      value,
      digest,
      invoked: now - random.below(5),
      completed: now + random.below(5),
      acks: "quorum" as const,
    };
    const luck = random.below(10);
    // The first is always acknowledged, so that there is something to lose.
    const isWritten = now === 0 || luck > 1;
    const offset = log.length;
    if (isWritten) log.push({ offset, value, digest });
    if (luck === 0 && !isWritten) sends.push({ ...sent, outcome: { kind: "failed" } });
    else if (luck <= 2 && now > 0) sends.push({ ...sent, outcome: { kind: "unknown" } });
    else sends.push({ ...sent, outcome: { kind: "acknowledged", offset, term: 1 + Math.floor(now / 20) } });
  }
  const trims: Trim[] = random.oneIn(2) ? [{ partition: PARTITION, before: random.below(Math.ceil(log.length / 2)), committed: 0 }] : [];
  const logStart = trims[0]?.before ?? 0;
  const finalReads: FinalRead[] = [{ partition: PARTITION, logStart, records: log.slice(logStart) }];
  const reads = Array.from({ length: readers }, (_, reader) => readsOf(`r${reader}`, log, logStart, random)).flat();
  return { sends, reads, finalReads, trims, deleted: [] };
}

/** Polls of a few records each, with a seek here and there. */
function readsOf(reader: string, log: readonly ReadRecord[], logStart: number, random: SeededRandom): (Seek | Poll)[] {
  const reads: (Seek | Poll)[] = [];
  let next = random.below(log.length);
  for (let at = next; next < log.length; at++) {
    if (random.oneIn(10)) {
      const to = random.oneIn(3) ? "earliest" : logStart + random.below(log.length - logStart + 1);
      reads.push({ kind: "seek", reader, partition: PARTITION, to });
      // A reader that only ever goes back would never end.
      next = Math.max(to === "earliest" ? logStart : to, random.oneIn(2) ? next : 0);
      if (to !== next) reads.push({ kind: "seek", reader, partition: PARTITION, to: next });
    }
    const records = log.slice(next, next + 1 + random.below(8));
    if (records.length > 0) reads.push({ kind: "poll", reader, partition: PARTITION, completed: at, records });
    next += records.length;
  }
  return reads;
}
