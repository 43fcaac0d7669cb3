import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { indexPlus, type LogIndex, type Offset, offset } from "../base/ids.js";
import { MIB } from "../base/limits.js";
import { type Configuration, EntryKind } from "../consensus/types.js";
import type { Frame, Log } from "../storage/log.js";
import { decodeConfiguration } from "./configuration-codec.js";
import type { StateMachine } from "./types.js";

/** Frames read from disk at a time while catching up. */
const READ_BYTES = 4 * MIB;

export interface ApplierOptions {
  readonly log: Log;
  readonly machine: StateMachine;
  readonly appliedIndex: LogIndex;
  readonly nextOffset: Offset;
  readonly configuration: Configuration;
  /** Called after each entry; `position` is where the log could be cut when it ends a segment. */
  readonly applied: (frame: Frame) => void;
  readonly failed: (error: Error) => void;
}

/**
 * Applies committed entries in log order, each once. The tail comes from memory in the same turn; what is not there
 * is read from disk in large pieces, one read under way, so that catching up never blocks the event loop for long.
 */
export class Applier {
  readonly #options: ApplierOptions;
  #appliedIndex: LogIndex;
  #nextOffset: Offset;
  #configuration: Configuration;
  #target: LogIndex;
  #reading = false;
  #stopped = false;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#appliedIndex = options.appliedIndex;
    this.#nextOffset = options.nextOffset;
    this.#configuration = options.configuration;
    this.#target = options.appliedIndex;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
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
    if (!this.#reading) this.#pump();
  }

  /** The state was replaced by a snapshot. */
  restored(at: LogIndex, nextOffset: Offset, configuration: Configuration): void {
    this.#appliedIndex = at;
    this.#nextOffset = nextOffset;
    this.#configuration = configuration;
    if (at > this.#target) this.#target = at;
  }

  stop(): void {
    this.#stopped = true;
  }

  #pump(): void {
    while (!this.#stopped && this.#appliedIndex < this.#target) {
      const from = indexPlus(this.#appliedIndex, 1);
      const frames = this.#options.log.readCached(from, this.#target, READ_BYTES);
      if (frames === undefined) {
        this.#readThenPump(from);
        return;
      }
      this.#apply(frames);
    }
  }

  #readThenPump(from: LogIndex): void {
    this.#reading = true;
    this.#options.log.read(from, this.#target, READ_BYTES).then(
      (frames) => {
        this.#reading = false;
        // A snapshot may have been installed meanwhile.
        if (!this.#stopped && from === this.#appliedIndex + 1) this.#apply(frames);
        this.#pump();
      },
      (error: Error) => {
        this.#reading = false;
        if (!this.#stopped) this.#options.failed(error);
      },
    );
  }

  #apply(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (this.#stopped) return;
      assert(frame.index === this.#appliedIndex + 1, () => `entry ${frame.index} is applied after ${this.#appliedIndex}`);
      assert(frame.baseOffset === this.#nextOffset, () => `entry ${frame.index} begins at offset ${frame.baseOffset}; the next offset is ${this.#nextOffset}`);
      try {
        this.#options.machine.apply(frame);
      } catch (error) {
        // An entry that this build cannot apply (a newer one's, say) stops this replica; anything else is our bug.
        if (!(error instanceof QuireError)) throw error;
        this.#stopped = true;
        this.#options.failed(error);
        return;
      }
      this.#appliedIndex = frame.index;
      if (frame.kind === EntryKind.records) this.#nextOffset = offset(frame.baseOffset + frame.batch.recordCount);
      if (frame.kind === EntryKind.configuration) this.#configuration = decodeConfiguration(frame.body);
      this.#options.applied(frame);
    }
  }
}
