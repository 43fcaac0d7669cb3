/** One channel per broker and purpose, made when first needed. Bulk that is read does not delay what is written, nor the other way round. */
import * as grpc from "@grpc/grpc-js";
import { QuireError } from "../base/errors.js";
import type { Clock } from "../base/ports.js";
import { clientChannelOptions } from "../wire/channel-options.js";
import type { ClientOptions } from "./options.js";

export type Purpose = "control" | "write" | "read";

/** A broker that cannot be connected to for so long is given up. A unary call has others to ask; a stream is for one leader. */
const CONNECT_MS_MAX: Readonly<Record<Purpose, number>> = { control: 2_000, write: 5_000, read: 5_000 };

export class Connections {
  readonly #options: ClientOptions;
  readonly #clock: Clock;
  readonly #clients = new Map<string, grpc.Client>();
  #closed = false;

  constructor(options: ClientOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** @throws QuireError CANCELLED once closed */
  client(address: string, purpose: Purpose): grpc.Client {
    if (this.#closed) throw closedError();
    const key = `${purpose} ${address}`;
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = new grpc.Client(address, grpc.credentials.createInsecure(), this.#channelOptions());
      this.#clients.set(key, client);
    }
    return client;
  }

  /**
   * Resolves with the client once its connection stands, so that a request that fails before was certainly not sent.
   *
   * @throws QuireError BROKER_UNREACHABLE at the first failure to connect; the channel goes on trying by itself
   */
  async ready(address: string, purpose: Purpose, withinMs: number = Number.POSITIVE_INFINITY): Promise<grpc.Client> {
    const timeoutMs = Math.min(withinMs, CONNECT_MS_MAX[purpose]);
    const client = this.client(address, purpose);
    const channel = client.getChannel();
    const deadline = this.#clock.wallMs() + timeoutMs;
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === grpc.connectivityState.READY) return client;
      if (state === grpc.connectivityState.SHUTDOWN) throw closedError();
      if (state === grpc.connectivityState.TRANSIENT_FAILURE) throw unreachable(address, "the connection was refused or lost");
      await new Promise<void>((resolve, reject) => {
        channel.watchConnectivityState(state, deadline, (error) => {
          if (error === undefined || error === null) resolve();
          else reject(unreachable(address, `no connection within ${timeoutMs} ms`));
        });
      });
    }
  }

  /** Closes the channels to addresses that are not wanted any more. */
  retain(addresses: ReadonlySet<string>): void {
    for (const [key, client] of this.#clients) {
      if (addresses.has(key.slice(key.indexOf(" ") + 1))) continue;
      client.close();
      this.#clients.delete(key);
    }
  }

  close(): void {
    this.#closed = true;
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #channelOptions(): grpc.ClientOptions {
    return {
      ...clientChannelOptions,
      "grpc.keepalive_time_ms": this.#options.keepaliveTimeMs,
      "grpc.keepalive_timeout_ms": this.#options.keepaliveTimeoutMs,
      // Channels with equal options share a connection unless told not to.
      "grpc.use_local_subchannel_pool": 1,
    };
  }
}

const unreachable = (address: string, why: string): QuireError =>
  new QuireError("BROKER_UNREACHABLE", `broker at ${address} cannot be reached: ${why}`, { details: { address } });

export const closedError = (): QuireError => new QuireError("CANCELLED", "the client was closed; connect again");
