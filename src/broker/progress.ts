import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import { type Offset, offset, type ReplicaSetId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import type { Clock } from "../base/ports.js";
import type { ProgressLine } from "../base/progress-entry.js";
import type { GroupInfo, GroupsView } from "../cluster/group-info.js";
import type { ClusterView, TopicPartition } from "../cluster/view.js";
import type { Replica } from "../replica/types.js";
import type { Deadlines } from "./deadlines.js";
import { GroupOwners, staleGeneration } from "./group-owners.js";
import { LeadingProgress, type WrittenProgress } from "./leading-progress.js";
import { confirm } from "./list-offsets.js";
import { earliestOffset, type PartitionKeeper } from "./partition-keeper.js";
import type { GroupProgress, ProgressTable } from "./progress-table.js";
import type { Progress, ProgressCommit, ProgressPlane, ProgressQuery } from "./progress-types.js";

export interface ProgressOptions {
  readonly keeper: PartitionKeeper;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly view: Pick<ClusterView, "ready">;
  readonly groups: GroupsView;
  /** What groups have processed of a partition, as applied on this broker. */
  readonly tableOf: (id: ReplicaSetId) => ProgressTable | undefined;
  /** How long a commit, or the confirmation of a read point, may take. */
  readonly confirmMsMax: number;
}

/** What consumer groups have processed of the partitions that this broker leads. */
export class GroupsProgress implements ProgressPlane {
  readonly #options: ProgressOptions;
  readonly #owners: GroupOwners;
  readonly #leading = new WeakMap<Replica, LeadingProgress>();

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#owners = new GroupOwners(options.groups, options.deadlines);
  }

  async commitProgress(commit: ProgressCommit): ReturnType<ProgressPlane["commitProgress"]> {
    const { replica } = this.#options.keeper.serving(commit);
    const leading = this.#of(replica, commit);
    const { group, memberId, generation } = commit;
    const info = await this.#owners.check({ ...commit, replicaSetId: replica.replicaSetId });
    checkOffset(commit, replica);
    const known = leading.table.get(group);
    if (known !== undefined && known.generation > generation) throw staleGeneration(commit, known.generation);
    const isThere = memberId !== "" && known?.offset !== undefined && known.generation === generation && commit.offset <= known.offset;
    // It is on W disks already, and to say it again would only make the log longer.
    if (isThere) return { offset: known.offset, term: replica.term };
    const claim: ProgressLine = { kind: "claim", group, generation, since: info.begunAfter };
    const line: ProgressLine = { kind: memberId === "" ? "reset" : "commit", group, generation, offset: commit.offset };
    const { accepted, progress, term } = await this.#write(leading, commit, known?.generation === generation ? [line] : [claim, line]);
    if (!accepted || progress?.offset === undefined) throw staleGeneration(commit, progress?.generation ?? generation);
    return { offset: progress.offset, term };
  }

  async progress(query: ProgressQuery): Promise<Progress> {
    const { replica } = this.#options.keeper.serving(query);
    const leading = this.#of(replica, query);
    if (query.owner !== undefined) return this.#answer(query, replica, await this.#claimed(query, query.owner, replica));
    await confirm(this.#options, query, replica);
    const known = leading.table.get(query.group);
    return this.#answer(query, replica, known !== undefined && this.#isGone(query.group, known.generation) ? undefined : known);
  }

  /** Lets go what this partition knows of groups that are gone. */
  forgetGone(replica: Replica, at: TopicPartition): void {
    // As long as the metadata is not all read, what is missing in it says nothing.
    if (!this.#options.view.ready || !replica.serving || this.#options.tableOf(replica.replicaSetId) === undefined) return;
    this.#of(replica, at).forget((group, generation) => this.#isGone(group, generation));
  }

  close(): void {
    this.#owners.close();
  }

  /** What is committed as of the moment from which on nobody of an older generation commits. */
  async #claimed(query: ProgressQuery, { memberId, generation }: NonNullable<ProgressQuery["owner"]>, replica: Replica): Promise<GroupProgress> {
    const leading = this.#of(replica, query);
    const claim = { ...query, memberId, generation };
    const { begunAfter }: GroupInfo = await this.#owners.check({ ...claim, replicaSetId: replica.replicaSetId });
    let known = leading.table.get(query.group);
    if (known?.generation === generation) {
      await confirm(this.#options, query, replica);
      known = leading.table.get(query.group);
    } else if (known === undefined || known.generation < generation) {
      known = (await this.#write(leading, query, [{ kind: "claim", group: query.group, generation, since: begunAfter }])).progress;
    }
    if (known?.generation !== generation) throw staleGeneration(claim, known?.generation ?? generation);
    return known;
  }

  async #answer({ group, ...at }: ProgressQuery, replica: Replica, known: GroupProgress | undefined): Promise<Progress> {
    const { clock } = this.#options;
    const leading = this.#of(replica, at);
    const { term, highWatermark } = replica;
    const logStartOffset = earliestOffset(replica);
    const next = offset(Math.max(known?.offset ?? 0, logStartOffset));
    const oldestMs = next < highWatermark ? await leading.times.at(next) : undefined;
    return {
      offset: known?.offset,
      generation: known?.generation ?? 0,
      committedMs: known?.committedMs ?? 0,
      logStartOffset,
      highWatermark,
      lagMs: oldestMs === undefined ? 0 : Math.max(0, clock.wallMs() - oldestMs),
      recordsPerSecond: leading.rateOf(group),
      term,
    };
  }

  /** Whether a group that had this generation is no more: a newer one of the same name has nothing to do with it. */
  #isGone(group: string, generation: number): boolean {
    const { groups } = this.#options;
    const info = groups.group(group);
    return generation <= (info?.begunAfter ?? groups.newestGeneration);
  }

  #write(leading: LeadingProgress, at: TopicPartition, lines: readonly ProgressLine[]): Promise<WrittenProgress> {
    const { keeper, deadlines, confirmMsMax } = this.#options;
    let takeBack = (): boolean => false;
    const late = (): QuireError => notConfirmed(at, confirmMsMax, { isWaiting: takeBack() });
    return deadlines.within(confirmMsMax, late, (resolve, reject) => {
      try {
        takeBack = leading.write(lines, (outcome) => (outcome instanceof Error ? reject(keeper.explain(at, outcome)) : resolve(outcome)));
      } catch (refusal) {
        if (!(refusal instanceof QuireError)) throw refusal;
        reject(refusal);
      }
    });
  }

  #of(replica: Replica, at: TopicPartition): LeadingProgress {
    let leading = this.#leading.get(replica);
    if (leading === undefined) {
      const table = this.#options.tableOf(replica.replicaSetId);
      assert(table !== undefined, "a partition's replica has a table of progress");
      leading = new LeadingProgress({ name: `${at.topic}/${at.partition}`, replica, table, groupsMax: limits.groupsPerPartition, clock: this.#options.clock });
      this.#leading.set(replica, leading);
    }
    return leading;
  }
}

/** What was processed and is kept no more is processed all the same; what is not there cannot be. */
function checkOffset({ topic, partition, offset: committed }: TopicPartition & { readonly offset: Offset }, replica: Replica): void {
  const latest = replica.highWatermark;
  if (committed >= 0 && committed <= latest) return;
  throw new QuireError("OFFSET_OUT_OF_RANGE", `offset ${committed} of ${topic}/${partition} cannot be committed; records end at ${latest}`, {
    details: { topic, partition, offset: committed, earliest: earliestOffset(replica), latest, term: replica.term },
  });
}

function notConfirmed({ topic, partition }: TopicPartition, ms: number, { isWaiting }: { readonly isWaiting: boolean }): QuireError {
  const details = { topic, partition };
  if (isWaiting) {
    return new QuireError("QUORUM_UNAVAILABLE", `too few replicas of ${topic}/${partition} confirmed anything within ${ms} ms; nothing was committed`, {
      details,
      retryAfterMs: 500,
    });
  }
  return new QuireError("WRITE_OUTCOME_UNKNOWN", `the commit for ${topic}/${partition} was not confirmed within ${ms} ms; sending it again does no harm`, {
    details,
  });
}
