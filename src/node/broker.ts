import type { Logger } from "../base/ports.js";
import { silentLogger } from "../base/silent-logger.js";
import { Formation } from "../cluster/formation.js";
import type { Config } from "../config/settings.js";
import { GrpcFormationPeers } from "../rpc/peer-formation.js";
import { resolveAddresses } from "./addresses.js";
import { BrokerNode, brokerInfoOf, type HostObserver } from "./broker-node.js";
import { openDisk } from "./disk.js";
import { endAll } from "./end-all.js";
import { PeerServer } from "./peer-server.js";
import { type BrokerPorts, systemPorts } from "./ports.js";

export interface StartOptions {
  readonly logger?: Logger;
  /** Default: this process's own. */
  readonly ports?: BrokerPorts;
  /** For tests, which look inside. */
  readonly observer?: HostObserver;
  /** Ends the waiting for other brokers; afterwards use `stop`. */
  readonly signal?: AbortSignal;
}

export interface RunningBroker {
  readonly nodeId: number;
  /** `host:port` for clients. */
  readonly address: string;
  /** `host:port` for other brokers. */
  readonly peerAddress: string;
  /** Resolves only if this broker cannot go on, with the reason. */
  readonly failed: Promise<Error>;
  /** Moves leaderships, ends requests, closes everything. Idempotent. */
  stop(): Promise<void>;
}

const PEER_GRACE_MS = 500;

/**
 * Runs one broker in this process. Resolves when it belongs to a cluster and listens for clients; on the very first start that
 * waits until all founders are there.
 *
 * @throws QuireError INVALID_SETTING, DATA_FOLDER_MISMATCH, DATA_FOLDER_IN_USE, LOG_CORRUPT, SHUTTING_DOWN (aborted)
 */
export async function startBroker(config: Config, options: StartOptions = {}): Promise<RunningBroker> {
  const { logger = silentLogger, ports = systemPorts, signal = new AbortController().signal } = options;
  const { clock, random, dial, createServer } = ports;
  const undo: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= endAll(undo.reverse());
    return stopping;
  };
  let fail: (why: Error) => void = () => undefined;
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  try {
    const addresses = await resolveAddresses(config, ports.freeAddress);
    const disk = await openDisk(config, ports);
    undo.push(() => disk.close());
    const self = brokerInfoOf(config, disk.folder.identity.incarnation, addresses);
    const formationPeers = new GrpcFormationPeers(dial, clock);
    const formation = await Formation.open({
      self,
      peers: addresses.founders,
      join: config.join,
      store: disk.membership,
      network: formationPeers,
      clock,
      random,
      logger: logger.child({ part: "formation" }),
    });
    let node: BrokerNode | undefined;
    const peerServer = new PeerServer(
      {
        formation,
        network: () => node?.network,
        admin: () => node?.controller,
        controllerPeerAddress: () => controllerPeerAddress(node),
        peers: formationPeers,
      },
      createServer,
      clock,
    );
    await peerServer.start(addresses.peerListen);
    undo.push(() => peerServer.stop(PEER_GRACE_MS));
    const membership = await formation.form(signal);
    await disk.folder.joinCluster(membership.founding.clusterId);
    const created = new BrokerNode({
      config,
      membership,
      self,
      listen: addresses.listen,
      disk,
      formationPeers,
      ports,
      logger,
      observer: options.observer,
      fatal: fail,
    });
    node = created;
    undo.push(() => created.stop());
    await created.start();
    return { nodeId: self.nodeId, address: self.address, peerAddress: self.peerAddress, failed, stop };
  } catch (error) {
    // Why it could not start says more than what then went wrong.
    await stop().catch((problem: unknown) => logger.warn({ error: problem }, "a broker that could not start did not end cleanly"));
    throw error;
  }
}

/** Where the controller listens for brokers, if it is another one. */
function controllerPeerAddress(node: BrokerNode | undefined): string | undefined {
  const controller = node?.view.controller;
  if (node === undefined || controller === undefined || controller === node.view.self) return undefined;
  return node.view.broker(controller)?.peerAddress;
}
