/** A service for tests: text in, text out, and what was seen on both sides. */
import { Metadata, type MethodDefinition, ServerCredentials, type ServiceError, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { QuireError } from "../../../src/base/errors.js";
import { limits } from "../../../src/base/limits.js";
import { MalformedRequest } from "../../../src/wire/method.js";
import { fromGrpcError } from "../../../src/wire/status.js";
import type { Channel, RpcServer } from "../../../src/wire/transport.js";
import type { Transport } from "./transports.js";

const read = (bytes: Buffer): string => bytes.toString();
const write = (text: string): Buffer => Buffer.from(text);

function readRequest(bytes: Buffer): unknown {
  const text = read(bytes);
  return text === "malformed" ? new MalformedRequest(new QuireError("INVALID_FIELD", "the request cannot be decoded")) : text;
}

const method = (name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<string, string> => ({
  path: `/test.Echo/${name}`,
  originalName: name.toLowerCase(),
  requestStream,
  responseStream,
  requestSerialize: write,
  requestDeserialize: readRequest as (bytes: Buffer) => string,
  responseSerialize: write,
  responseDeserialize: read,
});

export const echoService = { Ask: method("Ask", false, false), Tell: method("Tell", false, true), Talk: method("Talk", true, true) } as const;

/** What of a call both sides may be watched for. */
export interface Watched {
  // biome-ignore lint/suspicious/noExplicitAny: the signature of EventEmitter
  on(event: string, listener: (...args: any[]) => void): unknown;
}
/** The calls of both transports, as tests use them. */
export interface ClientStream extends Watched {
  write(text: string, done?: () => void): boolean;
  end(): void;
  cancel(): void;
  pause(): unknown;
  resume(): unknown;
}
export interface ServerStream extends Watched {
  readonly request: string;
  write(text: string, done?: () => void): boolean;
  end(): void;
  emit(event: "error", error: ServiceError): boolean;
  pause(): unknown;
  resume(): unknown;
}
export interface ServerAsk extends Watched {
  readonly request: string;
  readonly metadata: Metadata;
  getDeadline(): number;
}
export interface EchoHandlers {
  ask?(call: ServerAsk, answer: (error: unknown, text?: string) => void): void;
  tell?(call: ServerStream): void;
  talk?(call: ServerStream): void;
}

/** One client and one server of the echo service. */
export class Echo {
  readonly server: RpcServer;
  readonly channel: Channel;
  readonly port: number;
  /** What each side saw, in its order. */
  readonly client: string[] = [];
  readonly atServer: string[] = [];
  /** Set by handlers that answer when the test says so. */
  finish = (): void => {};

  constructor(server: RpcServer, channel: Channel, port: number) {
    this.server = server;
    this.channel = channel;
    this.port = port;
  }

  static async start(transport: Transport, handlers: EchoHandlers, options: object = {}): Promise<Echo> {
    const server = transport.createServer({ "grpc.max_receive_message_length": limits.requestBytes });
    server.addService(echoService, handlers as unknown as UntypedServiceImplementation);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(transport.listen, ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)));
    });
    const channel = transport.dial(await transport.reach(port), {
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 500,
      "grpc.enable_retries": 0,
      "grpc.use_local_subchannel_pool": 1,
      ...options,
    });
    return new Echo(server, channel, port);
  }

  ask(text: string, options: { deadline?: number; signal?: AbortSignal; path?: string; metadata?: Metadata } = {}): Promise<string> {
    return new Promise((resolve) => {
      const { path = echoService.Ask.path, metadata = new Metadata(), deadline } = options;
      const call = this.channel.makeUnaryRequest(path, write, read, text, metadata, deadline === undefined ? {} : { deadline }, (error, answer) =>
        resolve(error === null ? `answer ${answer}` : described(error)),
      );
      options.signal?.addEventListener("abort", () => call.cancel());
    });
  }

  talk(): ClientStream {
    return this.#watched(this.channel.makeBidiStreamRequest(echoService.Talk.path, write, read, new Metadata(), {}) as unknown as ClientStream);
  }

  tell(text: string): ClientStream {
    return this.#watched(this.channel.makeServerStreamRequest(echoService.Tell.path, write, read, text, new Metadata(), {}) as unknown as ClientStream);
  }

  watchServer(call: Watched, events: readonly string[] = ["data", "end", "error", "cancelled"]): void {
    for (const event of events) call.on(event, (what: unknown) => this.atServer.push(event === "data" ? `data ${what}` : event));
  }

  stop(): void {
    this.channel.close();
    this.server.forceShutdown();
  }

  #watched(call: ClientStream): ClientStream {
    call.on("data", (text: string) => this.client.push(`data ${text}`));
    call.on("error", (error: ServiceError) => this.client.push(`error ${described(error)}`));
    call.on("status", ({ code }: { code: number }) => this.client.push(`status ${code}`));
    call.on("end", () => this.client.push("end"));
    return call;
  }
}

/** Code, reason and words, without what differs by address, duration or errno. */
export function described(error: ServiceError): string {
  const { reason } = fromGrpcError(error);
  const details = error.details.replace(/^(No connection established).*/, "$1").replace(/^(Deadline exceeded).*/, "$1");
  return `${error.code} ${reason} ${details}`;
}

/** Waits until `isTrue`, at most for about 20 s. */
export async function until(transport: Transport, isTrue: () => boolean): Promise<void> {
  for (let waitedMs = 0; !isTrue() && waitedMs < 20_000; waitedMs += 5) await transport.wait(5);
}
