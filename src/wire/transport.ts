/**
 * The network port: how this process calls others and is called. `grpc-channel.ts` and `rpc/wide-server.ts` are the adapters for a
 * real network; the simulation has its own. Both move the same serialized messages.
 */
import type { ChannelOptions, Client, Server } from "@grpc/grpc-js";

/** What calls are made on. */
export type Caller = Pick<Client, "makeUnaryRequest" | "makeServerStreamRequest" | "makeBidiStreamRequest">;

/** The way to one address. It connects by itself when first used, and again after it was lost. */
export interface Channel extends Caller, Pick<Client, "close"> {
  /**
   * Resolves once the connection stands, so that a request that failed before was certainly not sent.
   *
   * @param deadline milliseconds since 1970, by gRPC's own clock
   * @throws QuireError BROKER_UNREACHABLE at the first failure to connect, while the channel goes on trying; CANCELLED when it was closed
   */
  ready(deadline: number): Promise<void>;
}

/** `address` is `host:port`. Nothing is sent before the first call. */
export type Dial = (address: string, options: ChannelOptions) => Channel;

/** What of a gRPC server is used. */
export type RpcServer = Pick<Server, "addService" | "bindAsync" | "tryShutdown" | "forceShutdown">;

export type CreateServer = (options: ChannelOptions) => RpcServer;
