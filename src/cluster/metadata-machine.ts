import { QuireError } from "../base/errors.js";
import type { LogIndex } from "../base/ids.js";
import { EntryKind, type Frame, type ReadDetail, type StateMachine } from "../replica/types.js";
import { decodeCommand } from "./commands.js";
import type { FoundingRecord } from "./membership.js";
import { type CommandResult, type MetadataChange, MetadataState } from "./metadata-state.js";

const NO_CHANGE: MetadataChange = { all: false, brokers: false, replicaSets: [], groups: [] };

/** A local proposer waits for what becomes of its command; filled when an entry is applied at that place. */
export interface Expectation {
  readonly index: LogIndex;
  outcome: { readonly result: CommandResult } | { readonly refusal: QuireError } | undefined;
}

/** The cluster metadata as a replica's state machine: applies commands, and keeps the outcome for whoever proposed one here. */
export class MetadataMachine implements StateMachine {
  readonly detail: ReadDetail = "whole";
  readonly state: MetadataState;
  readonly #watchers = new Set<(change: MetadataChange) => void>();
  readonly #expected = new Map<LogIndex, Expectation>();

  constructor(founding: FoundingRecord) {
    this.state = new MetadataState(founding);
  }

  /** A refused command is a deterministic outcome, not a failure. @throws QuireError UNSUPPORTED for a newer command: the replica must halt */
  apply(frame: Frame): void {
    // A term's first entry changes nothing, but tells who waits that the log was read up to here.
    if (frame.kind === EntryKind.command) this.#applyCommand(frame);
    else this.#changed(NO_CHANGE);
  }

  #applyCommand(frame: Frame): void {
    const command = decodeCommand(frame.body);
    const expectation = this.#expected.get(frame.index);
    let change: MetadataChange;
    try {
      const applied = this.state.apply(command);
      change = applied.change;
      if (expectation !== undefined) expectation.outcome = { result: applied.result };
    } catch (refusal) {
      if (!(refusal instanceof QuireError)) throw refusal;
      if (expectation !== undefined) expectation.outcome = { refusal };
      return;
    }
    this.#changed(change);
  }

  blank(): Buffer {
    return new MetadataState(this.state.founding).snapshot();
  }

  snapshot(): Buffer {
    return this.state.snapshot();
  }

  restore(bytes: Buffer): void {
    const before = [...this.state.groups.keys()];
    this.state.restore(bytes);
    this.#changed({ all: true, brokers: true, replicaSets: [], groups: [...new Set([...before, ...this.state.groups.keys()])] });
  }

  /** Keeps the outcome of the entry that gets this place. Call when a proposal was placed, before it can be applied. */
  expect(index: LogIndex): Expectation {
    const expectation: Expectation = { index, outcome: undefined };
    this.#expected.set(index, expectation);
    return expectation;
  }

  /** Ends the waiting. The same place may be expected anew, by a later proposal of a later term: that one stays. */
  forget(expectation: Expectation): void {
    if (this.#expected.get(expectation.index) === expectation) this.#expected.delete(expectation.index);
  }

  /** Calls back after each change, synchronously, until the returned function is called. */
  watch(changed: (change: MetadataChange) => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  #changed(change: MetadataChange): void {
    for (const changed of this.#watchers) changed(change);
  }
}
