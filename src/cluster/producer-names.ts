import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import type { ProducerInfo } from "./view.js";

/** Epochs of one life of a named producer. Within them it goes on by itself, in a partition where it gave a batch up. */
export const EPOCHS_PER_LIFE = 8_192;
/** Of a producer without a name all epochs are its own: nobody else ever gets its id. */
export const EPOCHS_UNNAMED = limits.sequenceMax;

/** What is kept of a named producer: its id, and the first epoch of its newest life. */
export interface NamedProducer {
  readonly producerId: number;
  readonly epoch: number;
}

/** What the cluster metadata says about producers: the ids that were given out, and the names. Part of its state machine. */
export class ProducerNames {
  #nextId: number;
  readonly #byName = new Map<string, NamedProducer>();
  readonly #epochs = new Map<number, number>();

  constructor(nextId = 1, named: Iterable<readonly [name: string, producer: NamedProducer]> = []) {
    this.#nextId = nextId;
    for (const [name, producer] of named) this.#set(name, producer);
  }

  /** Ids below this were given out. */
  get nextId(): number {
    return this.#nextId;
  }

  named(): Iterable<readonly [name: string, producer: NamedProducer]> {
    return this.#byName;
  }

  /** First epoch of a named producer's newest life; undefined for one without a name. */
  epochOf(producerId: number): number | undefined {
    return this.#epochs.get(producerId);
  }

  /** The first of so many ids in a row. */
  reserve(count: number): ProducerInfo {
    const producerId = this.#nextId;
    this.#nextId += count;
    assert(Number.isSafeInteger(this.#nextId), "producer ids are not used up");
    return { producerId, epoch: 0, epochs: EPOCHS_UNNAMED };
  }

  /** @throws QuireError QUOTA_EXCEEDED; the state is then unchanged */
  begin(name: string): ProducerInfo {
    const known = this.#byName.get(name);
    if (known === undefined && this.#byName.size >= limits.namedProducers) {
      throw new QuireError(
        "QUOTA_EXCEEDED",
        `the cluster has ${this.#byName.size} named producers; the limit is ${limits.namedProducers}: name producers after what they do, not after each run, or leave the name out`,
        { details: { limit: limits.namedProducers } },
      );
    }
    const epoch = known === undefined ? 0 : known.epoch + EPOCHS_PER_LIFE;
    if (epoch + EPOCHS_PER_LIFE > limits.sequenceMax) {
      throw new QuireError("QUOTA_EXCEEDED", `producer ${name} was begun ${epoch / EPOCHS_PER_LIFE} times, and has no epochs left: use another name`, {
        details: { limit: limits.sequenceMax },
      });
    }
    const producer = known === undefined ? { producerId: this.reserve(1).producerId, epoch } : { ...known, epoch };
    this.#set(name, producer);
    return { ...producer, epochs: EPOCHS_PER_LIFE };
  }

  #set(name: string, producer: NamedProducer): void {
    this.#byName.set(name, producer);
    this.#epochs.set(producer.producerId, producer.epoch);
  }
}
