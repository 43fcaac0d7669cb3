/**
 * One partition's batches on their way, in order. Pure: it decides what may be sent next and what an answer means for the others;
 * the producer acts.
 *
 * What it keeps: each attempt sends a run of batches in order, without a gap, beginning with the oldest that was not acknowledged; the next
 * attempt begins only when every batch of the one before is answered or given up, and has another run number, by which a broker that refused
 * one batch knows what it must not take behind it. After any failure, and at the start, a single batch is sent: there is no use in more
 * before a leader has taken one.
 */
import { assert } from "../base/assert.js";

export interface LaneBatch {
  /** Position in the lane; set by the lane. */
  order: number;
  /** Monotonic; until then it waits for more records although nothing is under way. */
  readonly lingersUntilMs: number;
  /** Monotonic time after which its sender is told that it failed. */
  readonly deadlineMs: number;
  /** Whether it may be sent once it is closed; until then those after it wait too. */
  readonly isReady: boolean;
  /** It takes no more records: told once. */
  close(): void;
}

export interface LaneSettings {
  /** Batches under way at a time once the leader has taken one. */
  readonly inFlightMax: number;
}

export class Lane<Batch extends LaneBatch> {
  readonly #settings: LaneSettings;
  #nextOrder = 0;
  /** Still taking records. */
  #open: Batch | undefined;
  /** Closed, oldest first, not under way. */
  #waiting: Batch[] = [];
  /** Sent, oldest first, not answered. */
  #inFlight: Batch[] = [];
  /** Refused or lost and to be sent again, oldest first, once nothing is in flight. */
  #failed: Batch[] = [];
  #window = 1;
  #run = 1;
  /** A batch of this run was not written: nothing more is sent in it. */
  #runBroken = false;
  #failuresInRow = 0;
  #resumeMs = 0;

  constructor(settings: LaneSettings) {
    this.#settings = settings;
  }

  get open(): Batch | undefined {
    return this.#open;
  }

  get inFlight(): readonly Batch[] {
    return this.#inFlight;
  }

  /** Number of the run that `take` gives batches of. */
  get run(): number {
    return this.#run;
  }

  get failuresInRow(): number {
    return this.#failuresInRow;
  }

  /** Batches that were not answered. */
  get size(): number {
    return this.#waiting.length + this.#inFlight.length + this.#failed.length + (this.#open === undefined ? 0 : 1);
  }

  get isEmpty(): boolean {
    return this.#open === undefined && this.#waiting.length + this.#inFlight.length + this.#failed.length === 0;
  }

  /** A new batch takes the records from now on; the one before is closed. */
  begin(batch: Batch): void {
    this.close();
    batch.order = this.#nextOrder;
    this.#nextOrder += 1;
    this.#open = batch;
  }

  /** The open batch takes no more records. */
  close(): void {
    const closed = this.#open;
    if (closed === undefined) return;
    this.#open = undefined;
    this.#waiting.push(closed);
    closed.close();
  }

  /**
   * The batch to send now, if any; it is in flight from here on. A closed batch goes as soon as the window allows; the open one only when
   * nothing is in flight, so that what is sent meanwhile becomes the next batch.
   *
   * @param hurry do not linger
   */
  take(nowMs: number, hurry: boolean): Batch | undefined {
    if (!this.#mayTake(nowMs)) return undefined;
    if (this.#waiting.length === 0 && this.#open !== undefined && this.#inFlight.length === 0) {
      if (!hurry && nowMs < this.#open.lingersUntilMs) return undefined;
      this.close();
    }
    const batch = this.#waiting[0];
    if (batch?.isReady !== true) return undefined;
    this.#waiting.shift();
    this.#inFlight.push(batch);
    return batch;
  }

  /** When `take` may give something that it does not give now; undefined when that needs an answer, or a batch that becomes ready. */
  wakeMs(): number | undefined {
    if (this.#inFlight.length > 0 || this.#waiting[0]?.isReady === false) return undefined;
    const lingering = this.#waiting.length + this.#failed.length === 0 ? this.#open : undefined;
    return Math.max(this.#resumeMs, lingering?.lingersUntilMs ?? 0);
  }

  /**
   * `batch` is written. Returns the batches before it that were to be sent again: a broker that does not keep to runs let it overtake them, and
   * sending them now would turn the order round, so they must be rejected.
   */
  acknowledged(batch: Batch): readonly Batch[] {
    this.#leave(batch);
    this.#failuresInRow = 0;
    const overtaken = this.#failed.filter((failed) => failed.order < batch.order);
    if (overtaken.length > 0) this.#failed = this.#failed.filter((failed) => failed.order > batch.order);
    this.#window = this.#runBroken ? 1 : this.#settings.inFlightMax;
    return overtaken;
  }

  /**
   * `batch` is answered for good.
   *
   * @param certain it will never be written, so that those after it go on; otherwise it breaks the run
   */
  rejected(batch: Batch, certain: boolean): void {
    this.#leave(batch);
    if (!certain) this.#breakRun();
  }

  /** `batch` was refused or lost and is to be sent again, before everything after it. */
  failed(batch: Batch): void {
    this.#leave(batch);
    const at = this.#failed.findIndex((other) => other.order > batch.order);
    this.#failed.splice(at < 0 ? this.#failed.length : at, 0, batch);
    this.#breakRun();
  }

  /** Nothing is taken before then. */
  pauseUntil(resumeMs: number): void {
    this.#resumeMs = resumeMs;
  }

  /** Nothing more holds sending back: the leader moved. */
  resume(): void {
    this.#resumeMs = 0;
  }

  /** Batches past their deadline. Those in flight stay until they are answered, so that order holds; the others leave. */
  expire(nowMs: number): readonly Batch[] {
    const late = (batch: Batch): boolean => batch.deadlineMs <= nowMs;
    const expired = this.batches().filter(late);
    if (expired.length === 0) return expired;
    this.#failed = this.#failed.filter((batch) => !late(batch));
    this.#waiting = this.#waiting.filter((batch) => !late(batch));
    if (this.#open !== undefined && late(this.#open)) this.#open = undefined;
    return expired;
  }

  /** Everything: what is in flight first, then the others, oldest first. */
  batches(): readonly Batch[] {
    return [...this.#inFlight, ...this.#failed, ...this.#waiting, ...(this.#open === undefined ? [] : [this.#open])];
  }

  /** The same; the lane is empty afterwards. */
  clear(): readonly Batch[] {
    const all = this.batches();
    this.#inFlight = [];
    this.#failed = [];
    this.#waiting = [];
    this.#open = undefined;
    return all;
  }

  #mayTake(nowMs: number): boolean {
    if (this.#runBroken) {
      if (this.#inFlight.length > 0) return false;
      this.#runBroken = false;
      this.#run += 1;
      this.#waiting = [...this.#failed, ...this.#waiting];
      this.#failed = [];
    }
    return nowMs >= this.#resumeMs && this.#inFlight.length < this.#window;
  }

  #breakRun(): void {
    if (!this.#runBroken) this.#failuresInRow += 1;
    this.#runBroken = true;
    this.#window = 1;
  }

  #leave(batch: Batch): void {
    const at = this.#inFlight.indexOf(batch);
    assert(at >= 0, "an answered batch is in flight");
    this.#inFlight.splice(at, 1);
  }
}
