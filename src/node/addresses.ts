/** Where a broker listens, and what it tells others of it. */
import { createServer } from "node:net";
import { QuireError } from "../base/errors.js";
import { type NodeId, nodeId } from "../base/ids.js";
import type { FoundingPeer } from "../cluster/peer-list.js";
import type { Config } from "../config/settings.js";

export interface Addresses {
  readonly listen: string;
  readonly peerListen: string;
  readonly advertise: string;
  readonly peerAdvertise: string;
  /** Founders of the cluster; this broker alone when neither `peers` nor `join` is set. */
  readonly founders: readonly FoundingPeer[];
}

/** @throws QuireError INVALID_SETTING when an address cannot be had */
export async function resolveAddresses(config: Config): Promise<Addresses> {
  const listen = await withPort(config.listen);
  const peerListen = await withPort(config.peerListen);
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

/** Port 0 takes one that is free now: others must be told before the server begins to listen. */
async function withPort(address: string): Promise<string> {
  const colon = address.lastIndexOf(":");
  if (address.slice(colon + 1) !== "0") return address;
  const host = address.slice(0, colon);
  const port = await new Promise<number>((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause) => reject(new QuireError("INVALID_SETTING", `cannot listen at ${address}: ${cause.message}`, { cause })));
    server.listen(0, host.replace(/^\[|\]$/g, ""), () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === "object" && bound !== null ? bound.port : 0));
    });
  });
  return `${host}:${port}`;
}
