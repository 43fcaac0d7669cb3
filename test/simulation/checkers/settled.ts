/** What must hold of a replica set when the faults have ended and everything had time. */
import type { Offset } from "../../../src/base/ids.js";
import type { KnownEntries } from "./known-entries.js";
import type { Acknowledgement, EntryFacts, FinalReplica, RestingReplica } from "./observations.js";

/** Why the replica set has not come to rest, or undefined: one leader serves, no change is under way, every member has everything. */
export function whyUnsettled(replicas: readonly RestingReplica[]): string | undefined {
  const leader = leaderOf(replicas);
  if (leader === undefined || !leader.serving)
    return `no leader serves among ${replicas.map(({ replicaId, role, term }) => `${replicaId} (${role}, term ${term})`).join(", ")}`;
  const { configuration, commitIndex } = leader;
  if (configuration.incoming !== undefined)
    return `the reconfiguration to ${configuration.incoming.voters.map((voter) => voter.replicaId).join(", ")} is stuck`;
  const last = leader.lastIndex;
  if (commitIndex !== last) return `leader ${leader.replicaId} has entries to ${last} and committed ${commitIndex}`;
  for (const { replicaId: id } of [...configuration.voters, ...configuration.learners]) {
    const member = replicas.find((replica) => replica.replicaId === id);
    if (member === undefined) return `replica ${id} is gone`;
    if (member.failure !== undefined) return `replica ${id} stopped: ${member.failure.message}`;
    if (member.isInDoubt) return `replica ${id} is still in doubt`;
    const { commitIndex: commit, appliedIndex: applied } = member;
    if (member.lastIndex !== last || commit !== last || applied !== last)
      return `replica ${id} has entries to ${member.lastIndex}, committed ${commit}, applied ${applied}; the leader has ${last}`;
  }
  return undefined;
}

interface Expectations {
  readonly known: KnownEntries;
  readonly ghosts: readonly Acknowledgement[];
  readonly trimmedBefore: Offset;
}

interface Problem {
  readonly invariant: string;
  readonly expected: string;
  readonly seen: string;
}

/** Compares all logs with the leader's, with what was appended, and the leader's with every acknowledgement ever sent. */
export function problemOfLogs(replicas: readonly FinalReplica[], { known, ghosts, trimmedBefore }: Expectations): Problem | undefined {
  const leader = leaderOf(replicas);
  if (leader === undefined) return undefined;
  const { voters, learners } = leader.configuration;
  const members = new Set([...voters, ...learners].map((member) => member.replicaId));
  const byIndex = new Map(leader.entries.map((entry) => [entry.index, entry]));
  for (const { replicaId, entries } of replicas) {
    if (!members.has(replicaId)) continue;
    for (const entry of entries) {
      const other = byIndex.get(entry.index);
      const appended = known.find(entry);
      if (other !== undefined && !isSame(entry, other))
        return { invariant: "replicas are byte-identical", expected: describe(other), seen: `replica ${replicaId} has ${describe(entry)}` };
      if (appended !== undefined && !isSame(entry, appended))
        return { invariant: "a log holds what was appended to it", expected: describe(appended), seen: `replica ${replicaId} has ${describe(entry)}` };
    }
  }
  return problemOfGhosts(leader, ghosts, trimmedBefore);
}

function problemOfGhosts(leader: FinalReplica, ghosts: readonly Acknowledgement[], trimmedBefore: Offset): Problem | undefined {
  const byOffset = new Map(leader.entries.filter((entry) => entry.endOffset > entry.baseOffset).map((entry) => [entry.baseOffset, entry]));
  for (const { baseOffset, term, bodyCrc32 } of ghosts) {
    const entry = byOffset.get(baseOffset);
    if (entry === undefined && baseOffset < trimmedBefore) continue;
    if (entry !== undefined && entry.term === term && (bodyCrc32 === undefined || bodyCrc32 === entry.bodyCrc32)) continue;
    return {
      invariant: "every acknowledgement is in the newest leader's log",
      expected: `a batch of term ${term} at offset ${baseOffset}${bodyCrc32 === undefined ? "" : ` with bytes ${bodyCrc32}`}`,
      seen: `leader ${leader.replicaId} has ${entry === undefined ? "none" : `${describe(entry)}, body ${entry.bodyCrc32}`}`,
    };
  }
  return undefined;
}

/** The leader of the highest term. */
function leaderOf<R extends RestingReplica>(replicas: readonly R[]): R | undefined {
  return replicas
    .filter(({ role, failure }) => role === "leader" && failure === undefined)
    .reduce<R | undefined>((best, each) => (best === undefined || each.term > best.term ? each : best), undefined);
}

const isSame = (a: EntryFacts, b: EntryFacts): boolean => a.term === b.term && a.digest === b.digest;
const describe = ({ index, term, digest }: EntryFacts): string => `entry ${index}/${term} with bytes ${digest}`;
