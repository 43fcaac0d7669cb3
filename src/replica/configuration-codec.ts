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
}

const memberToJson = (member: Member): MemberJson => [member.replicaId, member.nodeId];
const memberFromJson = ([replica, node]: MemberJson): Member => ({ replicaId: replicaId(replica), nodeId: nodeId(node) });
const setToJson = (set: QuorumSet): QuorumSetJson => ({ voters: set.voters.map(memberToJson), w: set.w, r: set.r });

/** An empty set is that of a replica which knows nothing yet; every other must be safe. */
function setFromJson(json: QuorumSetJson): QuorumSet {
  const problem = json.voters.length === 0 ? undefined : quorumProblem({ n: json.voters.length, w: json.w, r: json.r });
  if (problem !== undefined) throw new QuireError("LOG_CORRUPT", `a configuration entry is unsafe: ${problem}`);
  return { voters: json.voters.map(memberFromJson), w: json.w, r: json.r };
}

export function encodeConfiguration(configuration: Configuration): Buffer {
  const json: ConfigurationJson = {
    v: 1,
    ...setToJson(configuration),
    learners: configuration.learners.map(memberToJson),
    ...(configuration.incoming && { incoming: setToJson(configuration.incoming) }),
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
  if (json?.v !== 1 || !Array.isArray(json.voters) || !Array.isArray(json.learners)) {
    throw new QuireError("LOG_CORRUPT", `a configuration entry has version ${String(json?.v)}; this build reads version 1`);
  }
  return { ...setFromJson(json), learners: json.learners.map(memberFromJson), ...(json.incoming && { incoming: setFromJson(json.incoming) }) };
}
