/**
 * Deliberate mistakes, at least one for each rule of the quorum that a random run can break. The simulation must find
 * every one of them; those that only cost availability are the scenarios' business.
 */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Compiled code that occurs exactly once in the file, and what replaces it. */
  readonly find: string;
  readonly replace: string;
  readonly under: "faults" | "changes" | "damage";
}

const mutation = (under: Mutation["under"], name: string, file: string, find: string, replace: string): Mutation => ({ under, name, file, find, replace });

export const MUTATIONS: readonly Mutation[] = [
  mutation("faults", "rule 1: one vote less than R elects", "quorum.js", "return set.r;", "return Math.max(1, set.r - 1);"),
  mutation("faults", "rule 1: one disk less than W commits", "quorum.js", "if (holders >= set.w)", "if (holders >= Math.max(1, set.w - 1))"),
  mutation("faults", "rule 2: a vote is told before it is on disk", "election.js", "voteDue === undefined || !isSaved(state) ||", "voteDue === undefined ||"),
  mutation(
    "faults",
    "rule 2: entries are acknowledged before they are on disk",
    "follower.js",
    "lower(following.verified, log.syncedIndex)",
    "following.verified",
  ),
  mutation(
    "faults",
    "rule 2: entries are acknowledged before their term is on disk",
    "follower.js",
    'state.role === "leader" || !isSaved(state)',
    'state.role === "leader"',
  ),
  mutation(
    "faults",
    "rule 2: the leader counts itself before its disk is done",
    "replication.js",
    "id === self ? log.syncedIndex",
    "id === self ? log.lastIndex",
  ),
  mutation("damage", "rule 3: older terms' entries are committed by counting", "leader.js", "|| state.log.termAt(index) !== termOf(state)", ""),
  mutation("faults", "rule 3: reads are answered before an entry of the own term committed", "read-index.js", "|| !isServing(state)", ""),
  mutation("changes", "rule 4: a vote does not look at the log", "doubt.js", "if (compareLogs(last, log.last) < 0)", "if (false)"),
  mutation("faults", "rule 4: logs are compared by length alone", "log-view.js", "a.term - b.term || a.index - b.index", "a.index - b.index"),
  mutation("faults", "rule 4: entries are truncated without a conflict", "follower.js", "log.termAt(entry.index) !== entry.term)", "entry.index > 0)"),
  mutation(
    "changes",
    "rule 4: the entry before is not compared",
    "follower.js",
    "previous.index > state.commit && log.termAt",
    "previous.index > log.lastIndex && log.termAt",
  ),
  mutation("faults", "rule 4: what matched in one term counts in the next", "role.js", "following.verified = commit;", ""),
  mutation(
    "faults",
    "rule 4: more is committed than was compared",
    "follower.js",
    "lower(append.commit, following.verified)",
    "lower(append.commit, log.lastIndex)",
  ),
  mutation("changes", "rule 6: W and R change in one step", "membership.js", "if (sameSet(current, target))", "if (true)"),
  mutation(
    "changes",
    "rule 6: while joint, only the old set commits",
    "quorum.js",
    "if (configuration.incoming === undefined)\n        return index;",
    "return index;",
  ),
  mutation("changes", "rule 6: a joint configuration is never left", "leader.js", "if (membership.current.incoming !== undefined) {", "if (false) {"),
  mutation("changes", "rule 6: a truncated configuration stays in force", "follower.js", "if (membership.truncate(from))", "if (false)"),
  mutation("faults", "rule 9: a read is confirmed by nobody", "read-index.js", "(id) => id === state.self ||", "() => true ||"),
  mutation("damage", "rule 10: any leader's word ends a doubt", "doubt.js", "goal.index <= following.verified && goal.index <= log.syncedIndex", "true"),
  mutation(
    "damage",
    "rule 10: a doubt ends before the disk is done",
    "doubt.js",
    "goal.index <= following.verified && goal.index <= log.syncedIndex",
    "goal.index <= following.verified",
  ),
  mutation("damage", "rule 10: one whole log less than N-W+1 is enough", "doubt.js", ">= set.voters.length - set.w + 1", ">= set.voters.length - set.w"),
  mutation("damage", "rule 10: a replica in doubt stands", "state.js", "&& state.doubt === undefined &&", "&&"),
  mutation("faults", "snapshots bring a replica back behind its commit index", "follower.js", "if (snapshot.index <= state.commit ||", "if ("),
  mutation("damage", "what was lost on the way is never sent again", "progress.js", "if (this.#stalledTicks < this.#lossTicks)", "if (true)"),
];
