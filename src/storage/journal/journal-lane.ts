import type { Frame } from "../../base/frame.js";
import { frameBytes } from "../../base/frame-codec.js";
import { indexPlus, type LogIndex, logIndex } from "../../base/ids.js";
import { KIB } from "../../base/limits.js";
import type { ReplicaRecord } from "../replica-store.js";
import type { TailWindow } from "../tail-cache.js";
import type { Journal, JournaledLog, JournalOutcome } from "./journal.js";
import { keyOf } from "./journal-names.js";

/** With so much in the journal alone, a log is written to its own files at the next opportunity: one large write. */
const BEHIND_BYTES_MAX = 256 * KIB;

interface LaneOptions {
  readonly journal: Journal;
  readonly record: ReplicaRecord;
  readonly window: TailWindow;
  /** Last entry in the log's own files. */
  readonly index: LogIndex;
  /** See `JournalLane.voidThrough`. */
  readonly voidThrough: number;
  /** It is time to write what is behind. */
  readonly due: () => void;
}

/** One log's side of the journal: what of it is there, and not yet in its own files. `GroupCommit` has one thing of a log under way at a time. */
export class JournalLane implements JournaledLog {
  readonly record: ReplicaRecord;
  readonly key: string;
  readonly #journal: Journal;
  readonly #window: TailWindow;
  readonly #due: () => void;
  /** Synced in the journal through here; below what is in the log's own files when nothing is behind. */
  #index: LogIndex;
  /** Through here entries are, or may be, in a group that is not void. */
  #handed = logIndex(0);
  #voidThrough: number;
  /** The journal has entries that are no more, until a checkpoint voids it: what comes before them must not go alone. */
  #isCut = false;
  #bytes = 0;
  #isAsked = false;
  #isEnded = false;

  constructor({ journal, record, window, index, voidThrough, due }: LaneOptions) {
    this.#journal = journal;
    this.record = record;
    this.key = keyOf(record);
    this.#window = window;
    this.#index = index;
    this.#voidThrough = voidThrough;
    this.#due = due;
  }

  get index(): LogIndex {
    return this.#index;
  }

  /** Of the journal's groups through this number, nothing of this log is wanted. In the checkpoint, so that what was cut does not come back. */
  get voidThrough(): number {
    return this.#voidThrough;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** What is behind is to be written now. */
  get isDue(): boolean {
    return this.#isAsked || this.#bytes >= BEHIND_BYTES_MAX;
  }

  /** Entries `first` to `last` if they are few enough for the journal. */
  framesFor(first: LogIndex, last: LogIndex): Frame[] | undefined {
    if (!this.#journal.isOpen) return undefined;
    const frames: Frame[] = [];
    let bytes = 0;
    for (let index = first; index <= last; index = indexPlus(index, 1)) {
      const frame = this.#window.get(index);
      if (frame === undefined) return undefined;
      bytes += frameBytes(frame);
      if (bytes > this.#journal.partBytesMax) return undefined;
      frames.push(frame);
    }
    return frames;
  }

  append(frames: readonly Frame[], done: (outcome: JournalOutcome) => void): void {
    const before = this.#handed;
    let bytes = 0;
    for (const frame of frames) {
      bytes += frameBytes(frame);
      this.#handed = frame.index;
    }
    this.#bytes += bytes;
    this.#journal.append({ log: this, frames, bytes }, (outcome) => {
      if (outcome === "refused") this.#handed = logIndex(Math.min(before, this.#handed));
      done(outcome);
    });
  }

  /** On disk in the journal, as far as it was not cut meanwhile. */
  synced(through: LogIndex): void {
    this.#index = through;
    this.#window.journaledIndex = through;
  }

  /** The log's own files hold everything through here. */
  written(through: LogIndex): void {
    if (through >= this.#index && !this.#isCut) this.#release();
  }

  /** Entries from `from` on are no more; says whether the journal has some of them, so that a checkpoint must void it. */
  cut(from: LogIndex): boolean {
    const isIn = this.#handed >= from;
    this.#isCut ||= isIn;
    this.#index = logIndex(Math.min(this.#index, from - 1));
    this.#handed = logIndex(Math.min(this.#handed, from - 1));
    return isIn;
  }

  /** The next checkpoint says that nothing is wanted of what the journal has of this log: its own files hold what is. */
  void(): void {
    this.#voidThrough = this.#journal.group;
    this.#handed = logIndex(0);
    this.#isCut = true;
    // It would come in a later group.
    this.#journal.withdraw(this);
  }

  /** That checkpoint is on disk. */
  voided(): void {
    this.#isCut = false;
    this.#release();
  }

  writeBehind(): void {
    this.#isAsked = true;
    this.#due();
  }

  /** Nothing is written any more. */
  end(): void {
    this.#isEnded = true;
    this.#journal.abandoned(this.record);
  }

  #release(): void {
    if (this.#bytes === 0) return;
    this.#bytes = 0;
    this.#isAsked = false;
    this.#journal.released(this.record);
  }
}
