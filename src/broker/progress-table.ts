import { assert, assertSafeInteger } from "../base/assert.js";
import { type Offset, offset } from "../base/ids.js";
import type { ProgressEntry, ProgressLine } from "../base/progress-entry.js";

/** What a partition knows of one consumer group. */
export interface GroupProgress {
  /** Everything below it is processed; undefined when nothing was committed. */
  readonly offset: Offset | undefined;
  /** Of the newest owner that was here. */
  readonly generation: number;
  /** When the offset last changed, milliseconds since 1970 by the leader's clock; 0 for never. */
  readonly committedMs: number;
}

/** What became of a line of an entry. */
export interface ProgressDecision {
  /** False for what is of an older generation than one that was here: it changed nothing. */
  readonly accepted: boolean;
  /** Of the group, after the line. */
  readonly progress: GroupProgress | undefined;
}

const GROUP_BYTES = 1 + 8 + 8 + 8;
const NO_OFFSET = -1;

/**
 * What consumer groups have processed of a partition, as its log tells: part of the state machine, so equal on all replicas. The rules stand here and are
 * decided when an entry is applied: an older generation than one that was here changes nothing, and an offset goes back by a reset only.
 */
export class ProgressTable {
  /** Undefined while there are none: there may be ten thousand such tables. */
  #groups: Map<string, GroupProgress> | undefined;
  #decided: readonly ProgressDecision[] = [];

  get size(): number {
    return this.#groups?.size ?? 0;
  }

  /** For each line of the entry that was applied last: who proposed it asks at that moment. */
  get decided(): readonly ProgressDecision[] {
    return this.#decided;
  }

  get(group: string): GroupProgress | undefined {
    return this.#groups?.get(group);
  }

  entries(): Iterable<readonly [group: string, progress: GroupProgress]> {
    return this.#groups ?? [];
  }

  /** `nextOffset`: of the partition, where the entry stands. */
  applied({ nowMs, lines }: ProgressEntry, nextOffset: Offset): void {
    this.#decided = lines.map((line) => {
      const accepted = this.#apply(line, nowMs, nextOffset);
      return { accepted, progress: this.get(line.group) };
    });
  }

  #apply(line: ProgressLine, nowMs: number, nextOffset: Offset): boolean {
    const { group, generation } = line;
    this.#groups ??= new Map();
    const known = this.#groups.get(group);
    if (line.kind === "forget") {
      if (known === undefined || known.generation > generation) return false;
      return this.#groups.delete(group);
    }
    if (known !== undefined && known.generation > generation) return false;
    if (line.kind === "claim") {
      const isFormer = known === undefined || known.generation <= line.since;
      this.#groups.set(group, isFormer ? { offset: undefined, generation, committedMs: 0 } : { ...known, generation });
      return true;
    }
    // Never beyond the records, whatever was proposed.
    const wanted = offset(Math.min(line.offset, nextOffset));
    const isChange = known?.offset === undefined || (line.kind === "reset" ? wanted !== known.offset : wanted > known.offset);
    this.#groups.set(group, isChange ? { offset: wanted, generation, committedMs: nowMs } : { ...known, generation });
    return true;
  }

  clear(): void {
    this.#groups = undefined;
    this.#decided = [];
  }

  /** For each group: the name's length and the name, generation, offset (-1 for none) and when it was committed. */
  encode(): Buffer {
    let bytes = 0;
    for (const [group] of this.entries()) bytes += GROUP_BYTES + group.length;
    const into = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const [group, progress] of this.entries()) {
      at = into.writeUInt8(group.length, at);
      at += into.write(group, at, "latin1");
      for (const number of [progress.generation, progress.offset ?? NO_OFFSET, progress.committedMs]) at = into.writeBigInt64LE(BigInt(number), at);
    }
    return into;
  }

  /** Replaces the state. */
  decode(from: Buffer): void {
    this.clear();
    for (let at = 0; at < from.length; ) {
      const length = from.readUInt8(at);
      const numbersAt = at + 1 + length;
      assert(numbersAt + 24 <= from.length, "a group's progress in a snapshot is whole");
      const number = (i: number): number => assertSafeInteger(Number(from.readBigInt64LE(numbersAt + 8 * i)), "number in a snapshot's progress");
      const committed = number(1);
      this.#groups ??= new Map();
      this.#groups.set(from.toString("latin1", at + 1, numbersAt), {
        offset: committed === NO_OFFSET ? undefined : offset(committed),
        generation: number(0),
        committedMs: number(2),
      });
      at = numbersAt + 24;
    }
  }
}
