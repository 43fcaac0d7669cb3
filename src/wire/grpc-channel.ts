import * as grpc from "@grpc/grpc-js";
import { QuireError } from "../base/errors.js";
import type { Channel, Dial } from "./transport.js";

const { READY, SHUTDOWN, TRANSIENT_FAILURE } = grpc.connectivityState;

/** A channel over a real network. */
class GrpcChannel extends grpc.Client implements Channel {
  readonly #address: string;

  constructor(address: string, options: grpc.ChannelOptions) {
    super(address, grpc.credentials.createInsecure(), options);
    this.#address = address;
  }

  async ready(deadline: number): Promise<void> {
    const channel = this.getChannel();
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === READY) return;
      if (state === SHUTDOWN) throw new QuireError("CANCELLED", "the channel was closed");
      if (state === TRANSIENT_FAILURE) throw unreachable(this.#address, "the connection was refused or lost");
      await new Promise<void>((resolve, reject) => {
        channel.watchConnectivityState(state, deadline, (error) => {
          if (error === undefined || error === null) resolve();
          else reject(unreachable(this.#address, "no connection came about in time"));
        });
      });
    }
  }
}

export const dial: Dial = (address, options) => new GrpcChannel(address, options);

const unreachable = (address: string, why: string): QuireError =>
  new QuireError("BROKER_UNREACHABLE", `broker at ${address} cannot be reached: ${why}`, { details: { address } });
