import { leftTo, type Mutant, mutantsOf } from "./mutant.js";

const mutant = mutantsOf("replica");

export const replicaMutants: readonly Mutant[] = [
  mutant("rule 2: the core is told of a hard state that is not saved yet", [
    "replica/replica.js",
    "this.#parts.store.saveHardState(this.replicaSetId, hardState).then(() => this.step(",
    'this.step({ kind: "hard-state-saved", hardState });\n                this.#parts.store.saveHardState(this.replicaSetId, hardState).then(() => void (',
  ]),
  mutant("a proposal that was truncated is answered as committed", [
    "replica/waiting.js",
    "this.#displaced.push(...this.#takeFrom(from));",
    "for (const waiter of this.#takeFrom(from))\n            waiter.done({ ...waiter.at, replicasOnDisk: 1 });",
  ]),
  leftTo(
    "test/replica/replica-outcomes.test.ts",
    mutant("a proposal that was truncated is answered as not written", [
      "replica/waiting.js",
      "this.#displaced.push(...this.#takeFrom(from));",
      "for (const waiter of this.#takeFrom(from))\n            waiter.done(replaced(waiter.at));",
    ]),
  ),
  mutant("a proposal whose leader was deposed is answered as not written", [
    "replica/waiting.js",
    "waiter.done(error(waiter.at));",
    "waiter.done(replaced(waiter.at));",
  ]),
  mutant("a restart applies the last entry twice", [
    "replica/applier.js",
    "this.#appliedIndex = index;",
    "this.#appliedIndex = Math.max(index - 1, options.log.logStart.index);",
  ]),
  mutant("a restart passes over an entry", [
    "replica/applier.js",
    "this.#appliedIndex = index;",
    "this.#appliedIndex = Math.min(index + 1, options.log.lastIndex);",
  ]),
  mutant("a snapshot is saved without its state", ["replica/replica.js", "state: this.machine.snapshot()", "state: this.machine.blank()"]),
  mutant("a log is cut beyond what is trimmed", ["replica/snapshots.js", "segment.endOffset <= start && ", ""]),
  mutant("the snapshot at the log's start is not kept", [
    "replica/snapshot-plan.js",
    "const isNeeded = (at) => at === logStart.index || at === reached;",
    "const isNeeded = (at) => at === reached;",
  ]),
  leftTo(
    "test/replica",
    mutant("a restart begins from a snapshot of another log", [
      "replica/snapshot-plan.js",
      "index <= log.lastIndex && log.termAt(index) === term",
      "index <= log.lastIndex",
    ]),
  ),
  mutant("an acknowledgement names the offset behind its batch", [
    "replica/replica.js",
    "offset(this.log.endOffset - request.recordCount)",
    "offset(this.log.endOffset)",
  ]),
];
