import { QuireError } from "../base/errors.js";
import type { Term } from "../base/ids.js";
import type { ProduceRequest } from "../broker/types.js";

interface Run {
  readonly number: number;
  /** The term in which its first batch was appended. */
  term: Term | undefined;
  isBroken: boolean;
}

/**
 * Keeps the batches of one stream in order through refusals. Several are under way at a time; were the first refused by a broker
 * that is not the leader yet and the second taken a moment later when it is, they would stand the wrong way round. So the client numbers its runs:
 * a refusal breaks the run, whatever follows in it is refused too, and so is what would be appended in another term than its beginning.
 */
export class Runs {
  readonly #byPartition = new Map<string, Run>();

  /** Passes the batch on, unless its run is broken. @throws QuireError EARLIER_BATCH_REFUSED */
  produce(number: number, request: ProduceRequest, pass: (request: ProduceRequest) => Term | undefined): void {
    if (number === 0) {
      pass(request);
      return;
    }
    const run = this.#begin(number, request);
    if (run.isBroken) throw broken(request);
    const term = pass(run.term === undefined ? request : inTerm(request, run.term));
    run.term ??= term;
  }

  /** A batch of the run was not written, or its outcome is unknown. */
  refused(number: number, request: ProduceRequest, error: QuireError): void {
    const key = keyOf(request);
    const run = this.#byPartition.get(key);
    if (run === undefined || run.number !== number) return;
    if (error.retry !== "never") run.isBroken = true;
    // What will never be written leaves no gap: the client goes on without it. Nor does it leave a trace: the topic may not even exist.
    else if (run.term === undefined && !run.isBroken) this.#byPartition.delete(key);
  }

  #begin(number: number, request: ProduceRequest): Run {
    const key = keyOf(request);
    const known = this.#byPartition.get(key);
    if (known !== undefined && known.number === number) return known;
    const run: Run = { number, term: undefined, isBroken: false };
    this.#byPartition.set(key, run);
    return run;
  }
}

const keyOf = ({ topic, partition }: ProduceRequest): string => `${partition}/${topic}`;

const broken = ({ topic, partition }: ProduceRequest): QuireError =>
  new QuireError(
    "EARLIER_BATCH_REFUSED",
    `a batch before this one was refused, and to keep ${topic}/${partition} in order so is this; send them again, in order, as another run`,
    {
      details: { topic, partition },
    },
  );

const inTerm = ({ topic, partition, acks, timeoutMs, batch }: ProduceRequest, ifTerm: Term): ProduceRequest => ({
  topic,
  partition,
  acks,
  timeoutMs,
  ifTerm,
  batch,
});
