import { EventEmitter } from "node:events";
import { type Metadata, type MethodDefinition, status as StatusCode, type StatusObject } from "@grpc/grpc-js";
import type { Timer } from "../../../src/base/ports.js";
import { MalformedRequest } from "../../../src/wire/method.js";
import { toStatusObject } from "../../../src/wire/status.js";
import type { Endpoint, EndReason, HeadersFrame, StreamEnd } from "./endpoint.js";
import { HEADERS_BYTES, type StreamFrame } from "./frames.js";
import { Incoming } from "./incoming.js";
import { Outgoing } from "./outgoing.js";
import { defer } from "./seam.js";
import { copyOf, okStatus, statusOf, statusOfError } from "./status.js";

export type Method = MethodDefinition<unknown, unknown>;
/** A handler as the service's definition asks for it. */
export type Handler = (call: ServerCall, callback?: UnaryCallback) => void;
type UnaryCallback = (error: unknown, value?: unknown) => void;

export interface ServerCallOptions {
  readonly endpoint: Endpoint;
  readonly frame: HeadersFrame;
  readonly method: Method;
  readonly handler: Handler;
  readonly windowBytes: number;
  readonly sendBytesMax: number;
  readonly receiveBytesMax: number;
  readonly ended: (call: ServerCall) => void;
}

/** One call as its handler has it. */
export abstract class ServerCall extends EventEmitter implements StreamEnd {
  readonly path: string;
  readonly metadata: Metadata;
  /** After the call's end too, as in grpc-js. */
  cancelled = false;
  readonly endpoint: Endpoint;
  protected readonly options: ServerCallOptions;
  protected readonly outgoing: Outgoing;
  readonly #stream: number;
  readonly #deadline: number;
  readonly #timer: Timer | undefined;
  #over = false;

