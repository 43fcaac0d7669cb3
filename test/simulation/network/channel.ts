import { type ChannelOptions, type Metadata, status as StatusCode } from "@grpc/grpc-js";
import { QuireError } from "../../../src/base/errors.js";
import type { Timer } from "../../../src/base/ports.js";
import { type CallChannel, type ClientCall, noMetadata, StreamClientCall, UnaryClientCall } from "./client-call.js";
import type { Endpoint, EndpointOwner } from "./endpoint.js";
import type { NetworkChance, NetworkProcess } from "./seam.js";
import { defer } from "./seam.js";
import { type errorOf, statusOf } from "./status.js";

/** What a channel needs of the network. */
export interface ChannelNetwork {
  readonly windowBytes: number;
  readonly chance: NetworkChance;
  /** `done` once, or never: with this side of a connection, or why there is none. */
  connect(process: NetworkProcess, address: string, owner: EndpointOwner, done: (result: Endpoint | string) => void): void;
  divert(call: ClientCall, bytes: Buffer): boolean;
}

type State = "idle" | "connecting" | "ready" | "failed" | "shutdown";
type Serialize<Request> = (message: Request) => Uint8Array;
type Deserialize<Response> = (bytes: Buffer) => Response;

const RECEIVE_BYTES_MAX = 4 * 1024 * 1024;
const BACKOFF_FACTOR = 1.6;
const BACKOFF_JITTER = 0.2;

/**
 * The way to one address, with the states of a grpc-js channel that picks the first address: idle until used, and again after its connection
 * was lost; once connecting has failed it stays failed, and goes on trying, until a connection stands.
 */
export class SimChannel implements CallChannel, EndpointOwner {
  readonly process: NetworkProcess;
  readonly windowBytes: number;
  readonly sendBytesMax: number;
  readonly receiveBytesMax: number;
  readonly #address: string;
  readonly #network: ChannelNetwork;
  readonly #backoffMs: { readonly min: number; readonly max: number };
  readonly #keepalive: { readonly afterMs: number; readonly timeoutMs: number };
  #state: State = "idle";
  #endpoint: Endpoint | undefined;
  #waiting: ClientCall[] = [];
  #watchers: (() => void)[] = [];
  #lastError = "";
  #failures = 0;
  #attempt = 0;
  #backoff: Timer | undefined;
  #keepaliveTimer: Timer | undefined;
  /** The time for a ping came while there was no call. */
  #pingsNext = false;

  constructor(process: NetworkProcess, network: ChannelNetwork, address: string, options: ChannelOptions) {
    this.process = process;
    this.windowBytes = network.windowBytes;
    this.sendBytesMax = options["grpc.max_send_message_length"] ?? Number.POSITIVE_INFINITY;
    this.receiveBytesMax = options["grpc.max_receive_message_length"] ?? RECEIVE_BYTES_MAX;
    this.#address = address;
    this.#network = network;
    this.#backoffMs = { min: options["grpc.initial_reconnect_backoff_ms"] ?? 1_000, max: options["grpc.max_reconnect_backoff_ms"] ?? 120_000 };
    this.#keepalive = { afterMs: options["grpc.keepalive_time_ms"] ?? 0, timeoutMs: options["grpc.keepalive_timeout_ms"] ?? 20_000 };
  }

