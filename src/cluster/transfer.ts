import { QuireError } from "../base/errors.js";
import { indexPlus, type NodeId } from "../base/ids.js";
import type { Replica } from "../replica/types.js";

/**
 * Leaders stop admitting during a transfer, so a replica that lacks much would hold up producers while it catches up: more entries than this, or some
 * that must be read from disk. What is in memory is at most `cache.bytesMax`.
 */
const LAG_ENTRIES_MAX = 1_000;

export interface Leader extends Pick<Replica, "configuration" | "matchOf" | "transfer"> {
  readonly log: Pick<Replica["log"], "lastIndex" | "logStart" | "readCached">;
}

/** Hands the leadership of a set that is led here to a voter that is nearly caught up. @throws QuireError NOT_READY when it did not take over */
export async function handOver(leader: Leader, to: NodeId, name: string): Promise<void> {
  const refuse = (why: string): QuireError =>
    new QuireError("NOT_READY", `broker ${to} cannot lead ${name} now: ${why}; try again later`, { details: { nodeId: to }, retryAfterMs: 1_000 });
  const { configuration, log } = leader;
  const member = configuration.voters.find((voter) => voter.nodeId === to);
  if (member === undefined) throw refuse("its replica does not vote yet");
  // What is known of the former replica is what it had before its disk was replaced; it would be waited for in vain, and nothing admitted meanwhile.
  if (configuration.learners.some(({ nodeId }) => nodeId === to)) throw refuse("its former replica is gone, and the one in its place does not vote yet");
  const match = leader.matchOf(member.replicaId);
  if (match === undefined) throw refuse("how far its replica has come is not known");
  const lag = log.lastIndex - match;
  if (lag > LAG_ENTRIES_MAX) throw refuse(`its replica is ${lag} entries behind; the limit is ${LAG_ENTRIES_MAX}`);
  const next = indexPlus(match, 1);
  const isInMemory = lag === 0 || (match >= log.logStart.index && log.readCached(next, next, 1) !== undefined);
  if (!isInMemory) throw refuse(`its replica is ${lag} entries behind, and must have them from disk`);
  if (!(await leader.transfer(member.replicaId))) throw refuse("it did not take over within an election timeout");
}
