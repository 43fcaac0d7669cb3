import type { ProducerState, WrittenBatch } from "../../../src/broker/producer-table.js";

/** What became of a producer with one entry: its batch was applied, or, with an epoch of -1, it was forgotten. */
interface Step extends WrittenBatch {
  readonly index: number;
  readonly epoch: number;
}

type Table = Pick<ReadonlyMap<number, Pick<ProducerState, "epoch" | "batches">>, "get"> & { readonly size: number };

const FORGOTTEN = -1;

/**
 * The idempotent producers of one partition at every log index, by the entries that were applied: what a replica knows of them must survive
 * failover, snapshot and restart, or a retry would be refused, or written again.
 */
export class AppliedProducers {
  readonly #steps = new Map<number, Step[]>();
  #index = 0;

  /** A replica applies a batch of a producer. All replicas apply the same, so only the first counts. */
  wrote(index: number, producerId: number, epoch: number, batch: WrittenBatch): void {
    if (index > this.#index) this.#add(producerId, { ...batch, index, epoch });
  }

  forgot(index: number, producerIds: readonly number[]): void {
    if (index <= this.#index) return;
    for (const id of producerIds) this.#add(id, { index, epoch: FORGOTTEN, baseSequence: 0, recordCount: 0, baseOffset: 0 as WrittenBatch["baseOffset"] });
  }

  /** An entry was applied to its end. */
  applied(index: number): void {
    this.#index = Math.max(this.#index, index);
  }

  /** What is wrong with a table that has everything through `index`. */
  problemOf(index: number, table: Table): string | undefined {
    let size = 0;
    for (const [id, steps] of this.#steps) {
      const last = steps.findLast((step) => step.index <= index);
      if (last === undefined || last.epoch === FORGOTTEN) continue;
      size += 1;
      const known = table.get(id);
      const newest = known?.batches.at(-1);
      if (known?.epoch === last.epoch && newest !== undefined && isSame(newest, last) && this.#holdsTo(steps, last, known.batches)) continue;
      return `producer ${id}, of epoch ${last.epoch}, ${tell(last)} last, is there as ${known === undefined || newest === undefined ? "nobody" : `epoch ${known.epoch}, ${tell(newest)}`}`;
    }
    return table.size === size ? undefined : `${table.size} producers, and not ${size}`;
  }

  /** Whether the batches are the last ones of their epoch, as they were applied. */
  #holdsTo(steps: readonly Step[], last: Step, batches: readonly WrittenBatch[]): boolean {
    const through = steps.lastIndexOf(last);
    return batches.every((batch, at) => {
      const step = steps[through - (batches.length - 1 - at)];
      return step !== undefined && step.epoch === last.epoch && isSame(batch, step);
    });
  }

  #add(id: number, step: Step): void {
    const steps = this.#steps.get(id);
    if (steps === undefined) this.#steps.set(id, [step]);
    else steps.push(step);
  }
}

const isSame = (a: WrittenBatch, b: WrittenBatch): boolean =>
  a.baseSequence === b.baseSequence && a.recordCount === b.recordCount && a.baseOffset === b.baseOffset;
const tell = ({ baseSequence, recordCount, baseOffset }: WrittenBatch): string => `sequences ${baseSequence} +${recordCount} at offset ${baseOffset}`;
