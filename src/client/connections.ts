/** One channel per broker and purpose, made when first needed. Bulk that is read does not delay what is written, nor the other way round. */
import type { ChannelOptions } from "@grpc/grpc-js";
import { QuireError } from "../base/errors.js";
import { clientChannelOptions } from "../wire/channel-options.js";
import type { Channel } from "../wire/transport.js";
import type { ClientOptions } from "./options.js";
import type { ClientPorts } from "./ports.js";

export type Purpose = "control" | "write" | "read";

/** A broker that cannot be connected to for so long is given up. A unary call has others to ask; a stream is for one leader. */
const CONNECT_MS_MAX: Readonly<Record<Purpose, number>> = { control: 2_000, write: 5_000, read: 5_000 };

export type ConnectionOptions = Pick<ClientOptions, "keepaliveTimeMs" | "keepaliveTimeoutMs">;

export class Connections {
  readonly #options: ConnectionOptions;
  readonly #ports: Pick<ClientPorts, "clock" | "dial">;
  readonly #channels = new Map<string, Channel>();
  #closed = false;

  constructor(options: ConnectionOptions, ports: Pick<ClientPorts, "clock" | "dial">) {
    this.#options = options;
    this.#ports = ports;
  }

  /**
   * Resolves with the channel once its connection stands, so that a request that fails before was certainly not sent.
   *
   * @throws QuireError BROKER_UNREACHABLE at the first failure to connect, while the channel goes on trying by itself; CANCELLED once closed
   */
  async ready(address: string, purpose: Purpose, withinMs: number = Number.POSITIVE_INFINITY): Promise<Channel> {
    const channel = this.#channel(address, purpose);
    try {
      await channel.ready(this.#ports.clock.wallMs() + Math.min(withinMs, CONNECT_MS_MAX[purpose]));
    } catch (thrown) {
      throw this.#closed ? closedError() : thrown;
    }
    return channel;
  }

  /** Closes the channels to addresses that are not wanted any more. */
  retain(addresses: ReadonlySet<string>): void {
    for (const [key, channel] of this.#channels) {
      if (addresses.has(key.slice(key.indexOf(" ") + 1))) continue;
      channel.close();
      this.#channels.delete(key);
    }
  }

  close(): void {
    this.#closed = true;
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #channel(address: string, purpose: Purpose): Channel {
    if (this.#closed) throw closedError();
    const key = `${purpose} ${address}`;
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = this.#ports.dial(address, this.#channelOptions());
      this.#channels.set(key, channel);
    }
    return channel;
  }

  #channelOptions(): ChannelOptions {
    return {
      ...clientChannelOptions,
      "grpc.keepalive_time_ms": this.#options.keepaliveTimeMs,
      "grpc.keepalive_timeout_ms": this.#options.keepaliveTimeoutMs,
      // Channels with equal options share a connection unless told not to.
      "grpc.use_local_subchannel_pool": 1,
    };
  }
}

export const closedError = (): QuireError => new QuireError("CANCELLED", "the client was closed; connect again");
