import { ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { QuireError } from "../base/errors.js";
import type { Clock } from "../base/ports.js";
import { peerService } from "../rpc/peer-protocol.js";
import { createPeerHandlers, type PeerServiceOptions } from "../rpc/peer-service.js";
import { peerServerOptions } from "../wire/channel-options.js";
import type { CreateServer, RpcServer } from "../wire/transport.js";

/** The server that other brokers talk to. It listens before there is a cluster: founders must find each other. */
export class PeerServer {
  readonly #server: RpcServer;
  readonly #clock: Clock;

  constructor(options: PeerServiceOptions, createServer: CreateServer, clock: Clock) {
    this.#server = createServer(peerServerOptions);
    this.#clock = clock;
    this.#server.addService(peerService, createPeerHandlers(options) as unknown as UntypedServiceImplementation);
  }

  /** @throws QuireError INVALID_SETTING when the address cannot be had */
  async start(listen: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(listen, ServerCredentials.createInsecure(), (cause) => {
        if (cause === null) resolve();
        else
          reject(
            new QuireError("INVALID_SETTING", `cannot listen for brokers at ${listen}: ${cause.message}; choose another address (peerListen)`, {
              details: { listen },
              cause,
            }),
          );
      });
    });
  }

  async stop(graceMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(graceMs, () => this.#server.forceShutdown());
      this.#server.tryShutdown(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