  constructor(options: ServerCallOptions) {
    super();
    const { endpoint, frame } = options;
    this.options = options;
    this.endpoint = endpoint;
    this.path = frame.path;
    this.metadata = frame.metadata;
    this.#stream = frame.stream;
    endpoint.streams.set(frame.stream, this);
    const { clock } = endpoint.process;
    this.#deadline = clock.wallMs() + frame.timeoutMs;
    if (frame.timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#timer = clock.after(frame.timeoutMs, () => this.finish(statusOf(StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded")));
    }
    this.outgoing = new Outgoing(
      endpoint.process,
      options.windowBytes,
      true,
      (bytes) => endpoint.send({ kind: "message", stream: this.#stream, bytes }, bytes.length + 1),
      () => this.emit("drain"),
    );
  }

  get isOver(): boolean {
    return this.#over;
  }

  getDeadline(): number {
    return this.#deadline;
  }

  getPath(): string {
    return this.path;
  }

  getPeer(): string {
    return this.endpoint.other?.process.name ?? "unknown";
  }

  /** Nobody here listens for headers. */
  sendMetadata(_metadata: Metadata): void {}

  abstract received(frame: StreamFrame): boolean;

  dropped(why: EndReason): void {
    this.#close(() => (why === "dropped" ? defer(this.endpoint.process, () => this.gone()) : this.lost(1)));
  }

  /** The client, or the way to it, is gone; its handler is told so some ticks later. */
  protected lost(ticks: number): void {
    if (ticks === 0) this.gone();
    else defer(this.endpoint.process, () => this.lost(ticks - 1));
  }

  /** Ends the call with a status now. As in grpc-js, its handler is then told "cancelled" in any case. */
  finish(status: StatusObject): void {
    if (this.#over) return;
    this.endpoint.send({ kind: "trailers", stream: this.#stream, status }, HEADERS_BYTES);
    this.#close(() => defer(this.endpoint.process, () => this.gone()));
  }

  protected gone(): void {
    this.cancelled = true;
    this.emit("cancelled", "cancelled");
  }

  protected receivedCancel(): boolean {
    // A turn later than when the connection is lost: a handler that answers the "end" with its own sees "close" first.
    this.#close(() => this.lost(2));
    return true;
  }

  /** The message, unless it ends the call. */
  protected deserialized(bytes: Buffer): { readonly message: unknown } | undefined {
    const { receiveBytesMax, method } = this.options;
    if (bytes.length > receiveBytesMax) {
      this.finish(statusOf(StatusCode.RESOURCE_EXHAUSTED, `Received message larger than max (${bytes.length} vs ${receiveBytesMax})`));
      return undefined;
    }
    try {
      const message = method.requestDeserialize(bytes);
      if (!(message instanceof MalformedRequest)) return { message };
      this.finish(toStatusObject(message.error));
    } catch {
      this.finish(statusOf(StatusCode.INTERNAL, "Error deserializing request"));
    }
    return undefined;
  }

  protected serialized(message: unknown): Buffer | undefined {
    let bytes: Buffer;
    try {
      bytes = copyOf(this.options.method.responseSerialize(message));
    } catch {
      this.finish(statusOf(StatusCode.INTERNAL, "Error serializing response"));
      return undefined;
    }
    const { sendBytesMax } = this.options;
    if (bytes.length <= sendBytesMax) return bytes;
    this.finish(statusOf(StatusCode.RESOURCE_EXHAUSTED, `Sent message larger than max (${bytes.length + 5} vs. ${sendBytesMax})`));
    return undefined;
  }

  protected handle(callback?: UnaryCallback): void {
    try {
      this.options.handler(this, callback);
    } catch {
      this.finish(statusOf(StatusCode.UNKNOWN, "Unknown error"));
    }
  }

  protected grant(bytes: number): void {
    if (!this.#over) this.endpoint.send({ kind: "window", stream: this.#stream, bytes });
  }

  #close(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.outgoing.drop();
    this.options.ended(this);
    // Last: the connection may close with it.
    tell();
    this.endpoint.forget(this.#stream);
  }
}

export class UnaryServerCall extends ServerCall {
  request: unknown;

  override received(frame: StreamFrame): boolean {
    switch (frame.kind) {
      case "message": {
        const request = this.deserialized(frame.bytes);
        if (request === undefined) return true;
        this.request = request.message;
        this.handle((error, value) => this.#answer(error, value));
        return true;
      }
      case "window":
        this.outgoing.grow(frame.bytes);
        return false;
      case "cancel":
        return this.receivedCancel();
      default:
        return false;
    }
  }

  #answer(error: unknown, value: unknown): void {
    if (this.isOver) return;
    if (error !== null && error !== undefined) {
      this.finish(statusOfError(error));
      return;
    }
    const bytes = this.serialized(value);
    if (bytes === undefined) return;
    this.outgoing.write(bytes, undefined);
    this.outgoing.end(() => this.finish(okStatus()));
  }
}

/** Of a stream of answers, or of one both ways. */
export class StreamServerCall extends ServerCall {
  request: unknown;
  /** How far a paused call reads ahead, as in Node's streams; `src/rpc/narrow-reads.ts` narrows it. */
  readonly _readableState: { highWaterMark: number };
  readonly #incoming: Incoming;
  #pendingStatus: StatusObject = okStatus();
  /** Messages that the handler got. */
  #messages = 0;
  #sawEnd = false;
  #closed = false;

  constructor(options: ServerCallOptions) {
    super(options);
    this.#incoming = new Incoming({
      process: options.endpoint.process,
      windowBytes: options.windowBytes,
      emit: (bytes) => this.#emitMessage(bytes),
      emitEnd: () => {
        this.#sawEnd = true;
        this.emit("end");
      },
      grant: (bytes) => this.grant(bytes),
    });
    this.#sawEnd = !options.method.requestStream;
    this._readableState = this.#incoming.state;
    super.on("error", (error) => {
      this.#pendingStatus = statusOfError(error);
      this.end();
    });
    if (options.method.requestStream) this.handle();
  }

  /** Whether its first message was read: on a stream between brokers, the Hello. */
  get isGreeted(): boolean {
    return this.#messages > 0;
  }

  override received(frame: StreamFrame): boolean {
    switch (frame.kind) {
      case "message":
        return this.options.method.requestStream ? this.#incoming.push(frame.bytes) : this.#receivedRequest(frame.bytes);
      case "half-close":
        this.#incoming.end();
        return true;
      case "window":
        this.outgoing.grow(frame.bytes);
        return true;
      case "cancel":
        return this.receivedCancel();
      default:
        return false;
    }
  }

  /** A message that a fault brings, from whenever it was sent. */
  inject(bytes: Buffer): void {
    this.#incoming.push(bytes, false);
  }

  write(message: unknown, done?: (error?: Error | null) => void): boolean {
    if (this.isOver || this.outgoing.isEnded) {
      defer(this.endpoint.process, () => done?.(new Error("write after end")));
      return false;
    }
    const bytes = this.serialized(message);
    return bytes === undefined ? false : this.outgoing.write(bytes, done);
  }

  end(): void {
    if (this.isOver) {
      if (this.#sawEnd) this.#closeSoon();
      return;
    }
    this.outgoing.end(() => {
      // Both halves are done: Node destroys the stream by itself, which is before grpc-js does.
      if (this.#sawEnd) this.#closeSoon();
      this.finish(this.#pendingStatus);
    });
  }

  pause(): this {
    this.#incoming.pause();
    return this;
  }

  resume(): this {
    this.#incoming.resume();
    return this;
  }

  isPaused(): boolean {
    return this.#incoming.isPaused;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the signature of EventEmitter
  override on(event: string | symbol, listener: (...args: any[]) => void): this {
    super.on(event, listener);
    if (event === "data") this.#incoming.listen();
    return this;
  }

  /** A client that is gone looks like one that has said all, at first: Node ends the stream of bytes in both cases. */
  protected override lost(ticks: number): void {
    this.#incoming.end();
    super.lost(ticks);
  }

  protected override gone(): void {
    this.#incoming.drop();
    super.gone();
    this.#closeSoon();
  }

  #closeSoon(): void {
    if (this.#closed) return;
    this.#closed = true;
    defer(this.endpoint.process, () => this.emit("close"));
  }

  #receivedRequest(bytes: Buffer): boolean {
    const request = this.deserialized(bytes);
    if (request === undefined) return true;
    this.request = request.message;
    this.handle();
    return true;
  }

  #emitMessage(bytes: Buffer): void {
    const received = this.deserialized(bytes);
    if (received === undefined) return;
    this.#messages += 1;
    this.emit("data", received.message);
  }
}
