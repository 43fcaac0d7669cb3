import { EntryKind } from "../../../src/base/entry-kind.js";
import type { ReplicaSetId } from "../../../src/base/ids.js";
import { decodeProducersEntry } from "../../../src/base/producers-entry.js";
import type { PartitionState } from "../../../src/broker/partition-state.js";
import { AppliedProducers } from "../checkers/applied-producers.js";
import { Violation } from "../checkers/violation.js";

/** Looks at what each replica of a partition knows of its producers: when it goes on from a snapshot, and whenever it is told the time. */
export class ProducersWatch {
  readonly #applied = new Map<ReplicaSetId, AppliedProducers>();
  readonly #broken: (violation: Violation) => void;

  constructor(broken: (violation: Violation) => void) {
    this.#broken = broken;
  }

  watch(id: ReplicaSetId, machine: PartitionState): void {
    const known = this.#of(id);
    const [apply, restore] = [machine.apply.bind(machine), machine.restore.bind(machine)];
    let isRestored = false;
    const check = (index: number): void => {
      const { producers } = machine;
      const problem = known.problemOf(index, producers);
      if (problem === undefined) return;
      const invariant = "what is known of producers survives failover, snapshot and restart";
      this.#broken(
        new Violation({
          invariant,
          subject: `replica set ${id} at ${index}`,
          expected: "every producer with the batches that were applied",
          seen: problem,
          evidence: [],
        }),
      );
    };
    machine.restore = (state) => {
      restore(state);
      isRestored = true;
    };
    machine.apply = (frame) => {
      const { index, kind } = frame;
      if (isRestored) check(index - 1);
      isRestored = false;
      if (kind === EntryKind.records && frame.batch.producerId > 0) {
        const { producerId, producerEpoch, baseSequence, recordCount } = frame.batch;
        known.wrote(index, producerId, producerEpoch, { baseSequence, recordCount, baseOffset: frame.baseOffset });
      }
      if (kind === EntryKind.producers) known.forgot(index, decodeProducersEntry(frame.body).forgotten);
      known.applied(index);
      apply(frame);
      if (kind === EntryKind.producers) check(index);
    };
  }

  #of(id: ReplicaSetId): AppliedProducers {
    let applied = this.#applied.get(id);
    if (applied === undefined) {
      applied = new AppliedProducers();
      this.#applied.set(id, applied);
    }
    return applied;
  }
}
