import { EventEmitter } from "node:events";
import { Metadata, status as StatusCode, type StatusObject } from "@grpc/grpc-js";
import type { Timer } from "../../../src/base/ports.js";
import type { Endpoint, EndReason, StreamEnd } from "./endpoint.js";
import { HEADERS_BYTES, type StreamFrame } from "./frames.js";
import { Incoming } from "./incoming.js";
import { Outgoing } from "./outgoing.js";
import { defer, type NetworkProcess } from "./seam.js";
import { copyOf, describe, errorOf, statusOf } from "./status.js";

const LOST: Readonly<Record<EndReason, () => StatusObject>> = {
  dropped: () => statusOf(StatusCode.UNAVAILABLE, "Connection dropped"),
  reset: () => statusOf(StatusCode.UNAVAILABLE, "read ECONNRESET"),
  destroyed: () => statusOf(StatusCode.CANCELLED, "Call cancelled"),
};

/** What a call needs of its channel. */
export interface CallChannel {
  readonly process: NetworkProcess;
  readonly windowBytes: number;
  readonly sendBytesMax: number;
  readonly receiveBytesMax: number;
  /** Attaches the call once there is a connection, or ends it. */
  start(call: ClientCall): void;
  /** Sends a message in a way of its own, or not at all; false: as any other. */
  divert(call: ClientCall, bytes: Buffer): boolean;
}

export interface CallOptions {
  readonly channel: CallChannel;
  readonly path: string;
  readonly metadata: Metadata;
  /** Milliseconds since 1970 by the process's clock. */
  readonly deadline: number;
}

/** One call as its caller has it, from its start to its one status. */
export abstract class ClientCall extends EventEmitter implements StreamEnd {
  readonly path: string;
  protected readonly channel: CallChannel;
  protected readonly outgoing: Outgoing;
  readonly #metadata: Metadata;
  readonly #deadline: number;
  #timer: Timer | undefined;
  #endpoint: Endpoint | undefined;
  #stream = 0;
  #ended = false;

