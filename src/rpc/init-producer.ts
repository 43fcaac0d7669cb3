import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import type { ProducerInfo } from "../cluster/view.js";
import type { Init, InitProducerRequest, InitProducerResponse } from "../wire/messages.js";
import { produceService } from "../wire/services.js";
import type { CallContext } from "./call-context.js";
import type { Edge } from "./edge.js";
import { integerOr, producerName, refuseField } from "./validate.js";

/** For a block of ids, whoever among the callers that wait for it gives up. */
const BLOCK_MS_MAX = 5_000;

/**
 * Unary `InitProducer`. Ids come in blocks from the controller and are handed out from memory, so that a thousand clients that begin cost one
 * entry of the metadata; what is left of a block is lost with this process, which harms nobody. Names are the controller's.
 */
export class InitProducer {
  readonly #edge: Edge;
  #next = 0;
  #end = 0;
  #fetching: Promise<void> | undefined;

  constructor(edge: Edge) {
    this.#edge = edge;
  }

  async run(request: InitProducerRequest, context: CallContext): Promise<Init<InitProducerResponse>> {
    const count = integerOr(request.count, "count", 1, limits.producerIdsAtOnce, 1);
    if (request.name === "") return count > 1 || context.forwarded ? this.#reserve(count, context) : this.#take();
    if (count > 1) refuseField("count", `is ${count} for a producer with a name`, "a name has one id: leave the count out");
    const name = producerName(request.name, "name");
    return this.#atController(context, request, () => this.#edge.admin.initProducer(name));
  }

  async #take(): Promise<ProducerInfo> {
    while (this.#next === this.#end) {
      this.#fetching ??= this.#fetch().finally(() => {
        this.#fetching = undefined;
      });
      await this.#fetching;
    }
    const producerId = this.#next;
    this.#next += 1;
    return { producerId, epoch: 0, epochs: limits.sequenceMax };
  }

  async #fetch(): Promise<void> {
    const { clock } = this.#edge;
    const giveUp = new AbortController();
    const endMs = clock.monotonicMs() + BLOCK_MS_MAX;
    const timer = clock.after(BLOCK_MS_MAX, () => giveUp.abort(new QuireError("DEADLINE", "the controller gave no producer ids in time; try again")));
    const context: CallContext = { forwarded: false, signal: giveUp.signal, remainingMs: () => Math.max(0, endMs - clock.monotonicMs()) };
    try {
      const { producerId } = await this.#reserve(limits.producerIdsAtOnce, context);
      this.#next = producerId;
      this.#end = producerId + limits.producerIdsAtOnce;
    } finally {
      timer.cancel();
    }
  }

  #reserve(count: number, context: CallContext): Promise<ProducerInfo> {
    return this.#atController(context, { name: "", count }, () => this.#edge.admin.reserveProducerIds(count));
  }

  #atController(context: CallContext, request: InitProducerRequest, here: () => Promise<ProducerInfo>): Promise<ProducerInfo> {
    return this.#edge.forwarder.run(context, {
      to: "controller",
      writes: true,
      here,
      there: (broker) => broker.call(produceService.InitProducer, request),
    });
  }
}
