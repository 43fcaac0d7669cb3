import type { ServerDuplexStream } from "@grpc/grpc-js";
import { type QuireError, toQuireError } from "../base/errors.js";
import { limits, MIB } from "../base/limits.js";
import type { ProduceRequest as LocalProduceRequest, ProduceResult as LocalProduceResult } from "../broker/types.js";
import type { Init, ProduceBatch, ProduceRequest, ProduceResponse, ProduceResult } from "../wire/messages.js";
import { toServiceError, toStatus } from "../wire/status.js";
import { answerOf, type Edge, leaderAfter, selfAsLeader } from "./edge.js";
import { readOneAhead } from "./narrow-reads.js";
import { OutcomeOrder, type Pending } from "./outcome-order.js";
import { Runs } from "./runs.js";
import { type LiveStream, type StreamSlots, shuttingDown } from "./slots.js";
import { StreamWriter } from "./stream-writer.js";
import { acksField, count, integerOr, partitionNumber, required, topicName } from "./validate.js";

type Call = ServerDuplexStream<ProduceRequest, Init<ProduceResponse>>;

/** Outcomes in one response; a result is some tens of bytes. */
const RESULTS_PER_RESPONSE = 4_096;
/** Outcomes that wait for a client that does not read them, before its batches are no longer read either. */
const RESULTS_WAITING_MAX = 2 * RESULTS_PER_RESPONSE;
const RESULT_BYTES = 64;
const WRITE_BYTES_MAX = MIB;
const TIMEOUT_MS_MAX = 300_000;
const TIMEOUT_MS_DEFAULT = 10_000;

/** Opens one Produce stream. */
export function openProduce(edge: Edge, slots: StreamSlots, call: Call): void {
  try {
    new ProduceStream(edge, slots, call);
  } catch (thrown) {
    call.emit("error", toServiceError(answerOf(thrown, edge)));
  }
}

/** What a batch asks for, or the refusal of a field. @throws QuireError INVALID_FIELD, INVALID_NAME */
export function parseProduceBatch(message: ProduceBatch): LocalProduceRequest {
  return {
    topic: topicName(message.topic, "topic"),
    partition: partitionNumber(message.partition, "partition"),
    acks: acksField(message.acks, "acks"),
    timeoutMs: integerOr(message.timeoutMs, "timeout_ms", 1, TIMEOUT_MS_MAX, TIMEOUT_MS_DEFAULT),
    batch: required(message.batch, "batch"),
  };
}

/**
 * Batches in, outcomes out. It stops reading while the broker holds as many bytes as it may, and while the client does not
 * read its outcomes; outcomes that come in one turn of the event loop leave as one message.
 */
class ProduceStream implements LiveStream {
  readonly #edge: Edge;
  readonly #call: Call;
  readonly #writer: StreamWriter<Init<ProduceResponse>>;
  readonly #release: () => void;
  readonly #order: OutcomeOrder;
  readonly #runs = new Runs();
  #results: Init<ProduceResult>[] = [];
  #flushing = false;
  /** A message of which batches from `next` on were not admitted for want of memory. */
  #held: { readonly message: ProduceRequest; next: number } | undefined;
  #cancelDrain: (() => void) | undefined;
  /** Why the stream ends once everything under way is answered; undefined while it goes on. */
  #ending: "half-closed" | QuireError | undefined;

