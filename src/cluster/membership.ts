import { QuireError } from "../base/errors.js";
import type { NodeId, ReplicaId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import { majority } from "../base/quorum.js";
import type { QuorumSet } from "../replica/types.js";
import type { BrokerInfo } from "./view.js";

/** A broker that was there when the cluster began. Its replica of the metadata is bound to its incarnation, that is, to its disk. */
export interface Founder extends BrokerInfo {
  readonly replicaId: ReplicaId;
}

/** How a cluster began; the same bytes on every broker, for ever. The state of the metadata at log position (0, 0) follows from it. */
export interface FoundingRecord {
  readonly clusterId: string;
  /** By node id; the voters of the metadata. */
  readonly founders: readonly Founder[];
  readonly w: number;
  readonly r: number;
  /** The peer list all founders were started with, in canonical form. */
  readonly peerList: string;
}

/** That this broker belongs to a cluster: written once to its disk, before anything else of the cluster is. */
export interface Membership {
  readonly founding: FoundingRecord;
  readonly nodeId: NodeId;
  readonly incarnation: string;
  readonly metadataReplicaId: ReplicaId;
}

/** Where the membership rests; `save` is synced before it resolves. */
export interface MembershipStore {
  load(): Promise<Buffer | undefined>;
  save(membership: Buffer): Promise<void>;
}

const VERSION = 1;

export function makeFoundingRecord(clusterId: string, peerList: string, brokers: readonly BrokerInfo[]): FoundingRecord {
  const founders = [...brokers].sort((a, b) => a.nodeId - b.nodeId).map((broker, index) => ({ ...broker, replicaId: (index + 1) as ReplicaId }));
  const quorum = majority(founders.length);
  return { clusterId, founders, w: quorum, r: quorum, peerList };
}

/** Voters and quorums of the metadata at its beginning. */
export const metadataInitial = (record: FoundingRecord): QuorumSet => ({
  voters: record.founders.map(({ replicaId, nodeId }) => ({ replicaId, nodeId })),
  w: record.w,
  r: record.r,
});

/** The founder that is this very broker: same node id and same disk. */
export const founderOf = (record: FoundingRecord, broker: Pick<BrokerInfo, "nodeId" | "incarnation">): Founder | undefined =>
  record.founders.find((founder) => founder.nodeId === broker.nodeId && founder.incarnation === broker.incarnation);

export const encodeFoundingRecord = (record: FoundingRecord): Buffer => Buffer.from(JSON.stringify({ version: VERSION, ...record }));
export const encodeMembership = (membership: Membership): Buffer => Buffer.from(JSON.stringify({ version: VERSION, ...membership }));

/** @throws QuireError INVALID_FIELD when the bytes are no founding record of a known version */
export function decodeFoundingRecord(bytes: Buffer): FoundingRecord {
  const value = parse(bytes, "founding record");
  checkFounding(value);
  return value;
}

/** @throws QuireError INVALID_FIELD */
export function decodeMembership(bytes: Buffer): Membership {
  const value = parse(bytes, "membership") as Partial<Membership>;
  checkFounding(value.founding);
  const { founding, nodeId, incarnation, metadataReplicaId } = value;
  if (!isCount(nodeId) || !isCount(metadataReplicaId) || typeof incarnation !== "string")
    throw malformed("membership", "lacks node id, replica id or incarnation");
  return { founding, nodeId, incarnation, metadataReplicaId };
}

function parse(bytes: Buffer, what: string): object {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (cause) {
    throw malformed(what, "is not JSON", cause);
  }
  if (typeof value !== "object" || value === null) throw malformed(what, "is not an object");
  const { version, ...rest } = value as { version?: unknown };
  if (version !== VERSION) throw malformed(what, `has version ${String(version)}; this broker knows version ${VERSION}: upgrade it`);
  return rest;
}

function checkFounding(value: unknown): asserts value is FoundingRecord {
  const record = (value ?? {}) as Partial<FoundingRecord>;
  const { founders, clusterId, peerList, w, r } = record;
  if (typeof clusterId !== "string" || clusterId === "" || typeof peerList !== "string" || !isCount(w) || !isCount(r) || !Array.isArray(founders)) {
    throw malformed("founding record", "lacks fields");
  }
  if (founders.length < 1 || founders.length > limits.replicasPerPartition) throw malformed("founding record", `names ${founders.length} founders`);
  for (const founder of founders as Partial<Founder>[]) {
    const texts = [founder.incarnation, founder.address, founder.peerAddress, founder.rack];
    if (!isCount(founder.nodeId) || !isCount(founder.replicaId) || texts.some((text) => typeof text !== "string"))
      throw malformed("founding record", "has a founder that lacks fields");
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

const malformed = (what: string, why: string, cause?: unknown): QuireError => new QuireError("INVALID_FIELD", `the ${what} ${why}`, { cause });
