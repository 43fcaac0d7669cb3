import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { indexPlus, type LogIndex, type Offset, offset, type Term } from "../base/ids.js";
import { KIB, MIB } from "../base/limits.js";
import type { Slots } from "../base/slots.js";
import { type Configuration, EntryKind } from "../consensus/types.js";
import type { Frame, Log } from "../storage/log.js";
import { decodeConfiguration } from "./configuration-codec.js";
import type { StateMachine } from "./types.js";

/** Of frames in memory that are taken at a time. */
const TAKE_BYTES = 4 * MIB;
/** Of frames read from disk at a time; without the bodies of record batches, which are most of it, where nobody looks at them. */
const READ_BYTES = 128 * KIB;

export interface ApplierOptions {
  readonly log: Pick<Log, "readCached" | "read">;
  readonly machine: StateMachine;
  /** Whose turn it is to read from disk. */
  readonly reads: Slots;
  /** What the machine's state rests on. */
  readonly restoredFrom: { readonly index: LogIndex; readonly nextOffset: Offset; readonly configuration: Configuration };
  /** Called after each entry. */
  readonly applied: (frame: Frame) => void;
  /** Called after several. */
  readonly advanced: () => void;
  readonly failed: (error: Error) => void;
}

/**
 * Applies committed entries in log order, each once. The tail comes from memory in the same turn; what is not there
 * is read from disk, one read under way, so that catching up never blocks the event loop for long.
 */
export class Applier {
  readonly #options: ApplierOptions;
  #appliedIndex: LogIndex;
  #appliedTerm: Term | undefined;
  #nextOffset: Offset;
  #configuration: Configuration;
  #target: LogIndex;
  /** Entries are being read or applied; whoever asks for more meanwhile only moves the target. */
  #busy = false;
  #paused = false;
  #stopped = false;

  constructor(options: ApplierOptions) {
    this.#options = options;
    const { index, nextOffset, configuration } = options.restoredFrom;
    this.#appliedIndex = index;
    this.#nextOffset = nextOffset;
    this.#configuration = configuration;
    this.#target = index;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** Of the last entry applied; undefined while the state is a snapshot's. */
  get appliedTerm(): Term | undefined {
    return this.#appliedTerm;
  }

  /** Offset just past the last applied record: what readers may see. */
  get nextOffset(): Offset {
    return this.#nextOffset;
  }

  /** The last configuration applied, for snapshots at `appliedIndex`. */
  get configuration(): Configuration {
    return this.#configuration;
  }

  through(index: LogIndex): void {
    if (index > this.#target) this.#target = index;
    this.#pump();
  }

  /** Applies nothing until `restored`: log and state are about to be replaced. */
  pause(): void {
    this.#paused = true;
  }

  /** The state was replaced by a snapshot, and so was the log. */
  restored(at: LogIndex, nextOffset: Offset, configuration: Configuration): void {
    assert(
      at >= this.#appliedIndex && nextOffset >= this.#nextOffset,
      () => `a snapshot at ${at} would take back what was applied through ${this.#appliedIndex}`,
    );
    this.#appliedIndex = at;
    this.#appliedTerm = undefined;
    this.#nextOffset = nextOffset;
    this.#configuration = configuration;
    if (at > this.#target) this.#target = at;
    this.#paused = false;
    this.#pump();
  }

  stop(): void {
    this.#stopped = true;
  }

  get #mayApply(): boolean {
    return !this.#stopped && !this.#paused;
  }

  #pump(): void {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#mayApply && this.#appliedIndex < this.#target) {
      const from = indexPlus(this.#appliedIndex, 1);
      const frames = this.#options.log.readCached(from, this.#target, TAKE_BYTES);
      if (frames === undefined) {
        this.#readThenPump(from);
        return;
      }
      this.#apply(frames);
    }
    this.#busy = false;
  }

  #readThenPump(from: LogIndex): void {
    const { failed } = this.#options;
    // A snapshot may have been installed meanwhile: then this read says nothing about what is next.
    const isNext = (): boolean => this.#mayApply && from === this.#appliedIndex + 1;
    this.#read(from).then(
      (frames) => {
        if (isNext()) this.#apply(frames);
        this.#busy = false;
        this.#pump();
      },
      (error: Error) => {
        this.#busy = false;
        if (isNext()) failed(error);
        else this.#pump();
      },
    );
  }

  async #read(from: LogIndex): Promise<readonly Frame[]> {
    const { log, machine, reads } = this.#options;
    const turn = reads.acquire();
    if (turn !== undefined) await turn;
    try {
      return this.#mayApply ? await log.read(from, this.#target, READ_BYTES, machine.detail) : [];
    } finally {
      reads.release();
    }
  }

  #apply(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (!this.#mayApply) return;
      assert(frame.index === this.#appliedIndex + 1, () => `entry ${frame.index} is applied after ${this.#appliedIndex}`);
      assert(frame.baseOffset === this.#nextOffset, () => `entry ${frame.index} begins at offset ${frame.baseOffset}; the next offset is ${this.#nextOffset}`);
      try {
        if (frame.kind === EntryKind.configuration) this.#configuration = decodeConfiguration(frame.body);
        this.#options.machine.apply(frame);
      } catch (error) {
        // An entry that this build cannot apply (a newer one's, say) stops this replica; anything else is our bug.
        if (!(error instanceof QuireError)) throw error;
        this.#stopped = true;
        this.#options.failed(error);
        return;
      }
      this.#appliedIndex = frame.index;
      this.#appliedTerm = frame.term;
      if (frame.kind === EntryKind.records) this.#nextOffset = offset(frame.baseOffset + frame.batch.recordCount);
      this.#options.applied(frame);
    }
    this.#options.advanced();
  }
}
