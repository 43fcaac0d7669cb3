/** What brokers say to each other before they are a cluster. Records travel and rest as bytes (`membership.ts`). */
import type { BrokerInfo, BrokerRegistration } from "./view.js";

/**
 * - `empty`: new disk, free to found a cluster.
 * - `joining`: new disk, on its way into an existing cluster; never a founder.
 * - `formed`: belongs to a cluster.
 */
export type FormationState = "empty" | "joining" | "formed";

/** How a broker answers a probe. Anyone may ask, of any address. */
export interface ProbeAnswer {
  readonly broker: BrokerInfo;
  readonly state: FormationState;
  /** The peer list it was started with, in canonical form (`1@host:port,2@host:port`); empty when it has none. */
  readonly founders: string;
  /** Present exactly when `formed`. */
  readonly clusterId?: string;
  /** The encoded founding record; present exactly when `formed`. */
  readonly foundingRecord?: Buffer;
}

/** How a broker that is not in a cluster yet reaches others, by peer address. Every failure is a rejection. */
export interface FormationPeers {
  probe(peerAddress: string): Promise<ProbeAnswer>;
  /** Hands over the encoded founding record; resolves when it is on disk there. */
  found(peerAddress: string, foundingRecord: Buffer): Promise<void>;
  /** `ClusterAdmin.registerBroker` through that broker, which forwards to the controller. */
  register(peerAddress: string, broker: BrokerInfo): Promise<BrokerRegistration>;
}

/** What a broker does when it is asked; `formation.ts` implements it. */
export interface FormationHandler {
  onProbe(): ProbeAnswer;
  /** Resolves when the record is on disk. @throws QuireError CLUSTER_MISMATCH when it does not name this broker, or another was accepted before */
  onFound(foundingRecord: Buffer): Promise<void>;
}
