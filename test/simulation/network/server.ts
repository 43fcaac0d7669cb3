import type { ChannelOptions, ServerCredentials, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { status as StatusCode } from "@grpc/grpc-js";
import type { RpcServer } from "../../../src/wire/transport.js";
import type { Endpoint, EndpointOwner, HeadersFrame } from "./endpoint.js";
import { HEADERS_BYTES } from "./frames.js";
import { defer, type NetworkProcess } from "./seam.js";
import { type Handler, type Method, type ServerCall, StreamServerCall, UnaryServerCall } from "./server-call.js";
import { describe, statusOf } from "./status.js";

/** What a server needs of the network. */
export interface ServerNetwork {
  readonly windowBytes: number;
  /** The port. @throws Error when the address cannot be had */
  listen(process: NetworkProcess, address: string, server: SimServer): number;
  unlisten(server: SimServer): void;
  callBegan(call: ServerCall): void;
  callEnded(call: ServerCall): void;
}

const RECEIVE_BYTES_MAX = 4 * 1024 * 1024;

const bytesMax = (given: unknown, otherwise: number): number => (typeof given === "number" && given >= 0 ? given : otherwise);

/** A server of one process, as `src/rpc/wide-server.ts` makes it: malformed requests never reach a handler. */
export class SimServer implements EndpointOwner, RpcServer {
  readonly process: NetworkProcess;
  readonly #network: ServerNetwork;
  readonly #options: ChannelOptions;
  readonly #methods = new Map<string, { readonly method: Method; readonly handler: Handler }>();
  readonly #endpoints = new Set<Endpoint>();
  readonly #whenEmpty: (() => void)[] = [];
  #shutdown = false;

  constructor(process: NetworkProcess, network: ServerNetwork, options: ChannelOptions) {
    this.process = process;
    this.#network = network;
    this.#options = options;
  }

  addService(service: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    for (const [name, method] of Object.entries(service)) {
      const handler = implementation[name] ?? implementation[method.originalName ?? name];
      if (handler === undefined) continue;
      if (method.requestStream && !method.responseStream) throw new Error(`${method.path}: the simulation has no streams of requests with one answer`);
      if (this.#methods.has(method.path)) throw new Error(`Method handler for ${method.path} already provided.`);
      this.#methods.set(method.path, { method: method as Method, handler: handler.bind(implementation) as unknown as Handler });
    }
  }

  bindAsync(address: string, _credentials: ServerCredentials, bound: (error: Error | null, port: number) => void): void {
    let port = 0;
    let error: Error | null = null;
    try {
      port = this.#network.listen(this.process, address, this);
    } catch (thrown) {
      error = new Error(describe(thrown));
    }
    defer(this.process, () => bound(error, port));
  }

  /** Takes no new calls; `done` when those under way have ended and all connections are closed. */
  tryShutdown(done: (error?: Error) => void): void {
    this.#network.unlisten(this);
    this.#shutdown = true;
    this.#whenEmpty.push(() => defer(this.process, () => done()));
    for (const endpoint of [...this.#endpoints]) {
      endpoint.send({ kind: "go-away" });
      endpoint.closeWhenIdle();
    }
    this.#doneIfEmpty();
  }

  forceShutdown(): void {
    this.#network.unlisten(this);
    this.#shutdown = true;
    for (const endpoint of [...this.#endpoints]) endpoint.cut("destroy");
  }

  /** A connection came. */
  accept(endpoint: Endpoint): void {
    this.#endpoints.add(endpoint);
  }

  onHeaders(endpoint: Endpoint, frame: HeadersFrame): boolean {
    const { stream, path } = frame;
    if (this.#shutdown) {
      endpoint.send({ kind: "refused", stream });
      return false;
    }
    const found = this.#methods.get(path);
    if (found === undefined) {
      const status = statusOf(StatusCode.UNIMPLEMENTED, `The server does not implement the method ${path}`);
      endpoint.send({ kind: "trailers", stream, status }, HEADERS_BYTES);
      return false;
    }
    const { method, handler } = found;
    const options = {
      endpoint,
      frame,
      method,
      handler,
      windowBytes: this.#network.windowBytes,
      sendBytesMax: bytesMax(this.#options["grpc.max_send_message_length"], Number.POSITIVE_INFINITY),
      receiveBytesMax: bytesMax(this.#options["grpc.max_receive_message_length"], RECEIVE_BYTES_MAX),
      ended: (call: ServerCall) => this.#network.callEnded(call),
    };
    const call = method.requestStream || method.responseStream ? new StreamServerCall(options) : new UnaryServerCall(options);
    if (!call.isOver) this.#network.callBegan(call);
    return method.requestStream;
  }

  onGoAway(): void {}

  onPong(): void {}

  onClosed(endpoint: Endpoint): void {
    this.#endpoints.delete(endpoint);
    this.#doneIfEmpty();
  }

  #doneIfEmpty(): void {
    if (this.#endpoints.size > 0) return;
    for (const done of this.#whenEmpty.splice(0)) done();
  }
}