  makeUnaryRequest<Request, Response>(
    path: string,
    serialize: Serialize<Request>,
    deserialize: Deserialize<Response>,
    argument: Request,
    metadata: Metadata,
    options: { readonly deadline?: Date | number },
    callback: (error: ReturnType<typeof errorOf> | null, response?: Response) => void,
  ): UnaryClientCall<Request, Response> {
    return new UnaryClientCall(this.#call(path, metadata, options), serialize, deserialize, argument, callback);
  }

  makeServerStreamRequest<Request, Response>(
    path: string,
    serialize: Serialize<Request>,
    deserialize: Deserialize<Response>,
    argument: Request,
    metadata?: Metadata,
    options?: { readonly deadline?: Date | number },
  ): StreamClientCall<Request, Response> {
    return new StreamClientCall(this.#call(path, metadata, options), serialize, deserialize, { message: argument });
  }

  makeBidiStreamRequest<Request, Response>(
    path: string,
    serialize: Serialize<Request>,
    deserialize: Deserialize<Response>,
    metadata?: Metadata,
    options?: { readonly deadline?: Date | number },
  ): StreamClientCall<Request, Response> {
    return new StreamClientCall(this.#call(path, metadata, options), serialize, deserialize);
  }

  close(): void {
    if (this.#state === "shutdown") return;
    this.#backoff?.cancel();
    this.#attempt += 1;
    this.#enter("shutdown");
    for (const call of this.#waiting.splice(0)) this.#failSoon(call, "Channel closed before call started");
    this.#endpoint?.closeWhenIdle();
  }

  async ready(deadline: number): Promise<void> {
    for (;;) {
      if (this.#state === "idle") this.#connect();
      if (this.#state === "ready") return;
      if (this.#state === "shutdown") throw new QuireError("CANCELLED", "the channel was closed");
      if (this.#state === "failed") throw unreachable(this.#address, "the connection was refused or lost");
      await this.#stateChange(deadline);
    }
  }

  start(call: ClientCall): void {
    switch (this.#state) {
      case "shutdown":
        this.#failSoon(call, "Channel closed before call started");
        return;
      case "failed":
        this.#failSoon(call, this.#noConnection());
        return;
      case "ready":
        if (this.#endpoint !== undefined) this.#attach(call, this.#endpoint);
        return;
      case "idle":
        this.#waiting.push(call);
        this.#connect();
        return;
      case "connecting":
        this.#waiting.push(call);
    }
  }

  divert(call: ClientCall, bytes: Buffer): boolean {
    return this.#network.divert(call, bytes);
  }

  onHeaders(): boolean {
    return false;
  }

  /** Calls under way go on; the next one gets a connection of its own. */
  onGoAway(endpoint: Endpoint): void {
    if (this.#endpoint === endpoint) this.#lost();
    endpoint.closeWhenIdle();
  }

  onClosed(endpoint: Endpoint): void {
    if (this.#endpoint === endpoint) this.#lost();
  }

  onPong(endpoint: Endpoint): void {
    if (this.#endpoint !== endpoint) return;
    this.#keepaliveTimer?.cancel();
    this.#keepaliveTimer = undefined;
    this.#keepAlive(endpoint);
  }

  #call(path: string, metadata: Metadata | undefined, options: { readonly deadline?: Date | number } | undefined) {
    const deadline = options?.deadline === undefined ? Number.POSITIVE_INFINITY : Number(options.deadline);
    return { channel: this, path, metadata: metadata ?? noMetadata(), deadline };
  }

  #attach(call: ClientCall, endpoint: Endpoint): void {
    if (call.isEnded) return;
    call.attach(endpoint);
    this.#keepAlive(endpoint);
  }

  #connect(): void {
    if (this.#state === "idle") this.#enter("connecting");
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#network.connect(this.process, this.#address, this, (result) => {
      if (attempt !== this.#attempt) {
        if (typeof result !== "string") result.cut("reset");
      } else if (typeof result === "string") this.#failed(result);
      else if (result.state !== "open") this.#failed("the connection was lost");
      else this.#connected(result);
    });
  }

  #connected(endpoint: Endpoint): void {
    this.#endpoint = endpoint;
    this.#failures = 0;
    this.#enter("ready");
    for (const call of this.#waiting.splice(0)) this.#attach(call, endpoint);
  }

  #failed(why: string): void {
    this.#lastError = why;
    this.#enter("failed");
    for (const call of this.#waiting.splice(0)) this.#failSoon(call, this.#noConnection());
    const { min, max } = this.#backoffMs;
    const backoffMs = Math.min(max, min * BACKOFF_FACTOR ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    const jitterMs = backoffMs * BACKOFF_JITTER;
    this.#backoff = this.process.clock.after(backoffMs + this.#network.chance.between(-jitterMs, jitterMs), () => this.#connect());
  }

  #lost(): void {
    this.#endpoint = undefined;
    this.#keepaliveTimer?.cancel();
    this.#keepaliveTimer = undefined;
    this.#pingsNext = false;
    if (this.#state === "ready") this.#enter("idle");
  }

  #enter(state: State): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const changed of this.#watchers.splice(0)) changed();
  }

  #stateChange(deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { clock } = this.process;
      const changed = (): void => {
        timer?.cancel();
        resolve();
      };
      const overdue = (): void => {
        this.#watchers = this.#watchers.filter((watcher) => watcher !== changed);
        reject(unreachable(this.#address, "no connection came about in time"));
      };
      const timer = deadline === Number.POSITIVE_INFINITY ? undefined : clock.after(Math.max(0, deadline - clock.wallMs()), overdue);
      this.#watchers.push(changed);
    });
  }

  #noConnection(): string {
    return `No connection established. Last error: ${this.#lastError}`;
  }

  #failSoon(call: ClientCall, details: string): void {
    defer(this.process, () => call.fail(statusOf(StatusCode.UNAVAILABLE, details)));
  }

  /** Pings while there are calls; a ping that is not answered in time ends the connection. */
  #keepAlive(endpoint: Endpoint): void {
    const { afterMs } = this.#keepalive;
    if (afterMs <= 0 || this.#keepaliveTimer !== undefined || endpoint.streams.size === 0) return;
    if (this.#pingsNext) {
      this.#pingsNext = false;
      this.#ping(endpoint);
      return;
    }
    this.#keepaliveTimer = this.process.clock.after(afterMs, () => {
      this.#keepaliveTimer = undefined;
      if (endpoint.streams.size === 0) this.#pingsNext = true;
      else this.#ping(endpoint);
    });
  }

  #ping(endpoint: Endpoint): void {
    endpoint.send({ kind: "ping" });
    this.#keepaliveTimer = this.process.clock.after(this.#keepalive.timeoutMs, () => endpoint.cut("reset"));
  }
}

const unreachable = (address: string, why: string): QuireError =>
  new QuireError("BROKER_UNREACHABLE", `broker at ${address} cannot be reached: ${why}`, { details: { address } });
