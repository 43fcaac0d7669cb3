/** Where a broker listens, and what it tells others of it. */
import { createServer, isIP } from "node:net";
import { QuireError } from "../base/errors.js";
import { type NodeId, nodeId } from "../base/ids.js";
import type { FoundingPeer } from "../cluster/peer-list.js";
import type { Config } from "../config/settings.js";
import type { BrokerPorts } from "./ports.js";

export interface Addresses {
  readonly listen: string;
  readonly peerListen: string;
  readonly advertise: string;
  readonly peerAdvertise: string;
  /** Founders of the cluster; this broker alone when neither `peers` nor `join` is set. */
  readonly founders: readonly FoundingPeer[];
}

/** @throws QuireError INVALID_SETTING when an address cannot be had */
export async function resolveAddresses(config: Config, freeAddress: BrokerPorts["freeAddress"]): Promise<Addresses> {
  const listen = await freeAddress("listen", config.listen);
  const peerListen = await freeAddress("peerListen", config.peerListen);
  const listed = config.peers.find((peer) => peer.nodeId === config.nodeId)?.address;
  const peerAdvertise = config.peerAdvertise || listed || peerListen;
  const self: NodeId = nodeId(config.nodeId);
  const founders = config.peers.map((peer) => ({ nodeId: nodeId(peer.nodeId), peerAddress: peer.address }));
  const alone = founders.length === 0 && config.join.length === 0;
  return {
    listen,
    peerListen,
    advertise: config.advertise || listen,
    peerAdvertise,
    founders: alone ? [{ nodeId: self, peerAddress: peerAdvertise }] : founders,
  };
}

/**
 * The address with a port that is free now; port 0 takes any. A taken one is found here, before anything is written or anyone is told:
 * a broker that cannot serve must not found or join a cluster.
 */
export async function freeAddress(setting: string, address: string): Promise<string> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = await new Promise<number>((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause: NodeJS.ErrnoException) => {
      // A name may have several addresses; the server takes those that this machine has.
      if (cause.code === "EADDRNOTAVAIL" && isIP(host) === 0) resolve(Number(address.slice(colon + 1)));
      else reject(cannotListen(setting, address, cause));
    });
    server.listen(Number(address.slice(colon + 1)), host, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === "object" && bound !== null ? bound.port : 0));
    });
  });
  return `${address.slice(0, colon)}:${port}`;
}

const cannotListen = (setting: string, address: string, cause: Error): QuireError =>
  new QuireError("INVALID_SETTING", `cannot listen at ${address}: ${cause.message}; end what listens there, or choose another address (${setting})`, {
    details: { setting, address },
    cause,
  });
