import { EntryKind } from "../../../src/base/entry-kind.js";
import type { EntryFacts } from "./observations.js";

interface Producer {
  readonly epoch: number;
  readonly next: number;
}

/**
 * The idempotent producers of one partition, by what is committed: one entry per producer, epoch and sequence, without a gap, and nothing of an
 * epoch that a newer one has fenced. What was forgotten may begin anew.
 */
export class CommittedProducers {
  readonly #producers = new Map<number, Producer>();
  #index = 0;

  /** The next committed entry. Returns what should have come, if it is not this. */
  take(entry: EntryFacts): string | undefined {
    // What nobody saw may have been anything.
    if (entry.index !== this.#index + 1) this.#producers.clear();
    this.#index = entry.index;
    for (const id of entry.forgets ?? []) this.#producers.delete(id);
    const { producer } = entry;
    if (entry.kind !== EntryKind.records || producer === undefined) return undefined;
    const { id, epoch, baseSequence } = producer;
    const known = this.#producers.get(id);
    this.#producers.set(id, { epoch, next: baseSequence + (entry.endOffset - entry.baseOffset) });
    if (known === undefined) return undefined;
    if (epoch < known.epoch) return `epoch ${known.epoch} of producer ${id}, or a later one`;
    const next = epoch === known.epoch ? known.next : 0;
    return baseSequence === next ? undefined : `sequence ${next} of producer ${id}, epoch ${epoch}`;
  }
}
