import { QuireError } from "../base/errors.js";
import type { ReplicaSetId } from "../base/ids.js";
import type { GroupInfo, GroupsView } from "../cluster/group-info.js";
import type { TopicPartition } from "../cluster/view.js";
import type { Deadlines, Expiring } from "./deadlines.js";

/** Who wants to write progress of a partition. */
export interface OwnerClaim extends TopicPartition {
  readonly replicaSetId: ReplicaSetId;
  readonly group: string;
  /** Empty for a reset. */
  readonly memberId: string;
  readonly generation: number;
}

/** How long a generation that is not known here yet is waited for: the metadata says it to all brokers within milliseconds. */
const AWAIT_MS_MAX = 1_000;

interface Waiter extends Expiring {
  readonly generation: number;
  readonly wake: () => void;
}

/**
 * Whether a member owns a partition, as the cluster metadata applied here says. It may be older than the truth: what keeps former owners out for certain
 * is the claim of the next one in the partition's own log.
 */
export class GroupOwners {
  readonly #groups: GroupsView;
  readonly #deadlines: Deadlines;
  readonly #waiters = new Set<Waiter>();
  #unwatch: (() => void) | undefined;

  constructor(groups: GroupsView, deadlines: Deadlines) {
    this.#groups = groups;
    this.#deadlines = deadlines;
  }

  /** The group, when the claim is as the metadata has it. @throws QuireError GROUP_NOT_FOUND, GROUP_NOT_EMPTY, PARTITION_NOT_OWNED, STALE_GENERATION, NOT_READY */
  async check(claim: OwnerClaim): Promise<GroupInfo> {
    if (claim.generation > this.#groups.newestGeneration) await this.#heardOf(claim.generation);
    const { newestGeneration } = this.#groups;
    if (claim.generation > newestGeneration) throw notHeardOf(claim, newestGeneration);
    const group = this.#groups.group(claim.group);
    if (group === undefined) throw refusal("GROUP_NOT_FOUND", claim, "there is no such group (any more)");
    if (claim.memberId === "") checkReset(claim, group);
    else checkOwner(claim, group);
    return group;
  }

  /** Nobody waits any longer. */
  close(): void {
    for (const waiter of [...this.#waiters]) waiter.wake();
  }

  /** Resolves when the metadata has got so far, or when that took too long. */
  #heardOf(generation: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(waiter);
        slot.delete(waiter);
        if (this.#waiters.size === 0) this.#stopWatching();
        resolve();
      };
      const waiter: Waiter = { generation, wake, expire: wake };
      const slot = this.#deadlines.add(waiter, AWAIT_MS_MAX);
      this.#waiters.add(waiter);
      this.#unwatch ??= this.#groups.watchGroups(() => this.#wake());
    });
  }

  #wake(): void {
    const { newestGeneration } = this.#groups;
    for (const waiter of [...this.#waiters]) if (waiter.generation <= newestGeneration) waiter.wake();
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }
}

function checkOwner(claim: OwnerClaim, { owners, begunAfter }: GroupInfo): void {
  const owner = owners.get(claim.replicaSetId);
  if (owner?.memberId === claim.memberId && owner.generation === claim.generation) return;
  if (claim.generation <= begunAfter) throw staleGeneration(claim, begunAfter + 1);
  if (owner !== undefined && owner.generation > claim.generation) throw staleGeneration(claim, owner.generation);
  throw refusal("PARTITION_NOT_OWNED", claim, owner === undefined ? "nobody owns it at the moment" : "another member owns it");
}

function checkReset(claim: OwnerClaim, { members, generation }: GroupInfo): void {
  if (members.size > 0) {
    throw refusal("GROUP_NOT_EMPTY", claim, `the group has ${members.size} members; offsets are moved while it has none: stop its consumers first`);
  }
  if (claim.generation < generation) throw staleGeneration(claim, generation);
  if (claim.generation > generation) throw refusal("PARTITION_NOT_OWNED", claim, `the group's newest generation is ${generation}`);
}

/** The partition has changed hands since: whoever asks is a former owner. */
export const staleGeneration = (claim: Omit<OwnerClaim, "replicaSetId">, current: number): QuireError =>
  refusal("STALE_GENERATION", claim, `it has changed hands since, in generation ${current}; drop it, and go on with what the newest assignment says`, {
    currentGeneration: current,
  });

const notHeardOf = (claim: OwnerClaim, newest: number): QuireError =>
  refusal("NOT_READY", claim, `this broker has heard of generations up to ${newest} only; try again in a moment`, { newestGeneration: newest }, 100);

function refusal(
  reason: "GROUP_NOT_FOUND" | "GROUP_NOT_EMPTY" | "PARTITION_NOT_OWNED" | "STALE_GENERATION" | "NOT_READY",
  { topic, partition, group, memberId, generation }: Omit<OwnerClaim, "replicaSetId">,
  why: string,
  details: Readonly<Record<string, number>> = {},
  retryAfterMs?: number,
): QuireError {
  const who = memberId === "" ? "a reset" : `member ${memberId}`;
  return new QuireError(reason, `${topic}/${partition} takes nothing of group ${group} from ${who} in generation ${generation}: ${why}`, {
    details: { topic, partition, group, memberId, generation, ...details },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
