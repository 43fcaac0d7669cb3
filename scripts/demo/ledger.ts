/** What was sent, what was acknowledged and what was read; and whether the three agree. */

export interface SentLine {
  /** From 0; unlike its bytes, unique. */
  readonly number: number;
  readonly key: string;
  readonly bytes: Buffer;
}

export interface ReadLine {
  readonly partition: number;
  readonly offset: number;
  /** As the record says; -1 when it says nothing. */
  readonly number: number;
  readonly key: string;
  readonly bytes: Buffer;
}

export interface Place {
  readonly partition: number;
  readonly offset: number;
}

export interface Verdict {
  readonly sent: number;
  readonly acknowledged: number;
  /** Records read that repeat a line: allowed, since a send of unknown outcome is tried again. */
  readonly duplicates: number;
  /** Empty when all is well; at most `DIFFERENCES_MAX`, then how many more. */
  readonly differences: readonly string[];
}

const DIFFERENCES_MAX = 20;

export class Ledger {
  private readonly sent: SentLine[] = [];
  private readonly acknowledged = new Map<number, Place>();

  /** Lines are sent in the order of their numbers. */
  recordSent(line: SentLine): void {
    this.sent[line.number] = line;
  }

  recordAcknowledged(number: number, place: Place): void {
    this.acknowledged.set(number, place);
  }

  get acknowledgedCount(): number {
    return this.acknowledged.size;
  }

  /** Compares with everything that was read of each partition, in the order in which it was read. */
  judge(read: readonly ReadLine[]): Verdict {
    const differences = [...this.gaps(read), ...this.foreign(read), ...this.missing(read), ...this.disorder(read)];
    const more = differences.length - DIFFERENCES_MAX;
    return {
      sent: this.sent.length,
      acknowledged: this.acknowledged.size,
      duplicates: read.length - new Set(read.map((record) => record.number)).size,
      differences: more > 0 ? [...differences.slice(0, DIFFERENCES_MAX), `and ${more} more`] : differences,
    };
  }

  /** Offsets of a partition rise by one, without gap or repetition. */
  private gaps(read: readonly ReadLine[]): string[] {
    const next = new Map<number, number>();
    return read.flatMap(({ partition, offset }) => {
      const expected = next.get(partition) ?? 0;
      next.set(partition, offset + 1);
      return offset === expected ? [] : [`partition ${partition}: read offset ${offset} where ${expected} comes next`];
    });
  }

  /** Whatever is read was sent, with the same key and bytes. */
  private foreign(read: readonly ReadLine[]): string[] {
    return read.flatMap(({ number, key, bytes, partition, offset }) => {
      const line = this.sent[number];
      const at = `partition ${partition} offset ${offset}`;
      if (line === undefined) return [`${at}: a record that was never sent (line ${number})`];
      if (line.key !== key) return [`${at}: line ${number} has the key ${key} instead of ${line.key}`];
      return line.bytes.equals(bytes) ? [] : [`${at}: line ${number} has other bytes than were sent`];
    });
  }

  /** Every acknowledged line is where its acknowledgement said. */
  private missing(read: readonly ReadLine[]): string[] {
    const numberAt = new Map(read.map(({ partition, offset, number }) => [`${partition}/${offset}`, number]));
    return [...this.acknowledged].flatMap(([number, { partition, offset }]) => {
      const found = numberAt.get(`${partition}/${offset}`);
      if (found === number) return [];
      return [
        `line ${number} was acknowledged at partition ${partition} offset ${offset}, where ${found === undefined ? "there is nothing" : `line ${found} is`}`,
      ];
    });
  }

  /** Of each key, lines first occur in the order in which they were sent. */
  private disorder(read: readonly ReadLine[]): string[] {
    const newest = new Map<string, number>();
    const seen = new Set<number>();
    return read.flatMap(({ number, key, partition, offset }) => {
      if (seen.has(number)) return [];
      seen.add(number);
      const before = newest.get(key) ?? -1;
      newest.set(key, Math.max(before, number));
      return number > before ? [] : [`partition ${partition} offset ${offset}: line ${number} of ${key} comes after line ${before}`];
    });
  }
}
