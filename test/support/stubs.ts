/** Clients made from the `.proto` files alone, as a program in any language would: none of this project's codecs. */
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { QuireError, type Reason } from "../../src/base/errors.js";
import { protoRoot, publicProtoFiles } from "../../src/wire/proto-root.js";
import { fromGrpcError } from "../../src/wire/status.js";

const definitions = grpc.loadPackageDefinition(
  loadSync([...publicProtoFiles, "google/rpc/error_details.proto"], { includeDirs: [protoRoot], longs: Number, enums: Number, defaults: true, oneofs: true }),
);

/** A message as proto-loader gives it: tests know what is in it. */
// biome-ignore lint/suspicious/noExplicitAny: generated stubs have no types, and naming each message again would test nothing.
export type Message = any;

interface StubClient extends grpc.Client {
  [method: string]: Message;
}

export class Stubs {
  readonly #clients = new Map<string, StubClient>();
  readonly #address: string;
  readonly #options: grpc.ChannelOptions;

  constructor(address: string, options: grpc.ChannelOptions = {}) {
    this.#address = address;
    this.#options = options;
  }

  /** Calls a unary method; `name` is `Service.Method`. Rejects with a QuireError read from the status. */
  ask(name: string, request: Message, options: { metadata?: Record<string, string>; deadlineMs?: number; signal?: AbortSignal } = {}): Promise<Message> {
    const [service = "", method = ""] = name.split(".");
    const metadata = new grpc.Metadata();
    for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
    const callOptions = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
    return new Promise((resolve, reject) => {
      const call = this.#client(service)[method](request, metadata, callOptions, (error: grpc.ServiceError | null, response: Message) => {
        if (error === null) resolve(response);
        else reject(fromGrpcError(error));
      });
      options.signal?.addEventListener("abort", () => call.cancel());
    });
  }

  /** Opens a stream; `request` for one that takes a single one. */
  open(name: string, request?: Message): Stream {
    const [service = "", method = ""] = name.split(".");
    const client = this.#client(service);
    return new Stream(request === undefined ? client[method]() : client[method](request));
  }

  /** Opens a stream both ways whose messages are bytes as given. */
  openRaw(path: string): Stream {
    const raw = (bytes: Buffer): Buffer => bytes;
    return new Stream(this.#client("ProduceService").makeBidiStreamRequest(path, raw, raw));
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  #client(service: string): StubClient {
    let client = this.#clients.get(service);
    if (client === undefined) {
      const made = service.split("/").reduce((scope, part) => scope[part], (definitions as Message).quire.v1);
      client = new made(this.#address, grpc.credentials.createInsecure(), this.#options) as StubClient;
      this.#clients.set(service, client);
    }
    return client;
  }
}

/** A client's end of a stream, with what came so far. */
export class Stream {
  readonly call: grpc.ClientDuplexStream<Message, Message>;
  readonly received: Message[] = [];
  /** How it ended: "ok", or the error. */
  ended: "ok" | QuireError | undefined;
  #taken = 0;
  #wake: () => void = () => {};

  constructor(call: grpc.ClientDuplexStream<Message, Message>) {
    this.call = call;
    call.on("data", (message: Message) => {
      this.received.push(message);
      this.#wake();
    });
    call.on("error", (error: grpc.ServiceError) => this.#end(fromGrpcError(error)));
    call.on("status", ({ code }: grpc.StatusObject) => code === 0 && this.#end("ok"));
  }

  send(message: Message): void {
    this.call.write(message);
  }

  /** The next message that is no heartbeat. Fails when the stream ends or nothing comes. */
  async next(): Promise<Message> {
    for (;;) {
      await this.until(() => this.received.length > this.#taken || this.ended !== undefined);
      const message = this.received[this.#taken++];
      if (message === undefined) throw new Error(`the stream ended: ${String(this.ended)}`);
      if (message.step !== "heartbeat" && message.change !== "heartbeat") return message;
    }
  }

  /** How the stream ends, which must be for this reason. */
  async endsWith(reason: Reason | "ok"): Promise<QuireError | undefined> {
    await this.until(() => this.ended !== undefined);
    const { ended } = this;
    const how = ended instanceof QuireError ? ended.reason : ended;
    if (how !== reason) throw new Error(`the stream ended with ${String(how)}, not ${reason}: ${String(ended)}`);
    return ended instanceof QuireError ? ended : undefined;
  }

  async until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
    const endMs = Date.now() + timeoutMs;
    while (!condition()) {
      if (Date.now() > endMs) throw new Error(`nothing happened within ${timeoutMs} ms: ${condition.toString()}; received ${this.received.length}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 20);
      });
    }
  }

  #end(how: "ok" | QuireError): void {
    this.ended ??= how;
    this.#wake();
  }
}

/** Waits for a condition that no stream tells. */
export async function until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`not reached within ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until a count no longer rises: until it was the same for ten looks in a row. */
export async function stalls(count: () => number): Promise<void> {
  for (let last = count(), same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    same = count() === last ? same + 1 : 0;
    last = count();
  }
}
