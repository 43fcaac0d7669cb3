/** The life of one replica set at random: elections, replication, commits and changes of W and R, as the rules have them. Nothing but logs; voters stay. */
import { nodeId, replicaId } from "../../src/base/ids.js";
import { quorumProblem } from "../../src/base/quorum.js";
import { leaveJoint, planChange } from "../../src/consensus/membership.js";
import { hasQuorum } from "../../src/consensus/quorum.js";
import type { Configuration } from "../../src/consensus/types.js";
import type { SeededRandom } from "./seeded-random.js";

export interface HistoryEntry {
  readonly term: number;
  readonly configuration?: Configuration;
}

export interface HistoryReplica {
  term: number;
  log: HistoryEntry[];
  /** Of the log, so much is on disk. */
  disk: number;
  /** The term it leads; what each replica has acknowledged in it, and how far it has committed. */
  leading: { readonly term: number; readonly match: number[]; commit: number } | undefined;
}

/** Whether the voter's log is no later than the candidate's (rule 4). */
function isUpToDate(candidate: readonly HistoryEntry[], voter: readonly HistoryEntry[]): boolean {
  const terms = (candidate.at(-1)?.term ?? 0) - (voter.at(-1)?.term ?? 0);
  return terms > 0 || (terms === 0 && candidate.length >= voter.length);
}

export class QuorumHistory {
  readonly first: Configuration;
  readonly replicas: readonly HistoryReplica[];
  /** Terms of committed entries, by index. */
  readonly committed = new Map<number, number>();
  readonly #random: SeededRandom;
  readonly #targets: readonly { readonly w: number; readonly r: number }[];
  #term = 0;

  constructor(random: SeededRandom, n: number) {
    this.#random = random;
    const sizes = Array.from({ length: n }, (_, at) => at + 1);
    this.#targets = sizes.flatMap((w) => sizes.map((r) => ({ w, r }))).filter(({ w, r }) => quorumProblem({ n, w, r }) === undefined);
    const voters = sizes.map((id) => ({ replicaId: replicaId(id), nodeId: nodeId(id) }));
    this.first = { voters, learners: [], ...this.#target() };
    this.replicas = sizes.map(() => ({ term: 0, log: [], disk: 0, leading: undefined }));
  }

  configurationOf(log: readonly HistoryEntry[]): { readonly index: number; readonly configuration: Configuration } {
    const index = log.findLastIndex(({ configuration }) => configuration !== undefined) + 1;
    return { index, configuration: log[index - 1]?.configuration ?? this.first };
  }

  step(): void {
    const random = this.#random;
    const leaders = this.replicas.filter(({ term, leading }) => leading?.term === term);
    const leader = random.below(5) > 0 ? leaders.sort((a, b) => a.term - b.term).at(-1) : random.pick(leaders);
    const what = random.below(10);
    if (leader === undefined || what === 0) this.#elect(random.below(this.replicas.length));
    else if (what < 6) this.#replicate(leader, random.below(this.replicas.length));
    else if (what < 8) leader.log.push({ term: leader.term });
    else this.#change(leader);
  }

  #target(): { readonly w: number; readonly r: number } {
    return this.#random.pick(this.#targets) ?? { w: 1, r: 1 };
  }

  #elect(at: number): void {
    const candidate = this.replicas[at] as HistoryReplica;
    const voters = this.replicas.filter((voter) => voter === candidate || (this.#random.below(3) > 0 && isUpToDate(candidate.log, voter.log)));
    const { configuration } = this.configurationOf(candidate.log);
    if (!hasQuorum(configuration, "election", (id) => voters.includes(this.replicas[id - 1] as HistoryReplica))) return;
    this.#term += 1;
    for (const voter of voters) voter.term = this.#term;
    candidate.leading = { term: this.#term, match: this.replicas.map(() => 0), commit: 0 };
    candidate.log.push({ term: this.#term });
  }

  #replicate(leader: HistoryReplica, to: number): void {
    const follower = this.replicas[to] as HistoryReplica;
    const { leading, log } = leader;
    if (leading === undefined || follower.term > leading.term) return;
    const through = follower === leader ? log.length : 1 + this.#random.below(log.length);
    follower.term = leading.term;
    let same = 0;
    while (same < through && follower.log[same]?.term === log[same]?.term) same += 1;
    if (same < through) {
      follower.log = log.slice(0, through);
      follower.disk = Math.min(follower.disk, same);
    }
    if (this.#random.oneIn(6)) return;
    follower.disk = Math.max(follower.disk, through);
    leading.match[to] = Math.max(leading.match[to] ?? 0, through);
    this.#commit(leading, log);
  }

  #commit(leading: NonNullable<HistoryReplica["leading"]>, log: readonly HistoryEntry[]): void {
    const { configuration } = this.configurationOf(log);
    for (let index = log.length; index > leading.commit && log[index - 1]?.term === leading.term; index--) {
      if (!hasQuorum(configuration, "commit", (id) => (leading.match[id - 1] ?? 0) >= index)) continue;
      leading.commit = index;
      for (let at = 1; at <= index; at++) this.committed.set(at, log[at - 1]?.term ?? 0);
    }
  }

  #change({ log, leading }: HistoryReplica): void {
    const { index, configuration } = this.configurationOf(log);
    if (leading === undefined || leading.commit === 0 || index > leading.commit) return;
    const { voters, learners } = configuration;
    const next = configuration.incoming !== undefined ? leaveJoint(configuration) : planChange(configuration, { voters, learners, ...this.#target() });
    if (next !== undefined) log.push({ term: leading.term, configuration: next });
  }
}
