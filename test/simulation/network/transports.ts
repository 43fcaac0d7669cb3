/** What scenarios run on: the real transport, and (`lab.ts`) the simulated one. */
import { createServer as createSocketServer } from "node:net";
import { createServer } from "../../../src/rpc/wide-server.js";
import { dial } from "../../../src/wire/grpc-channel.js";
import type { CreateServer, Dial } from "../../../src/wire/transport.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import type { World } from "../kernel/world.js";

export interface Transport {
  readonly dial: Dial;
  readonly createServer: CreateServer;
  readonly wallMs: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** Where a server may bind. */
  readonly listen: string;
  /** Where a client reaches the server that bound a port. */
  readonly reach: (port: number) => Promise<string>;
  /** Where nobody listens. */
  readonly nobody: () => Promise<string>;
  /** Every connection made through `reach` breaks. */
  readonly breakConnections: () => void;
  /** Nothing passes between client and server any more, and nothing is refused; what is sent waits. */
  readonly freeze: () => void;
  readonly thaw: () => void;
}

/** Runs `scenario` on one transport, and takes that down again. */
export type RunOn = <Result>(scenario: (transport: Transport) => Promise<Result>) => Promise<Result>;

export const onGrpc: RunOn = async (scenario) => {
  const proxies: TcpProxy[] = [];
  try {
    return await scenario({
      dial,
      createServer,
      wallMs: () => Date.now(),
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      listen: "127.0.0.1:0",
      reach: async (port) => {
        const proxy = await TcpProxy.start(port);
        proxies.push(proxy);
        return proxy.address;
      },
      nobody: async () => `127.0.0.1:${await closedPort()}`,
      breakConnections: () => {
        for (const proxy of proxies) proxy.drop();
      },
      freeze: () => {
        for (const proxy of proxies) proxy.freeze();
      },
      thaw: () => {
        for (const proxy of proxies) proxy.restore();
      },
    });
  } finally {
    for (const proxy of proxies) await proxy.close();
  }
};

function closedPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createSocketServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Moves the time until `work` is done. */
export async function settledIn<T>(world: World, work: Promise<T>, limitMs = 600_000): Promise<T> {
  let isSettled = false;
  const settled = work.finally(() => {
    isSettled = true;
  });
  settled.catch(() => undefined);
  for (const endMs = world.nowMs + limitMs; !isSettled && world.nowMs < endMs; ) await world.run(world.nowMs + 50);
  if (!isSettled) throw new Error(`not done within ${limitMs} simulated ms`);
  return settled;
}
