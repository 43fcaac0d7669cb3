import { assert } from "../base/assert.js";
import type { LogIndex, ReplicaId } from "../base/ids.js";
import { quorumProblem } from "../base/quorum.js";
import { everySet } from "./quorum.js";
import type { Configuration, Member, QuorumSet } from "./types.js";

interface Placed {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/**
 * The configurations of a log, oldest first. The last one is in force as soon as it is in the log, committed or not,
 * and is rolled back when its entry is truncated (Ongaro's dissertation, 4.1).
 */
export class Membership {
  readonly #history: Placed[];
  #members: readonly Member[];

  constructor(history: readonly Placed[]) {
    assert(history.length > 0, "a log has a configuration to begin with");
    this.#history = [...history];
    this.#members = membersOf(this.current);
  }

  get current(): Configuration {
    return this.#last.configuration;
  }
  /** Where the configuration in force stands in the log. */
  get index(): LogIndex {
    return this.#last.index;
  }
  /** Voters of both sets and learners, each once. */
  get members(): readonly Member[] {
    return this.#members;
  }

  member(id: ReplicaId): Member | undefined {
    return this.#members.find((member) => member.replicaId === id);
  }

  isVoter(id: ReplicaId): boolean {
    return votesIn(this.current, id);
  }

  /**
   * Who may stand: the voters, and while the configuration is not known to be committed those of the one before it too.
   * A leader that removes itself may be the only one whose log can still commit that (Ongaro's dissertation, 4.2.2).
   */
  mayStand(id: ReplicaId, commit: LogIndex): boolean {
    if (this.isVoter(id)) return true;
    const before = this.#history.at(-2)?.configuration;
    return this.index > commit && before !== undefined && votesIn(before, id);
  }

  /** A member of the configuration in force, or of the latest one that names it. */
  formerMember(id: ReplicaId): Member | undefined {
    for (let at = this.#history.length - 1; at >= 0; at--) {
      const found = membersOf(this.#history[at]?.configuration ?? this.current).find((member) => member.replicaId === id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Whether `id` alone makes up every quorum. */
  isSoleVoter(id: ReplicaId): boolean {
    const { voters, incoming } = this.current;
    return this.isVoter(id) && voters.length === 1 && (incoming?.voters.length ?? 1) === 1 && (incoming === undefined || has(incoming.voters, id));
  }

  adopt(index: LogIndex, configuration: Configuration): void {
    assert(index > this.index, "configurations follow each other in the log");
    this.#history.push({ index, configuration });
    this.#members = membersOf(configuration);
  }

  /** Rolls back to before `from`; says whether another configuration is in force now. */
  truncate(from: LogIndex): boolean {
    if (this.index < from) return false;
    while (this.#history.length > 1 && this.index >= from) this.#history.pop();
    assert(this.index < from, "the configuration that a log starts with is never truncated");
    this.#members = membersOf(this.current);
    return true;
  }

  /** Forgets what came before the one that was in force at `start`. */
  compact(start: LogIndex): void {
    while ((this.#history[1]?.index ?? Number.POSITIVE_INFINITY) <= start) this.#history.shift();
  }

  reset(index: LogIndex, configuration: Configuration): void {
    this.#history.length = 0;
    this.#history.push({ index, configuration });
    this.#members = membersOf(configuration);
  }

  get #last(): Placed {
    const last = this.#history.at(-1);
    assert(last !== undefined, "a log has a configuration");
    return last;
  }
}

/**
 * The entry that begins a change (rule 6): the target itself when voters, W and R stay, otherwise a joint configuration
 * with both sets, since no single step from one pair of quorums to another is safe in general. Undefined when the target
 * is invalid.
 */
export function planChange(current: Configuration, target: Omit<Configuration, "incoming">): Configuration | undefined {
  const { voters, w, r, learners } = target;
  const basis = target.basis !== undefined && { basis: target.basis };
  if (quorumProblem({ n: voters.length, w, r }) !== undefined) return undefined;
  const ids = new Set([...voters, ...learners].map((member) => member.replicaId));
  if (ids.size !== voters.length + learners.length) return undefined;
  if (sameSet(current, target)) return { voters, w, r, learners, ...basis };
  return { voters: current.voters, w: current.w, r: current.r, learners, incoming: { voters, w, r }, ...basis };
}

/** The configuration that ends a joint one. */
export function leaveJoint({ incoming, learners, basis }: Configuration): Configuration {
  assert(incoming !== undefined, "only a joint configuration is left");
  return { ...incoming, learners, ...(basis !== undefined && { basis }) };
}

const has = (members: readonly Member[], id: ReplicaId): boolean => members.some((member) => member.replicaId === id);

const votesIn = ({ voters, incoming }: Configuration, id: ReplicaId): boolean => has(voters, id) || (incoming !== undefined && has(incoming.voters, id));

/** Whether both say the same of voters, W and R. */
export const sameQuorums = (a: Configuration, b: Configuration): boolean =>
  sameSet(a, b) && (a.incoming === undefined ? b.incoming === undefined : b.incoming !== undefined && sameSet(a.incoming, b.incoming));

/** Whether all sets of both have the same voters, whatever their W and R. */
export const sameVoters = (a: Configuration, b: Configuration): boolean => everySet(a, (set) => sameIds(set, a)) && everySet(b, (set) => sameIds(set, a));

const sameIds = (a: QuorumSet, b: QuorumSet): boolean => a.voters.length === b.voters.length && a.voters.every((voter) => has(b.voters, voter.replicaId));

const sameSet = (a: QuorumSet, b: QuorumSet): boolean => a.w === b.w && a.r === b.r && sameIds(a, b);

function membersOf({ voters, incoming, learners }: Configuration): readonly Member[] {
  const members = new Map<ReplicaId, Member>();
  for (const member of [...voters, ...(incoming?.voters ?? []), ...learners]) members.set(member.replicaId, member);
  return [...members.values()];
}
