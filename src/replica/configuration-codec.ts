/** Configurations as the bodies of `configuration` entries and inside snapshots: JSON, since they are rare and people read them. */

import { QuireError } from "../base/errors.js";
import { nodeId, replicaId } from "../base/ids.js";
import { quorumProblem } from "../base/quorum.js";
import type { Configuration, Member, QuorumSet } from "../consensus/types.js";

type MemberJson = readonly [replica: number, node: number];
interface QuorumSetJson {
  readonly voters: readonly MemberJson[];
  readonly w: number;
  readonly r: number;
}
interface ConfigurationJson extends QuorumSetJson {
  readonly v: 1;
  readonly learners: readonly MemberJson[];
  readonly incoming?: QuorumSetJson;
  readonly basis?: number;
}

const memberToJson = (member: Member): MemberJson => [member.replicaId, member.nodeId];
const isId = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

function membersFromJson(json: unknown): readonly Member[] {
  if (!Array.isArray(json)) throw new QuireError("LOG_CORRUPT", "a configuration entry lacks a list of members");
  return json.map((member: unknown) => {
    const [replica, node] = Array.isArray(member) ? (member as unknown[]) : [];
    if (isId(replica) && isId(node)) return { replicaId: replicaId(replica), nodeId: nodeId(node) };
    throw new QuireError("LOG_CORRUPT", "a configuration entry names a member without a replica id and a node id");
  });
}

const setToJson = (set: QuorumSet): QuorumSetJson => ({ voters: set.voters.map(memberToJson), w: set.w, r: set.r });

/** An empty set is that of a replica which knows nothing yet; every other must be safe. */
function setFromJson(json: QuorumSetJson): QuorumSet {
  const voters = membersFromJson(json.voters);
  const problem = voters.length === 0 ? undefined : quorumProblem({ n: voters.length, w: json.w, r: json.r });
  if (problem !== undefined) throw new QuireError("LOG_CORRUPT", `a configuration entry is unsafe: ${problem}`);
  return { voters, w: json.w, r: json.r };
}

export function encodeConfiguration(configuration: Configuration): Buffer {
  const json: ConfigurationJson = {
    v: 1,
    ...setToJson(configuration),
    learners: configuration.learners.map(memberToJson),
    ...(configuration.incoming && { incoming: setToJson(configuration.incoming) }),
    ...(configuration.basis !== undefined && { basis: configuration.basis }),
  };
  return Buffer.from(JSON.stringify(json));
}

/** @throws QuireError LOG_CORRUPT when the bytes are not a configuration of a version this build knows. */
export function decodeConfiguration(body: Buffer): Configuration {
  let json: ConfigurationJson;
  try {
    json = JSON.parse(body.toString()) as ConfigurationJson;
  } catch (cause) {
    throw new QuireError("LOG_CORRUPT", "a configuration entry is not readable", { cause });
  }
  if (json?.v !== 1) {
    throw new QuireError("LOG_CORRUPT", `a configuration entry has version ${String(json?.v)}; this build reads version 1`);
  }
  const { basis } = json;
  if (basis !== undefined && !Number.isSafeInteger(basis)) throw new QuireError("LOG_CORRUPT", "a configuration entry does not say what it was decided upon");
  return {
    ...setFromJson(json),
    learners: membersFromJson(json.learners),
    ...(json.incoming && { incoming: setFromJson(json.incoming) }),
    ...(basis !== undefined && { basis }),
  };
}
