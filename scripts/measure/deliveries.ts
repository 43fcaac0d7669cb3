/** What members of a consumer group did with the records that were acknowledged, and whether at-least-once allows it. Pure. */

/** A record at its place, with what is in it. */
export interface PlacedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** One thing that a consumer says it did; times in milliseconds by one clock for all processes. */
export type Deed = { readonly who: string; readonly atMs: number; readonly partition: number; readonly offset: number } & (
  | { readonly kind: "processed"; readonly value: string }
  /** `offset`, just past the last record, was acknowledged as committed. */
  | { readonly kind: "committed" }
);

/** A consumer was killed, or paused for longer than its session: from then on others may do again what it had not committed. */
export interface Blow {
  readonly who: string;
  readonly atMs: number;
  readonly how: string;
}

export interface Judgement {
  readonly acknowledged: number;
  readonly processed: number;
  /** Processed again, by what had happened to whoever did it before, or did it again. */
  readonly again: ReadonlyMap<string, number>;
  /** Of what was processed again: how long before the blow it had been processed, at most. */
  readonly oldestAgainMs: number;
  /** What at-least-once and order within a partition forbid. The first of them, and how many more there are. */
  readonly wrong: readonly string[];
}

const TOLD_MAX = 20;
/** Who was paused knows after so long, the pause itself included, that others are at work. */
const LATE_MS = 10_000;

export function judge(acknowledged: readonly PlacedRecord[], deeds: readonly Deed[], blows: readonly Blow[]): Judgement {
  return new Judge(acknowledged, blows).judge([...deeds].sort((a, b) => a.atMs - b.atMs));
}

const placeOf = ({ partition, offset }: { readonly partition: number; readonly offset: number }): string => `${partition}/${offset}`;

class Judge {
  readonly #acknowledged: readonly PlacedRecord[];
  readonly #blows: readonly Blow[];
  readonly #values: ReadonlyMap<string, string>;
  readonly #firsts = new Map<string, Deed>();
  /** By partition: next record that nobody has processed, and what somebody knows to be committed. */
  readonly #next = new Map<number, number>();
  readonly #committed = new Map<number, number>();
  readonly #again = new Map<string, number>();
  readonly #wrong: string[] = [];
  #wrongs = 0;
  #processed = 0;
  #oldestAgainMs = 0;

  constructor(acknowledged: readonly PlacedRecord[], blows: readonly Blow[]) {
    this.#acknowledged = acknowledged;
    this.#blows = blows;
    this.#values = new Map(acknowledged.map((record) => [placeOf(record), record.value]));
  }

  judge(deeds: readonly Deed[]): Judgement {
    for (const deed of deeds) {
      if (deed.kind === "committed") this.#committed.set(deed.partition, Math.max(deed.offset, this.#committed.get(deed.partition) ?? 0));
      else this.#record(deed);
    }
    for (const record of this.#acknowledged)
      if (!this.#firsts.has(placeOf(record))) this.#say(`${record.value} was acknowledged at ${placeOf(record)} and never processed`);
    const more = this.#wrongs - this.#wrong.length;
    return {
      acknowledged: this.#acknowledged.length,
      processed: this.#processed,
      again: this.#again,
      oldestAgainMs: this.#oldestAgainMs,
      wrong: more === 0 ? this.#wrong : [...this.#wrong, `and ${more} more`],
    };
  }

  #record(deed: Deed & { readonly kind: "processed" }): void {
    this.#processed += 1;
    const place = placeOf(deed);
    const sent = this.#values.get(place);
    if (sent !== undefined && sent !== deed.value) this.#say(`${deed.who} got ${deed.value} at ${place}, where ${sent} was acknowledged`);
    const next = this.#next.get(deed.partition) ?? 0;
    if (deed.offset > next) this.#say(`${deed.who} got ${place} before anybody had ${deed.partition}/${next}`);
    if (deed.offset === next) this.#next.set(deed.partition, next + 1);
    const first = this.#firsts.get(place);
    this.#firsts.set(place, deed);
    if (first !== undefined) this.#repeated(first, deed);
  }

  /** Allowed are: what a consumer did and had not committed when it was struck, and what one that was paused still does until it hears that others are at work. */
  #repeated(first: Deed, deed: Deed): void {
    const place = placeOf(deed);
    const late = this.#blowOf(deed.who, deed.atMs - LATE_MS, deed.atMs);
    // One that was paused may even be ahead of those who took over, for a moment.
    const blow = late ?? this.#blowOf(first.who, first.atMs, deed.atMs) ?? this.#blowOf(first.who, first.atMs - LATE_MS, first.atMs);
    if (blow === undefined)
      return this.#say(
        `${deed.who} got ${place} again at ${deed.atMs.toFixed(0)}, though ${first.who}, which had done it at ${first.atMs.toFixed(0)}, was well`,
      );
    if (late === undefined) {
      this.#oldestAgainMs = Math.max(this.#oldestAgainMs, blow.atMs - first.atMs);
      const committed = this.#committed.get(deed.partition) ?? 0;
      if (deed.offset < committed) this.#say(`${deed.who} got ${place} again, though ${committed} had been acknowledged as committed`);
    }
    this.#again.set(blow.how, (this.#again.get(blow.how) ?? 0) + 1);
  }

  #blowOf(who: string, fromMs: number, toMs: number): Blow | undefined {
    return this.#blows.find((blow) => blow.who === who && blow.atMs >= fromMs && blow.atMs <= toMs);
  }

  #say(what: string): void {
    this.#wrongs += 1;
    if (this.#wrong.length < TOLD_MAX) this.#wrong.push(what);
  }
}