  constructor(edge: Edge, slots: StreamSlots, call: Call) {
    this.#edge = edge;
    this.#call = call;
    this.#release = slots.open(this);
    readOneAhead(call);
    this.#writer = new StreamWriter(call, WRITE_BYTES_MAX, () => this.#scheduleFlush());
    this.#order = new OutcomeOrder((result) => this.#answer(result));
    call.on("data", (message: ProduceRequest) => this.#receive(message));
    call.on("end", () => this.#end("half-closed"));
    // Emitted by StreamWriter.fail, and handled by gRPC itself.
    call.on("error", () => this.#abandon());
    call.on("cancelled", () => this.#abandon());
    call.on("close", () => this.#abandon());
  }

  shutdown(): void {
    this.#end(shuttingDown());
  }

  #receive(message: ProduceRequest): void {
    if (this.#ending !== undefined) return;
    try {
      count(message.batches, "batches", 1, limits.batchRecords);
    } catch (thrown) {
      this.#end(toQuireError(thrown));
      return;
    }
    this.#held = { message, next: 0 };
    this.#admit();
  }

  /** Admits the batches of the message held, as far as there is room, then reads the next message. */
  #admit(): void {
    const { dataPlane } = this.#edge;
    const held = this.#held;
    if (held === undefined || this.#writer.ended) return;
    const { batches } = held.message;
    for (let batch = batches[held.next]; batch !== undefined; batch = batches[held.next]) {
      if (dataPlane.inflightBytes >= dataPlane.inflightBytesMax) {
        this.#call.pause();
        this.#cancelDrain = dataPlane.onDrain(() => {
          this.#cancelDrain = undefined;
          this.#admit();
        });
        return;
      }
      held.next += 1;
      this.#produce(batch);
    }
    this.#held = undefined;
    this.#readOrPause();
    this.#endIfDone();
  }

  #produce(message: ProduceBatch): void {
    const pending = this.#order.begin(message.correlationId, message.topic, message.partition);
    let request: LocalProduceRequest;
    try {
      request = parseProduceBatch(message);
    } catch (thrown) {
      pending.settle(this.#refusal(pending, toQuireError(thrown)));
      return;
    }
    try {
      this.#runs.produce(message.run, request, (run) =>
        this.#edge.dataPlane.produce(run, (outcome) => {
          if (!(outcome instanceof Error)) {
            pending.settle(this.#success(pending, outcome));
            return;
          }
          const error = answerOf(outcome, this.#edge);
          this.#runs.refused(message.run, request, error);
          pending.settle(this.#refusal(pending, error));
        }),
      );
    } catch (thrown) {
      pending.settle(this.#refusal(pending, answerOf(thrown, this.#edge)));
    }
  }

  #success({ correlationId }: Pending, { baseOffset, replicasOnDisk, term }: LocalProduceResult): Init<ProduceResult> {
    return { correlationId, baseOffset, replicasOnDisk, leader: selfAsLeader(this.#edge.view, term), error: null };
  }

  #refusal(pending: Pending, error: QuireError): Init<ProduceResult> {
    return {
      correlationId: pending.correlationId,
      baseOffset: 0,
      replicasOnDisk: 0,
      leader: leaderAfter(error, this.#edge.view, pending),
      error: toStatus(error),
    };
  }

  #answer(result: Init<ProduceResult>): void {
    if (this.#writer.ended) return;
    this.#results.push(result);
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#edge.clock.soon(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#results.length > 0 && this.#writer.writable) {
      const results = this.#results.length <= RESULTS_PER_RESPONSE ? this.#results : this.#results.slice(0, RESULTS_PER_RESPONSE);
      this.#results = results === this.#results ? [] : this.#results.slice(RESULTS_PER_RESPONSE);
      this.#writer.write({ results }, results.length * RESULT_BYTES);
    }
    this.#readOrPause();
    this.#endIfDone();
  }

  #readOrPause(): void {
    const read = this.#held === undefined && this.#ending === undefined && this.#results.length < RESULTS_WAITING_MAX;
    if (read === !this.#call.isPaused()) return;
    if (read) this.#call.resume();
    else this.#call.pause();
  }

  #end(why: "half-closed" | QuireError): void {
    if (this.#ending !== undefined && why === "half-closed") return;
    this.#ending = why;
    if (why !== "half-closed") this.#refuseHeld(why);
    this.#endIfDone();
  }

  /** What was read and not admitted gets an answer, so that its sender knows that it was not written. */
  #refuseHeld(error: QuireError): void {
    const held = this.#held;
    this.#held = undefined;
    this.#cancelDrain?.();
    for (const { correlationId, topic, partition } of held?.message.batches.slice(held.next) ?? []) {
      const pending = this.#order.begin(correlationId, topic, partition);
      pending.settle(this.#refusal(pending, error));
    }
  }

  #endIfDone(): void {
    if (this.#ending === undefined || this.#held !== undefined || this.#order.underWay > 0 || this.#results.length > 0) return;
    if (this.#ending === "half-closed") this.#writer.end();
    else this.#writer.fail(toServiceError(this.#ending));
    this.#abandon();
  }

  #abandon(): void {
    this.#writer.abandon();
    this.#cancelDrain?.();
    this.#held = undefined;
    this.#results = [];
    this.#release();
  }
}
