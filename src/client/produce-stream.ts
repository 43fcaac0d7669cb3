/** One Produce stream to one broker: batches of many partitions out, outcomes in, by correlation id. Knows nothing of order or retries. */
import type * as grpc from "@grpc/grpc-js";
import { assert } from "../base/assert.js";
import { QuireError, toQuireError } from "../base/errors.js";
import { limits, MIB } from "../base/limits.js";
import type { Clock } from "../base/ports.js";
import type { RecordBatchHeader } from "../base/record-batch.js";
import { openBidi } from "../wire/call.js";
import type { Init, ProduceRequest, ProduceResponse, ProduceResult } from "../wire/messages.js";
import { produceService } from "../wire/services.js";
import { fromGrpcError } from "../wire/status.js";
import type { Connections } from "./connections.js";

/** Batches are put together into messages of about this size. */
const MESSAGE_BYTES = MIB;
/** With more than this handed to gRPC and not yet taken by the socket, nothing more is written. */
const WRITING_BYTES_MAX = 2 * MIB;
/** A message's envelope around one batch, at most: topic name, numbers, tags. */
const ENVELOPE_BYTES = 512;

export interface OutgoingProduce {
  readonly topic: string;
  readonly partition: number;
  readonly acks: number;
  readonly timeoutMs: number;
  readonly run: number;
  readonly batch: RecordBatchHeader & { readonly body: Buffer };
}

export interface ProduceStreamEvents<Token> {
  /** The stream can take batches: after `open`, and after it was full. */
  onWritable(): void;
  /** Called once for each batch that was sent and not forgotten. */
  onResult(token: Token, result: ProduceResult): void;
  /** The stream is closed; what became of `unanswered` (oldest first) is unknown. `open` may be called again. */
  onClosed(error: QuireError, unanswered: readonly Token[]): void;
}

type Call = grpc.ClientDuplexStream<Init<ProduceRequest>, ProduceResponse>;

/** `Token` is the caller's name for an attempt. */
export class ProduceStream<Token> {
  readonly address: string;
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #events: ProduceStreamEvents<Token>;
  readonly #unanswered = new Map<number, Token>();
  #call: Call | undefined;
  #opening = false;
  #nextCorrelation = 1;
  #writingBytes = 0;
  #pending: { readonly correlationId: number; readonly produce: OutgoingProduce }[] = [];
  #pendingBytes = 0;
  #heardMs = 0;

  constructor(address: string, connections: Connections, clock: Clock, events: ProduceStreamEvents<Token>) {
    this.address = address;
    this.#connections = connections;
    this.#clock = clock;
    this.#events = events;
  }

  /** Whether `send` may be called. */
  get writable(): boolean {
    return this.#call !== undefined && this.#writingBytes + this.#pendingBytes < WRITING_BYTES_MAX;
  }

  /** How long batches have been waiting for an answer without any coming; 0 when none wait. */
  stalledMs(nowMs: number): number {
    return this.#unanswered.size === 0 ? 0 : nowMs - this.#heardMs;
  }

  /** Connects and opens the stream, unless that is done or under way; ends in `onWritable` or `onClosed`. */
  open(): void {
    if (this.#opening || this.#call !== undefined) return;
    this.#opening = true;
    this.#connections.ready(this.address, "write").then(
      (client) => {
        this.#opening = false;
        this.#begin(openBidi(client, produceService.Produce));
        this.#events.onWritable();
      },
      (thrown: unknown) => {
        this.#opening = false;
        this.#events.onClosed(toQuireError(thrown), []);
      },
    );
  }

  /** Takes a batch; it leaves with the next `flush`, or earlier when a message is full. */
  send(token: Token, produce: OutgoingProduce): void {
    assert(this.#call !== undefined, "batches are sent on an open stream");
    const bytes = produce.batch.body.length + ENVELOPE_BYTES;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > Math.min(MESSAGE_BYTES, limits.requestBytes)) this.flush();
    const correlationId = this.#nextCorrelation++;
    if (this.#unanswered.size === 0) this.#heardMs = this.#clock.monotonicMs();
    this.#unanswered.set(correlationId, token);
    this.#pending.push({ correlationId, produce });
    this.#pendingBytes += bytes;
  }

  /** Writes what was taken as one message. */
  flush(): void {
    const call = this.#call;
    if (call === undefined || this.#pending.length === 0) return;
    const bytes = this.#pendingBytes;
    const batches = this.#pending.map(({ correlationId, produce }) => ({ correlationId, ...produce }));
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#writingBytes += bytes;
    call.write({ batches }, () => {
      if (this.#call !== call) return;
      const wasWritable = this.writable;
      this.#writingBytes -= bytes;
      if (!wasWritable && this.writable) this.#events.onWritable();
    });
  }

  /** Answers for these attempts are not wanted any more. */
  forget(which: (token: Token) => boolean): void {
    for (const [correlationId, token] of this.#unanswered) if (which(token)) this.#unanswered.delete(correlationId);
  }

  /** Ends the stream politely; nothing is reported any more. */
  close(): void {
    const call = this.#call;
    this.#call = undefined;
    if (call === undefined) return;
    call.end();
    call.cancel();
  }

  #begin(call: Call): void {
    this.#call = call;
    this.#writingBytes = 0;
    this.#pending = [];
    this.#pendingBytes = 0;
    call.on("data", (response: ProduceResponse) => {
      if (this.#call !== call) return;
      this.#heardMs = this.#clock.monotonicMs();
      for (const result of response.results) {
        const token = this.#unanswered.get(result.correlationId);
        if (token === undefined) continue;
        this.#unanswered.delete(result.correlationId);
        this.#events.onResult(token, result);
      }
    });
    call.on("error", (error: grpc.ServiceError) => this.#lost(call, fromGrpcError(error)));
    call.on("end", () => this.#lost(call, new QuireError("SHUTTING_DOWN", `broker at ${this.address} ended the produce stream`)));
  }

  #lost(call: Call, error: QuireError): void {
    if (this.#call !== call) return;
    this.#call = undefined;
    call.cancel();
    const unanswered = [...this.#unanswered.values()];
    this.#unanswered.clear();
    this.#events.onClosed(error, unanswered);
  }
}
