import { QuireError } from "../base/errors.js";
import type { LogIndex, NodeId } from "../base/ids.js";
import type { Replica } from "../replica/types.js";

/** A replica that is further behind would hold up producers while it catches up: leaders stop admitting during a transfer. */
const LAG_ENTRIES_MAX = 1_000;

/** How many entries a replica of a set that is led here lacks; undefined while that is not known. */
export function lagOf(
  leader: Replica,
  nodeId: NodeId,
): { readonly member: Replica["configuration"]["voters"][number]; readonly entries: number | undefined } | undefined {
  const member = leader.configuration.voters.find((voter) => voter.nodeId === nodeId);
  if (member === undefined) return undefined;
  const match: LogIndex | undefined = leader.matchOf(member.replicaId);
  return { member, entries: match === undefined ? undefined : leader.log.lastIndex - match };
}

/** Hands the leadership of a set that is led here to a voter that is nearly caught up. @throws QuireError NOT_READY when it did not take over */
export async function handOver(leader: Replica, to: NodeId, name: string): Promise<void> {
  const lag = lagOf(leader, to);
  const refuse = (why: string): QuireError =>
    new QuireError("NOT_READY", `broker ${to} cannot lead ${name} now: ${why}; try again later`, { details: { nodeId: to }, retryAfterMs: 1_000 });
  if (lag === undefined) throw refuse("its replica does not vote yet");
  // What is known of the former replica is what it had before its disk was replaced; it would be waited for in vain, and nothing admitted meanwhile.
  if (leader.configuration.learners.some(({ nodeId }) => nodeId === to)) throw refuse("its former replica is gone, and the one in its place does not vote yet");
  if (lag.entries === undefined) throw refuse("how far its replica has come is not known");
  if (lag.entries > LAG_ENTRIES_MAX) throw refuse(`its replica is ${lag.entries} entries behind; the limit is ${LAG_ENTRIES_MAX}`);
  if (!(await leader.transfer(lag.member.replicaId))) throw refuse("it did not take over within an election timeout");
}