  constructor({ channel, path, metadata, deadline }: CallOptions) {
    super();
    this.channel = channel;
    this.path = path;
    this.#metadata = metadata.clone();
    this.#deadline = deadline;
    this.outgoing = new Outgoing(
      channel.process,
      channel.windowBytes,
      false,
      (bytes) => this.#transmit(bytes),
      () => this.emit("drain"),
    );
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  start(): void {
    this.#startDeadline();
    this.channel.start(this);
  }

  attach(endpoint: Endpoint): void {
    this.#endpoint = endpoint;
    this.#stream = endpoint.openStream(this);
    const timeoutMs = Math.max(0, Math.ceil(this.#deadline - this.channel.process.clock.wallMs()));
    endpoint.send({ kind: "headers", stream: this.#stream, path: this.path, metadata: this.#metadata, timeoutMs }, HEADERS_BYTES);
    this.outgoing.connect();
  }

  cancel(): void {
    this.abort(statusOf(StatusCode.CANCELLED, "Cancelled on client"));
  }

  getPeer(): string {
    return this.#endpoint?.other?.process.name ?? "unknown";
  }

  /** This side ends it: the server is told, the caller a moment later. */
  abort(status: StatusObject): void {
    if (this.#ended) return;
    this.#endpoint?.send({ kind: "cancel", stream: this.#stream });
    this.#close();
    defer(this.channel.process, () => this.finished(status));
  }

  received(frame: StreamFrame): boolean {
    switch (frame.kind) {
      case "message":
        return this.#receivedMessage(frame.bytes);
      case "window":
        this.outgoing.grow(frame.bytes);
        return false;
      case "trailers":
        this.#close();
        this.finished(frame.status);
        return true;
      case "refused":
        this.#close();
        this.finished(statusOf(StatusCode.UNAVAILABLE, "Stream refused by server"));
        return true;
      default:
        return false;
    }
  }

  dropped(why: EndReason): void {
    this.#close();
    this.finished(LOST[why]());
  }

  protected abstract receivedBytes(bytes: Buffer): boolean;

  /** The status, once. */
  protected abstract finished(status: StatusObject): void;

  protected serialized<Message>(serialize: (message: Message) => Uint8Array, message: Message): Buffer | undefined {
    let bytes: Buffer;
    try {
      bytes = copyOf(serialize(message));
    } catch (thrown) {
      this.abort(statusOf(StatusCode.INTERNAL, `Request message serialization failure: ${describe(thrown)}`));
      return undefined;
    }
    const { sendBytesMax } = this.channel;
    if (bytes.length <= sendBytesMax) return bytes;
    this.abort(statusOf(StatusCode.RESOURCE_EXHAUSTED, `Attempted to send message with a size larger than ${sendBytesMax}`));
    return undefined;
  }

  protected halfClose(): void {
    this.outgoing.end(() => this.#endpoint?.send({ kind: "half-close", stream: this.#stream }));
  }

  protected grant(bytes: number): void {
    this.#endpoint?.send({ kind: "window", stream: this.#stream, bytes });
  }

  #receivedMessage(bytes: Buffer): boolean {
    const { receiveBytesMax } = this.channel;
    if (bytes.length <= receiveBytesMax) return this.receivedBytes(bytes);
    this.abort(statusOf(StatusCode.RESOURCE_EXHAUSTED, `Received message larger than max (${bytes.length} vs ${receiveBytesMax})`));
    return true;
  }

  #transmit(bytes: Buffer): void {
    if (!this.channel.divert(this, bytes)) this.#endpoint?.send({ kind: "message", stream: this.#stream, bytes }, bytes.length + 1);
    // What went another way takes nothing of the window.
    else defer(this.channel.process, () => this.outgoing.grow(bytes.length));
  }

  #startDeadline(): void {
    if (this.#deadline === Number.POSITIVE_INFINITY) return;
    const { clock } = this.channel.process;
    const timeoutMs = this.#deadline - clock.wallMs();
    const overdue = (): void => {
      const waited = this.#endpoint === undefined ? ",Waiting for LB pick" : "";
      this.abort(statusOf(StatusCode.DEADLINE_EXCEEDED, `Deadline exceeded after ${(Math.max(0, timeoutMs) / 1_000).toFixed(3)}s${waited}`));
    };
    if (timeoutMs <= 0) defer(this.channel.process, overdue);
    else this.#timer = clock.after(timeoutMs, overdue);
  }

  #close(): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.outgoing.drop();
    this.#endpoint?.forget(this.#stream);
  }

  /** Without having been attached: there is no connection. */
  fail(status: StatusObject): void {
    if (this.#ended) return;
    this.#close();
    this.finished(status);
  }
}

type Answered<Response> = (error: ReturnType<typeof errorOf> | null, response?: Response) => void;

export class UnaryClientCall<Request, Response> extends ClientCall {
  readonly #deserialize: (bytes: Buffer) => Response;
  readonly #answered: Answered<Response>;
  #response: { readonly message: Response } | undefined;

  constructor(
    options: CallOptions,
    serialize: (message: Request) => Uint8Array,
    deserialize: (bytes: Buffer) => Response,
    argument: Request,
    answered: Answered<Response>,
  ) {
    super(options);
    this.#deserialize = deserialize;
    this.#answered = answered;
    this.start();
    const bytes = this.serialized(serialize, argument);
    if (bytes === undefined) return;
    this.outgoing.write(bytes, undefined);
    this.halfClose();
  }

  protected override receivedBytes(bytes: Buffer): boolean {
    try {
      this.#response = { message: this.#deserialize(bytes) };
      return false;
    } catch (thrown) {
      this.abort(statusOf(StatusCode.INTERNAL, `Response message parsing error: ${describe(thrown)}`));
      return true;
    }
  }

  protected override finished(status: StatusObject): void {
    if (status.code !== StatusCode.OK) this.#answered(errorOf(status));
    else if (this.#response === undefined) this.#answered(errorOf({ ...status, code: StatusCode.UNIMPLEMENTED, details: "No message received" }));
    else this.#answered(null, this.#response.message);
    this.emit("status", status);
  }
}

/** Of a stream of answers, and with `serialize` of one both ways. */
export class StreamClientCall<Request, Response> extends ClientCall {
  readonly #serialize: (message: Request) => Uint8Array;
  readonly #incoming: Incoming;

  constructor(
    options: CallOptions,
    serialize: (message: Request) => Uint8Array,
    deserialize: (bytes: Buffer) => Response,
    argument?: { readonly message: Request },
  ) {
    super(options);
    this.#serialize = serialize;
    this.#incoming = new Incoming({
      process: options.channel.process,
      windowBytes: options.channel.windowBytes,
      emit: (bytes) => this.#emitMessage(deserialize, bytes),
      emitEnd: () => this.emit("end"),
      grant: (bytes) => this.grant(bytes),
    });
    this.start();
    if (argument === undefined) return;
    this.write(argument.message);
    this.halfClose();
  }

  write(message: Request, done?: (error?: Error | null) => void): boolean {
    const bytes = this.isEnded ? copyOf(NOTHING) : this.serialized(this.#serialize, message);
    return bytes === undefined ? true : this.outgoing.write(bytes, done);
  }

  end(): void {
    this.halfClose();
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

  protected override receivedBytes(bytes: Buffer): boolean {
    return this.#incoming.push(bytes);
  }

  /** As grpc-js: an error overtakes messages that were not read yet, the good end does not. */
  protected override finished(status: StatusObject): void {
    if (status.code === StatusCode.OK) this.#incoming.end();
    else {
      this.#incoming.endNow();
      this.emit("error", errorOf(status));
    }
    this.emit("status", status);
  }

  #emitMessage(deserialize: (bytes: Buffer) => Response, bytes: Buffer): void {
    let message: Response;
    try {
      message = deserialize(bytes);
    } catch (thrown) {
      this.abort(statusOf(StatusCode.INTERNAL, `Response message parsing error: ${describe(thrown)}`));
      return;
    }
    this.emit("data", message);
  }
}

const NOTHING = new Uint8Array();

export const noMetadata = (): Metadata => new Metadata();
