/** How brokers become a cluster: the decision of one that belongs to none yet. Pure; `formation.ts` acts. */
import { toQuireError } from "../base/errors.js";
import type { NodeId } from "../base/ids.js";
import type { ProbeAnswer } from "./formation-types.js";
import { decodeFoundingRecord, type FoundingRecord, founderOf } from "./membership.js";
import { canonicalPeerList, type FoundingPeer } from "./peer-list.js";
import type { BrokerInfo } from "./view.js";

/** What came of probing one address; `answer` is undefined when it could not be reached. */
export interface Probed {
  readonly peerAddress: string;
  /** Whom the peer list expects there; undefined for a join address. */
  readonly nodeId: NodeId | undefined;
  readonly answer: ProbeAnswer | undefined;
}

export interface FormationSituation {
  readonly self: BrokerInfo;
  /** This broker among them; empty for one that joins. */
  readonly peers: readonly FoundingPeer[];
  /** All peers but this broker, or all join addresses. */
  readonly probed: readonly Probed[];
}

export type FormationStep =
  /** All founders are there and empty, and this one has the lowest node id. */
  | { readonly kind: "found"; readonly brokers: readonly BrokerInfo[]; readonly peerList: string }
  /** A cluster was founded with this very broker and this very disk. */
  | { readonly kind: "accept"; readonly founding: FoundingRecord }
  /** There is a cluster that this disk is not part of. */
  | { readonly kind: "join"; readonly founding: FoundingRecord; readonly through: readonly string[] }
  | { readonly kind: "wait"; readonly why: string }
  /** Waiting will not help, but somebody may correct it while this broker runs. */
  | { readonly kind: "problem"; readonly why: string };

/**
 * Founding needs every founder, reachable and empty, and one place that decides: the lowest node id. A record names each
 * founder's incarnation, so a broker that lost its disk never takes its former self's place, however late a record reaches it.
 */
export function decideFormation(situation: FormationSituation): FormationStep {
  const { self, peers, probed } = situation;
  const wrong = contradiction(situation);
  if (wrong !== undefined) return { kind: "problem", why: wrong };
  const formed = formedOf(probed);
  if (typeof formed === "string") return { kind: "problem", why: formed };
  const [first] = formed;
  if (first !== undefined)
    return stepInto(
      first.founding,
      formed.map(({ through }) => through),
      situation,
    );

  const missing = probed
    .filter(({ answer }) => answer === undefined)
    .map(({ nodeId, peerAddress }) => (nodeId === undefined ? peerAddress : `broker ${nodeId} (${peerAddress})`));
  if (peers.length === 0)
    return { kind: "wait", why: missing.length > 0 ? `no answer from ${missing.join(", ")}` : "none of the join addresses belongs to a cluster yet" };
  const joining = probed.find(({ answer }) => answer?.state === "joining");
  if (joining !== undefined) return { kind: "wait", why: `broker ${joining.nodeId} is about to become a member` };
  if (missing.length > 0) return { kind: "wait", why: `no answer from ${missing.join(", ")}` };
  const lowest = Math.min(...peers.map((peer) => peer.nodeId));
  if (self.nodeId !== lowest) return { kind: "wait", why: `broker ${lowest} is to found the cluster` };
  const brokers = [self, ...probed.flatMap(({ answer }) => (answer === undefined ? [] : [answer.broker]))];
  return { kind: "found", brokers, peerList: canonicalPeerList(peers) };
}

function stepInto(founding: FoundingRecord, through: readonly string[], { self, peers }: FormationSituation): FormationStep {
  if (founderOf(founding, self) !== undefined) return { kind: "accept", founding };
  const own = canonicalPeerList(peers);
  if (peers.length > 0 && founding.peerList !== own) {
    return {
      kind: "problem",
      why: `the cluster was founded with the peers ${founding.peerList}, this broker was given ${own}; give it the same list, or, to add it to that cluster, set join instead of peers`,
    };
  }
  return { kind: "join", founding, through };
}

/** What those brokers say that belong to a cluster, or why they cannot be believed. */
function formedOf(probed: readonly Probed[]): { founding: FoundingRecord; through: string }[] | string {
  const formed: { founding: FoundingRecord; through: string }[] = [];
  for (const { answer, peerAddress } of probed) {
    if (answer?.foundingRecord === undefined) continue;
    try {
      formed.push({ founding: decodeFoundingRecord(answer.foundingRecord), through: peerAddress });
    } catch (error) {
      return `broker ${answer.broker.nodeId} at ${peerAddress}: ${toQuireError(error).message}`;
    }
  }
  const ids = [...new Set(formed.map(({ founding }) => founding.clusterId))];
  if (ids.length > 1)
    return `the peers belong to different clusters: ${formed.map(({ founding, through }) => `${through} to ${founding.clusterId}`).join(", ")}`;
  return formed;
}

function contradiction({ self, peers, probed }: FormationSituation): string | undefined {
  const own = canonicalPeerList(peers);
  const incarnations = new Map<string, NodeId>([[self.incarnation, self.nodeId]]);
  for (const { nodeId, peerAddress, answer } of probed) {
    if (answer === undefined) continue;
    const { broker, state, founders } = answer;
    if (nodeId !== undefined && broker.nodeId !== nodeId) return `${peerAddress} shall be broker ${nodeId}, but broker ${broker.nodeId} answers there`;
    if (nodeId === undefined && broker.nodeId === self.nodeId && broker.incarnation !== self.incarnation) {
      return `broker ${broker.nodeId} runs already, at ${peerAddress}; give this one a node id of its own`;
    }
    const twin = incarnations.get(broker.incarnation);
    if (twin !== undefined && twin !== broker.nodeId) return `brokers ${twin} and ${broker.nodeId} have copies of one data folder; empty one of them`;
    incarnations.set(broker.incarnation, broker.nodeId);
    if (peers.length > 0 && state !== "formed" && founders !== own) {
      return `broker ${broker.nodeId} was started with the peers ${founders || "(none)"}, this one with ${own}; give all founders the same list`;
    }
  }
  return undefined;
}
