import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { Term } from "../base/ids.js";
import { KIB } from "../base/limits.js";
import type { Clock } from "../base/ports.js";
import { encodeProgressEntry, type ProgressLine, progressLineBytes } from "../base/progress-entry.js";
import { type Committed, EntryKind, type Replica } from "../replica/types.js";
import { BatchTimes } from "./batch-times.js";
import type { ProgressDecision, ProgressTable } from "./progress-table.js";
import { RisingRate } from "./rising-rate.js";

/** What became of lines, once their entry was applied. */
export interface WrittenProgress extends ProgressDecision {
  readonly term: Term;
}

export interface LeadingProgressOptions {
  /** Where the partition is, for messages. */
  readonly name: string;
  readonly replica: Pick<Replica, "propose" | "log">;
  /** As applied on this replica. */
  readonly table: ProgressTable;
  readonly groupsMax: number;
  readonly clock: Clock;
}

/** Lines that belong together, and who waits for them. */
interface Waiting {
  readonly lines: readonly ProgressLine[];
  readonly settled: (outcome: WrittenProgress | Error) => void;
}

/** Bounds one entry; a single line always fits. */
const ENTRY_LINES_MAX = 1_000;
const ENTRY_BYTES_MAX = 64 * KIB;
/** Lines that wait while an entry is under way; beyond it nothing more is taken. */
const WAITING_LINES_MAX = 10_000;

/**
 * Writes what consumer groups say of one partition into its log, while this broker leads it: one entry is under way, and what comes meanwhile is the next
 * one, so that many commits cost little. Nothing is decided here: an entry's lines are as its application finds them, whoever led before.
 */
export class LeadingProgress {
  readonly table: ProgressTable;
  /** When the batch at an offset was written. */
  readonly times: BatchTimes;
  readonly #options: LeadingProgressOptions;
  readonly #rates = new Map<string, RisingRate>();
  #waiting: Waiting[] = [];
  #waitingLines = 0;
  #underWay: readonly Waiting[] = [];
  #isForgetting = false;

  constructor(options: LeadingProgressOptions) {
    this.#options = options;
    this.table = options.table;
    this.times = new BatchTimes(options.replica.log);
  }

  /**
   * Writes lines of one group; `settled` is called once, with what became of the last of them, or why they are perhaps not written. The returned function takes
   * them back if they were not proposed yet, and says whether that was so.
   *
   * @throws QuireError QUOTA_EXCEEDED, THROTTLED; nothing was written
   */
  write(lines: readonly ProgressLine[], settled: (outcome: WrittenProgress | Error) => void): () => boolean {
    const [{ group }] = lines as [ProgressLine];
    if (this.table.get(group) === undefined) this.#checkRoom(group);
    if (this.#waitingLines + lines.length > WAITING_LINES_MAX) throw this.#tooMuch();
    const waiting: Waiting = { lines, settled };
    this.#waiting.push(waiting);
    this.#waitingLines += lines.length;
    this.#pump();
    return () => this.#takeBack(waiting);
  }

  /** Forgets groups for which `isGone` holds, as far as this partition knows them; one round at a time. */
  forget(isGone: (group: string, generation: number) => boolean): void {
    for (const group of this.#rates.keys()) if (this.table.get(group) === undefined) this.#rates.delete(group);
    if (this.#isForgetting) return;
    const lines: ProgressLine[] = [];
    for (const [group, { generation }] of this.table.entries()) if (isGone(group, generation)) lines.push({ kind: "forget", group, generation });
    const forgotten = lines.slice(0, ENTRY_LINES_MAX);
    if (forgotten.length === 0 || this.#waitingLines + forgotten.length > WAITING_LINES_MAX) return;
    this.#isForgetting = true;
    this.write(forgotten, () => {
      this.#isForgetting = false;
    });
  }

  /** Records per second that a group commits, as this broker saw it. */
  rateOf(group: string): number {
    const { clock } = this.#options;
    return this.#rates.get(group)?.perSecond(this.table.get(group)?.offset ?? 0, clock.monotonicMs()) ?? 0;
  }

  #pump(): void {
    while (this.#underWay.length === 0 && this.#waiting.length > 0) this.#propose(this.#next());
  }

  #next(): readonly Waiting[] {
    let count = 0;
    let lines = 0;
    let bytes = 0;
    for (const waiting of this.#waiting) {
      lines += waiting.lines.length;
      bytes += waiting.lines.reduce((sum, line) => sum + progressLineBytes(line), 0);
      if (count > 0 && (lines > ENTRY_LINES_MAX || bytes > ENTRY_BYTES_MAX)) break;
      count += 1;
    }
    const next = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    for (const waiting of next) this.#waitingLines -= waiting.lines.length;
    return next;
  }

  #propose(together: readonly Waiting[]): void {
    const { replica, clock } = this.#options;
    this.#underWay = together;
    const body = encodeProgressEntry({ nowMs: clock.wallMs(), lines: together.flatMap(({ lines }) => lines) });
    replica.propose({ kind: EntryKind.progress, body }, (outcome) => {
      this.#underWay = [];
      if (outcome instanceof Error) for (const { settled } of together) settled(outcome);
      else this.#applied(together, outcome);
      this.#pump();
    });
  }

  /** Told right after the entry was applied: what the table decided last is of its lines. */
  #applied(together: readonly Waiting[], { term }: Committed): void {
    const { decided } = this.table;
    let last = -1;
    for (const { lines } of together) last += lines.length;
    assert(decided.length === last + 1, "an entry of progress is answered when it was applied");
    last = -1;
    for (const { lines, settled } of together) {
      last += lines.length;
      const decision = decided[last] as ProgressDecision;
      for (const { group } of lines) this.#sawOffset(group);
      settled({ ...decision, term });
    }
  }

  #sawOffset(group: string): void {
    const offset = this.table.get(group)?.offset;
    if (offset === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    const rate = this.#rates.get(group);
    if (rate === undefined) this.#rates.set(group, new RisingRate(offset, nowMs));
    else rate.saw(offset, nowMs);
  }

  #takeBack(waiting: Waiting): boolean {
    const at = this.#waiting.indexOf(waiting);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    this.#waitingLines -= waiting.lines.length;
    return true;
  }

  /** A partition knows so many groups; those on their way count. */
  #checkRoom(group: string): void {
    const { groupsMax, name } = this.#options;
    const newcomers = new Set<string>();
    for (const { lines } of [...this.#underWay, ...this.#waiting])
      for (const line of lines) if (this.table.get(line.group) === undefined) newcomers.add(line.group);
    newcomers.delete(group);
    if (this.table.size + newcomers.size < groupsMax) return;
    throw new QuireError("QUOTA_EXCEEDED", `${name} keeps the progress of ${groupsMax} groups already, which is the limit; delete groups that are not needed`, {
      details: { limit: groupsMax },
      retryAfterMs: 1_000,
    });
  }

  #tooMuch(): QuireError {
    const { name } = this.#options;
    return new QuireError("THROTTLED", `${WAITING_LINES_MAX} commits wait for ${name}, which is the limit; try again in a moment`, {
      details: { limit: WAITING_LINES_MAX },
      retryAfterMs: 100,
    });
  }
}
