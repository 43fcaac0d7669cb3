import { assert } from "../base/assert.js";
import { Fifo } from "../base/fifo.js";
import { MIB } from "../base/limits.js";
import type { Clock, Timer } from "../base/ports.js";

/** What happened in one such time decides about the next. */
const PERIOD_MS = 100;
/** A batch is late that took so long from its admission until it was committed, and so many times what the quickest of late took. */
const LATE_MS = 12;
const LATE_TIMES = 4;
/** The quickest counts for less with each period: after 10 seconds something 2.7 times as slow may be the quickest. */
const FORGETTING = 1.01;
/** A clock that does not see less must not make everything late for ever. */
const USUAL_MS_MIN = 0.1;
/** The pace after a period with late batches, and after one without. */
const SLOWER = 0.75;
const FASTER = 1.05;
/** Readers always get so much per second, or so many times what is written meanwhile, for each of those who read the same: who fell behind catches up. */
const BYTES_PER_SECOND_MIN = 16 * MIB;
const WRITTEN_TIMES_MIN = 1.5;
/** When no batch came for so long nobody needs to be spared; when none was read, who reads next begins slowly. */
const QUIET_MS = 1_000;

/** Leave to read once. */
export interface Turn {
  /** What was thought to be read. */
  readonly bytesMax: number;
  /** What is read from. */
  readonly source: object;
}

interface Waiting {
  readonly turn: Turn;
  readonly isWanted: () => boolean;
  readonly begin: (turn: Turn | undefined) => void;
}

/**
 * How fast a broker reads records from disk for those who are behind, while others write: reading can wait, writing is waited for. It begins
 * slowly and becomes faster step by step until batches are late, then slower in proportion, as TCP finds its share of a link (Jacobson 1988; that what is late is
 * measured against the quickest is from Brakmo's and Peterson's Vegas, 1995). What comes from memory is not held back.
 *
 * All partitions of a broker have one pace: where one topic is always slow to commit beside one that is quick, reads keep to the least. It looks when it is
 * told something; it has a timer only while somebody waits.
 */
export class ReadPace {
  readonly #clock: Clock;
  #bytesPerSecond = Number.POSITIVE_INFINITY;
  /** When the next read may begin. */
  #freeMs: number;
  readonly #waiting = new Fifo<Waiting>();
  /** How many read, or wait to read, from the same; and the most of them in this period. */
  readonly #sharers = new Map<object, number>();
  #sharersMax = 1;
  #isClosed = false;
  #timer: Timer | undefined;
  /** Of this period: when it began, bytes read and committed, the quickest batch and the slowest. */
  #beganMs: number;
  #read = 0;
  #written = 0;
  #quickestMs = Number.POSITIVE_INFINITY;
  #slowestMs = 0;
  /** The quickest batch of late. */
  #usualMs = Number.POSITIVE_INFINITY;
  /** The last time that a batch was committed, and that one was read. */
  #committedMs = Number.NEGATIVE_INFINITY;
  #readMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganMs = clock.monotonicMs();
    this.#freeMs = this.#beganMs;
  }

  /** Bytes per second that are read at most; infinite while nobody has to be spared. */
  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  /** A batch was committed, so long after its admission. */
  committed(bytes: number, tookMs: number): void {
    this.#look();
    this.#written += bytes;
    this.#quickestMs = Math.min(this.#quickestMs, tookMs);
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
    this.#committedMs = this.#clock.monotonicMs();
  }

  /**
   * Resolves when something may be read: first come, first served. What was true before may not be by then. Whoever gets a turn calls `done`.
   *
   * @param source what is to be read from
   * @param bytesMax what will be read at most
   * @param isWanted asked when it would be its turn; if not, it resolves with undefined
   */
  async turn(source: object, bytesMax: number, isWanted: () => boolean): Promise<Turn | undefined> {
    this.#look();
    const sharers = (this.#sharers.get(source) ?? 0) + 1;
    this.#sharers.set(source, sharers);
    this.#sharersMax = Math.max(this.#sharersMax, sharers);
    const turn: Turn = { bytesMax, source };
    if (this.#isClosed || (this.#waiting.size === 0 && this.#isFree)) {
      this.#charge(bytesMax);
      return turn;
    }
    return await new Promise((begin) => {
      this.#waiting.push({ turn, isWanted, begin });
      this.#arm();
    });
  }

  /** What was read in a turn, which is over. */
  done({ bytesMax, source }: Turn, bytes: number): void {
    this.#leave(source);
    this.#read += bytes;
    this.#readMs = this.#clock.monotonicMs();
    this.#freeMs -= this.#costMs(bytesMax - bytes);
    this.#arm();
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next.begin(next.turn);
  }

  #leave(source: object): void {
    const sharers = (this.#sharers.get(source) ?? 1) - 1;
    if (sharers > 0) this.#sharers.set(source, sharers);
    else this.#sharers.delete(source);
  }

  get #isFree(): boolean {
    return this.#freeMs <= this.#clock.monotonicMs();
  }

  #charge(bytes: number): void {
    this.#freeMs = Math.max(this.#freeMs, this.#clock.monotonicMs()) + this.#costMs(bytes);
  }

  #costMs(bytes: number): number {
    return (bytes * 1_000) / this.#bytesPerSecond;
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    this.#timer = this.#clock.after(Math.max(0, this.#freeMs - this.#clock.monotonicMs()), () => {
      this.#look();
      for (let next = this.#waiting.at(0); next !== undefined && this.#isFree; next = this.#waiting.at(0)) {
        this.#waiting.shift();
        const isWanted = next.isWanted();
        if (isWanted) this.#charge(next.turn.bytesMax);
        else this.#leave(next.turn.source);
        next.begin(isWanted ? next.turn : undefined);
      }
      this.#arm();
    });
  }

  /** Once per period, sets the pace for the next one. */
  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    const tookMs = nowMs - this.#beganMs;
    if (tookMs < PERIOD_MS) return;
    this.#usualMs = Math.max(USUAL_MS_MIN, Math.min(this.#quickestMs, this.#usualMs * FORGETTING));
    const before = this.#bytesPerSecond;
    this.#bytesPerSecond = this.#next(nowMs, tookMs / 1_000);
    assert(this.#bytesPerSecond > 0, "some bytes may always be read");
    if (this.#freeMs > nowMs) this.#freeMs = nowMs + (this.#freeMs - nowMs) * (before / this.#bytesPerSecond);
    this.#beganMs = nowMs;
    this.#read = 0;
    this.#written = 0;
    this.#sharersMax = Math.max(1, ...this.#sharers.values());
    this.#quickestMs = Number.POSITIVE_INFINITY;
    this.#slowestMs = 0;
  }

  #next(nowMs: number, seconds: number): number {
    if (nowMs - this.#committedMs > QUIET_MS) return Number.POSITIVE_INFINITY;
    const least = Math.max(BYTES_PER_SECOND_MIN, (this.#written / seconds) * WRITTEN_TIMES_MIN * this.#sharersMax);
    if (nowMs - this.#readMs > QUIET_MS) return least;
    const rate = this.#read / seconds;
    if (this.#slowestMs > Math.max(LATE_MS, this.#usualMs * LATE_TIMES)) return Math.max(least, Math.min(this.#bytesPerSecond, rate) * SLOWER);
    // Those who read more slowly than they might do not show that more would do no harm.
    return Math.max(least, rate > this.#bytesPerSecond / 2 ? this.#bytesPerSecond * FASTER : this.#bytesPerSecond);
  }
}
