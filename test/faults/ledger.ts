/** What was sent, what became of it, and whether what is read agrees with that. */
import type { ReadRecord } from "./read-record.js";

/** Whether records are sent again when they may have been written; `once`: with a sequence, so that they are written once all the same. */
export type Kind = "at-least-once" | "at-most-once" | "once";

/** One key of one partition: its records are sent in the order of their numbers, and stay so. */
export interface Lane {
  readonly key: string;
  readonly partition: number;
  readonly kind: Kind;
}

export interface Verdict {
  /** Records acknowledged before reading began, in this partition. */
  readonly acknowledged: number;
  /** Of these, how many are not where their acknowledgement said. */
  readonly lost: number;
  /** Records that are there more often than once, allowed or not. */
  readonly duplicates: number;
  /** Everything that is wrong, in words; empty when all is well. */
  readonly differences: readonly string[];
}

type Outcome =
  | { readonly kind: "pending" }
  /** The how-manieth acknowledgement of all it was. */
  | { readonly kind: "acknowledged"; readonly offset: number; readonly turn: number }
  | { readonly kind: "unknown" }
  | { readonly kind: "not-written"; readonly reason: string };

/** The bytes of a record follow from its number, so that they need not be kept: about 300, now and then 20,000. */
export function bytesOf(number: number): Buffer {
  const size = number % 97 === 0 ? 20_000 : 100 + ((number * 31) % 400);
  return Buffer.alloc(size, `${number} `);
}

export class Ledger {
  readonly #lanes: readonly Lane[];
  readonly #outcomes: Outcome[] = [];
  #acknowledged = 0;
  #unknown = 0;
  #refused = 0;
  readonly #refusals = new Set<string>();

  constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes;
  }

  /** Records sent. */
  get size(): number {
    return this.#outcomes.length;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged;
  }

  get unknownCount(): number {
    return this.#unknown;
  }

  get refusedCount(): number {
    return this.#refused;
  }

  /** Why sends were refused, each reason once. */
  get refusals(): string[] {
    return [...this.#refusals];
  }

  /** The lane of a record's number: they take turns. */
  laneOf(number: number): Lane | undefined {
    return number < 0 ? undefined : this.#lanes[number % this.#lanes.length];
  }

  /** The next number, and with it the next lane. */
  sending(): number {
    return this.#outcomes.push({ kind: "pending" }) - 1;
  }

  acknowledge(number: number, offset: number): void {
    this.#outcomes[number] = { kind: "acknowledged", offset, turn: this.#acknowledged };
    this.#acknowledged += 1;
  }

  /** Its turn came and went; it was not sent. */
  skip(number: number): void {
    this.#outcomes[number] = { kind: "not-written", reason: "nothing, for it was not sent" };
  }

  /** `mayBeWritten`: nobody knows; otherwise it is certain that it was not. */
  reject(number: number, mayBeWritten: boolean, reason: string): void {
    this.#outcomes[number] = mayBeWritten ? { kind: "unknown" } : { kind: "not-written", reason };
    if (mayBeWritten) {
      this.#unknown += 1;
      return;
    }
    this.#refused += 1;
    this.#refusals.add(reason);
  }

  /**
   * Compares a partition as it was read, from its first record on, with what was acknowledged.
   *
   * @param due of all acknowledgements, how many had come when reading began
   */
  judge(partition: number, read: readonly ReadRecord[], due: number): Verdict {
    const numbersAt = new Map(read.map(({ offset, number }) => [offset, number]));
    const differences = [...gaps(read), ...this.#foreign(partition, read)];
    let acknowledged = 0;
    let lost = 0;
    for (const [number, outcome] of this.#outcomes.entries()) {
      if (outcome.kind !== "acknowledged" || outcome.turn >= due || this.laneOf(number)?.partition !== partition) continue;
      acknowledged += 1;
      const found = numbersAt.get(outcome.offset);
      if (found === number) continue;
      lost += 1;
      differences.push(`record ${number} was acknowledged at offset ${outcome.offset}, where ${found === undefined ? "nothing is" : `record ${found} is`}`);
    }
    const { duplicates, forbidden } = this.#repetitions(read);
    differences.push(...forbidden, ...this.#disorder(read));
    return { acknowledged, lost, duplicates, differences: differences.map((difference) => `partition ${partition}: ${difference}`) };
  }

  /** Whatever is read was sent, here, with that key and those bytes, and not refused. */
  #foreign(partition: number, read: readonly ReadRecord[]): string[] {
    return read.flatMap(({ offset, number, key, bytes }) => {
      const outcome = this.#outcomes[number];
      const lane = this.laneOf(number);
      if (outcome === undefined || lane === undefined) return [`offset ${offset} holds a record that was never sent (${number})`];
      if (lane.partition !== partition) return [`offset ${offset} holds record ${number}, which was sent to partition ${lane.partition}`];
      if (lane.key !== key) return [`offset ${offset}: record ${number} has the key ${key} instead of ${lane.key}`];
      if (!bytesOf(number).equals(bytes)) return [`offset ${offset}: record ${number} has other bytes than were sent`];
      if (outcome.kind === "not-written") return [`offset ${offset}: record ${number} is there, although its sender was told ${outcome.reason}`];
      return [];
    });
  }

  #repetitions(read: readonly ReadRecord[]): { duplicates: number; forbidden: string[] } {
    const seen = new Set<number>();
    const forbidden: string[] = [];
    let duplicates = 0;
    for (const { offset, number } of read) {
      if (seen.has(number)) {
        duplicates += 1;
        const kind = this.laneOf(number)?.kind;
        if (kind === "at-most-once") forbidden.push(`offset ${offset}: record ${number} is there again, and was never sent again`);
        if (kind === "once") forbidden.push(`offset ${offset}: record ${number} is there again, although it was sent with a sequence`);
      }
      seen.add(number);
    }
    return { duplicates, forbidden };
  }

  /** Of each key, acknowledged records first occur in the order in which they were sent. */
  #disorder(read: readonly ReadRecord[]): string[] {
    const newest = new Map<string, number>();
    return read.flatMap(({ offset, number, key }, at) => {
      if (this.#outcomes[number]?.kind !== "acknowledged") return [];
      const before = newest.get(key) ?? -1;
      if (number > before) newest.set(key, number);
      if (number >= before || occursBefore(read, at)) return [];
      return [`offset ${offset}: record ${number} of ${key} first comes after record ${before}`];
    });
  }
}

/** Rare, so it may take long. */
const occursBefore = (read: readonly ReadRecord[], at: number): boolean => {
  const number = read[at]?.number;
  return read.findIndex((record) => record.number === number) < at;
};

function gaps(read: readonly ReadRecord[]): string[] {
  return read.flatMap(({ offset }, at) => (offset === at ? [] : [`offset ${offset} was read where ${at} comes next`]));
}
