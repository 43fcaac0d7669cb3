import type { ReplicaSetId } from "../base/ids.js";
import type { TopicPartition } from "../cluster/view.js";
import type { Replica } from "../replica/types.js";
import { LeadingProducers } from "./leading-producers.js";
import type { ProducerTable } from "./producer-table.js";

export interface IdempotenceOptions {
  /** A partition's producers as applied on this broker. */
  readonly tableOf: (id: ReplicaSetId) => ProducerTable | undefined;
  /** First epoch of a named producer's newest life, as this broker knows; undefined for one without a name. */
  readonly epochOf: (producerId: number) => number | undefined;
  readonly producersMax: number;
  readonly wallMs: () => number;
}

/** The idempotent producers of all partitions that this broker leads. What one leadership knew of batches under way ends with it. */
export class Idempotence {
  readonly #options: IdempotenceOptions;
  readonly #leading = new WeakMap<Replica, LeadingProducers>();

  constructor(options: IdempotenceOptions) {
    this.#options = options;
  }

  /** Of a replica that serves; undefined for one that is no partition's. */
  of(replica: Replica, at: TopicPartition): LeadingProducers | undefined {
    const known = this.#leading.get(replica);
    if (known?.term === replica.term) return known;
    const { tableOf, ...rest } = this.#options;
    const table = tableOf(replica.replicaSetId);
    if (table === undefined) return undefined;
    const leading = new LeadingProducers({ ...rest, table, replica, name: `${at.topic}/${at.partition}` });
    this.#leading.set(replica, leading);
    return leading;
  }
}
