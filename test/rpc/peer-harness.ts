/** Brokers' links over real loopback gRPC, and a proxy between them that can hold everything back. */
import assert from "node:assert/strict";
import net from "node:net";
import * as grpc from "@grpc/grpc-js";
import { QuireError } from "../../src/base/errors.js";
import { type NodeId, nodeId } from "../../src/base/ids.js";
import type { Logger } from "../../src/base/ports.js";
import { systemClock, systemRandom } from "../../src/base/system-ports.js";
import type { Leadership } from "../../src/cluster/view.js";
import type { ReplicaEnvelope } from "../../src/replica/types.js";
import { PeerNetwork } from "../../src/rpc/peer-network.js";
import { type PeerTiming, peerService, peerTimingOf } from "../../src/rpc/peer-protocol.js";
import { createPeerHandlers } from "../../src/rpc/peer-service.js";
import { WideServer } from "../../src/rpc/wide-server.js";
import { peerServerOptions } from "../../src/wire/channel-options.js";
import { dial } from "../../src/wire/grpc-channel.js";

export const CLUSTER = "c1";
export const quickTiming: PeerTiming = {
  heartbeatMs: 20,
  bulkHeartbeatMs: 100,
  silentMs: 150,
  cutMs: 10_000,
  handshakeMs: 500,
  backoffMsMin: 10,
  backoffMsMax: 50,
};

export async function until(condition: () => boolean, what: string, timeoutMs = 5_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export interface TestBroker {
  readonly node: NodeId;
  readonly address: string;
  readonly network: PeerNetwork;
  /** `up 2 incarnation`, `down 2 why`, in order. */
  readonly links: string[];
  readonly received: ReplicaEnvelope[];
  readonly leaderships: { readonly from: number; readonly full: boolean; readonly list: readonly Leadership[] }[];
  readonly warnings: string[];
  /** Ends the process, as it were: sockets closed, nothing said. */
  kill(): Promise<void>;
}

export interface TestBrokerOptions {
  readonly clusterId?: string;
  readonly incarnation?: string;
  readonly port?: number;
  readonly timing?: PeerTiming;
}

const brokers = new Set<TestBroker>();
/** After each test. */
export async function killAll(): Promise<void> {
  for (const broker of brokers) await broker.kill();
}

export async function startBroker(id: number, options: TestBrokerOptions = {}): Promise<TestBroker> {
  const node = nodeId(id);
  const links: string[] = [];
  const received: ReplicaEnvelope[] = [];
  const leaderships: TestBroker["leaderships"][number][] = [];
  const warnings: string[] = [];
  const network = new PeerNetwork({
    self: { nodeId: node, clusterId: options.clusterId ?? CLUSTER, incarnation: options.incarnation ?? `i${id}` },
    events: {
      onMessage: (_from, envelope) => received.push(envelope),
      onPeerUp: (peer, incarnation) => links.push(`up ${peer} ${incarnation}`),
      onPeerDown: (peer, why) => links.push(`down ${peer} ${why}`),
      onLeaderships: (from, _incarnation, list, full) => leaderships.push({ from, full, list }),
    },
    dial,
    clock: systemClock,
    random: systemRandom,
    logger: recordingLogger(warnings),
    timing: options.timing ?? peerTimingOf({ heartbeatMs: 100, electionTimeoutMs: 1_000 }),
  });
  const server = new WideServer(peerServerOptions);
  const refuse = (): never => {
    throw new QuireError("NOT_READY", "not under test");
  };
  server.addService(
    peerService,
    createPeerHandlers({
      formation: { onProbe: refuse, onFound: refuse },
      network: () => network,
      admin: () => undefined,
      controllerPeerAddress: () => undefined,
      peers: { forwardRegister: refuse },
    }),
  );
  const port = await listen(server, options.port ?? 0);
  const broker: TestBroker = {
    node,
    address: `127.0.0.1:${port}`,
    network,
    links,
    received,
    leaderships,
    warnings,
    async kill() {
      if (!brokers.delete(broker)) return;
      network.stop();
      server.forceShutdown();
    },
  };
  brokers.add(broker);
  return broker;
}

export const listen = (server: grpc.Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });

function recordingLogger(warnings: string[]): Logger {
  const logger: Logger = {
    debug() {},
    info() {},
    warn: (fields, message) => warnings.push(`${message}: ${JSON.stringify(fields)}`),
    error: (fields, message) => warnings.push(`${message}: ${JSON.stringify(fields)}`),
    child: () => logger,
  };
  return logger;
}

/** Makes each the others' peer and waits until all links are up. */
export async function connect(...all: readonly TestBroker[]): Promise<void> {
  const peers = all.map((broker) => ({ nodeId: broker.node, address: broker.address }));
  for (const broker of all) broker.network.setPeers(peers);
  await until(() => all.every((broker) => all.every((other) => other === broker || broker.network.isUp(other.node))), "all links are up");
}

export interface Proxy {
  readonly address: string;
  /** Connections made through it so far. */
  readonly connections: () => number;
  /** While held, no byte passes, either way, and connections stay open: as when the other process is stopped. */
  hold(isHeld: boolean): void;
  close(): void;
}

export async function startProxy(target: string): Promise<Proxy> {
  const sockets = new Set<net.Socket>();
  const [host, port] = target.split(":") as [string, string];
  let isHeld = false;
  let connections = 0;
  const server = net.createServer((near) => {
    connections += 1;
    const far = net.connect(Number(port), host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes) => to.write(bytes));
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      if (isHeld) from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    connections: () => connections,
    hold(held) {
      isHeld = held;
      for (const socket of sockets) held ? socket.pause() : socket.resume();
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
