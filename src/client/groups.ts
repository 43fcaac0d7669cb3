/** Looking at consumer groups, and moving their offsets. */
import { QuireError } from "../base/errors.js";
import { checkGroupName } from "../base/names.js";
import {
  AssignmentStrategyCode,
  type GroupPartitionMessage,
  GroupStateCode,
  type GroupSummaryMessage,
  type OffsetFetchAnswer,
  type ResetAnswer,
} from "../wire/group-messages.js";
import { NamedPosition, type PositionMessage } from "../wire/messages.js";
import { groupService } from "../wire/services.js";
import { fromStatus } from "../wire/status.js";
import type { CallLimits } from "./calls.js";
import type { Strategy } from "./consume/consume-options.js";
import type { Metadata } from "./metadata.js";
import { checkNames, refuse } from "./options.js";

/** `reconciling`: partitions are changing hands. */
export type GroupState = "empty" | "stable" | "reconciling" | "unknown";

export interface GroupSummary {
  readonly name: string;
  readonly state: GroupState;
  readonly members: number;
  /** That members subscribe to, or did last. */
  readonly topics: readonly string[];
  /** Node id; undefined while there is none. */
  readonly coordinator: number | undefined;
  readonly strategy: Strategy | undefined;
}

export interface GroupMemberDescription {
  readonly memberId: string;
  /** Undefined: none. */
  readonly instance: string | undefined;
  readonly clientId: string;
  /** Where it speaks from; undefined while it is not connected. */
  readonly address: string | undefined;
  readonly topics: readonly string[];
  readonly pattern: string;
  readonly sessionTimeoutMs: number;
  readonly silentMs: number;
  /** How many it owns. */
  readonly partitions: number;
}

export interface GroupPartitionDescription {
  readonly topic: string;
  readonly partition: number;
  /** Member id; undefined: nobody. */
  readonly owner: string | undefined;
  /** Who waits for it. */
  readonly next: string | undefined;
  readonly generation: number;
  /** Undefined when nothing is. */
  readonly committed: number | undefined;
  /** Milliseconds since 1970; undefined when nothing is committed. */
  readonly committedMs: number | undefined;
  readonly earliest: number | undefined;
  readonly latest: number | undefined;
  /** Records that are not processed. */
  readonly lag: number | undefined;
  /** Age of the oldest of them. */
  readonly lagMs: number | undefined;
  /** Processed per second, over the last half minute or so. */
  readonly recordsPerSecond: number | undefined;
  /** Why its offsets are not known. */
  readonly error: QuireError | undefined;
}

export interface GroupDescription extends GroupSummary {
  readonly memberList: readonly GroupMemberDescription[];
  readonly partitions: readonly GroupPartitionDescription[];
}

export interface ResetGroupOptions extends CallLimits {
  /** By topic, the partitions; none: all. */
  readonly topics: Readonly<Record<string, readonly number[]>> | readonly string[];
  /** An offset must be kept or be the end. */
  readonly to: "earliest" | "latest" | Date | { readonly timestampMs: number } | { readonly offset: number };
  /** Only say what would be done. */
  readonly validateOnly?: boolean;
}

export interface ResetPartition {
  readonly topic: string;
  readonly partition: number;
  /** Undefined when nothing was committed. */
  readonly before: number | undefined;
  /** Undefined when it was not moved. */
  readonly offset: number | undefined;
  readonly error: QuireError | undefined;
}

const PAGE_SIZE = 1_000;
const RESET_NAMES = ["topics", "to", "validateOnly", "timeoutMs", "signal"];

export class Groups {
  readonly #metadata: Metadata;
  readonly #adminTimeoutMs: number;

  /** @internal */
  constructor(metadata: Metadata, adminTimeoutMs: number) {
    this.#metadata = metadata;
    this.#adminTimeoutMs = adminTimeoutMs;
  }

  /** All by name, or those whose name begins with `prefix`. */
  async list({ prefix = "", ...limits }: CallLimits & { readonly prefix?: string } = {}): Promise<readonly GroupSummary[]> {
    const groups: GroupSummary[] = [];
    for (let pageToken = ""; ; ) {
      const page = await this.#metadata.calls.call(groupService.ListGroups, { pageSize: PAGE_SIZE, pageToken, namePrefix: prefix }, limits);
      groups.push(...page.groups.map(summary));
      if (page.nextPageToken === "") return groups;
      pageToken = page.nextPageToken;
    }
  }

  /** Members, who owns what, offsets and lag. @throws QuireError GROUP_NOT_FOUND, INVALID_NAME */
  async describe(group: string, limits: CallLimits = {}): Promise<GroupDescription> {
    checkGroupName(group);
    const described = await this.#metadata.calls.call(groupService.DescribeGroup, { group }, limits);
    if (described.summary === null) throw new QuireError("INTERNAL", "the broker's answer lacks the group");
    return {
      ...summary(described.summary),
      memberList: described.members.map(({ instanceId, address, ...member }) => ({
        ...member,
        instance: instanceId === "" ? undefined : instanceId,
        address: address === "" ? undefined : address,
      })),
      partitions: described.partitions.map(partitionDescription),
    };
  }

  /**
   * Moves the offsets of a group that has no members; one that does not exist is begun. Each partition has its own answer.
   *
   * @throws QuireError GROUP_NOT_EMPTY, TOPIC_NOT_FOUND, PARTITION_NOT_FOUND, INVALID_FIELD, INVALID_NAME
   */
  async reset(group: string, options: ResetGroupOptions): Promise<readonly ResetPartition[]> {
    checkGroupName(group);
    checkNames("reset", options, RESET_NAMES);
    const { topics, to, validateOnly = false, ...limits } = options;
    const list = Array.isArray(topics) ? topics.map((topic: string) => [topic, []] as const) : Object.entries(topics as Record<string, readonly number[]>);
    if (list.length === 0) refuse("topics", "topics names at least one topic");
    const request = { group, topics: list.map(([topic, partitions]) => ({ topic, partitions })), position: positionOf(to), validateOnly };
    const { answers } = await this.#metadata.calls.call(groupService.ResetOffsets, request, { timeoutMs: this.#adminTimeoutMs, ...limits });
    return answers.map(resetPartition);
  }

  /** Forgets a group that has no members, and its offsets. @throws QuireError GROUP_NOT_FOUND, GROUP_NOT_EMPTY, INVALID_NAME */
  async delete(group: string, limits: CallLimits = {}): Promise<void> {
    checkGroupName(group);
    let mayBeDone = false;
    try {
      await this.#metadata.calls.call(groupService.DeleteGroup, { group }, { timeoutMs: this.#adminTimeoutMs, ...limits }, () => {
        mayBeDone = true;
      });
    } catch (error) {
      if (!(mayBeDone && error instanceof QuireError && error.reason === "GROUP_NOT_FOUND")) throw error;
    }
  }
}

function nameOf<Name extends string>(codes: Readonly<Record<Name, number>>, code: number): Name | undefined {
  return (Object.keys(codes) as Name[]).find((name) => codes[name] === code);
}

function summary({ name, state, members, topics, coordinatorNodeId, strategy }: GroupSummaryMessage): GroupSummary {
  const stateName = nameOf(GroupStateCode, state) ?? "unspecified";
  const strategyName = nameOf(AssignmentStrategyCode, strategy) ?? "unspecified";
  return {
    name,
    state: stateName === "unspecified" ? "unknown" : stateName,
    members,
    topics,
    coordinator: coordinatorNodeId === 0 ? undefined : coordinatorNodeId,
    strategy: strategyName === "unspecified" ? undefined : strategyName,
  };
}

function partitionDescription({ topic, partition, memberId, nextMemberId, generation, progress }: GroupPartitionMessage): GroupPartitionDescription {
  const known = progress === null || progress.error !== null ? undefined : progress;
  return {
    topic,
    partition,
    owner: memberId === "" ? undefined : memberId,
    next: nextMemberId === "" ? undefined : nextMemberId,
    generation,
    committed: known?.offset,
    committedMs: known?.offset === undefined ? undefined : known.committedMs,
    earliest: known?.logStartOffset,
    latest: known?.highWatermark,
    lag: known === undefined ? undefined : lagOf(known),
    lagMs: known?.lagMs,
    recordsPerSecond: known?.recordsPerSecond,
    error: progress?.error == null ? undefined : fromStatus(progress.error),
  };
}

const lagOf = ({ offset, logStartOffset, highWatermark }: OffsetFetchAnswer): number =>
  Math.max(0, highWatermark - Math.max(offset ?? logStartOffset, logStartOffset));

function resetPartition({ topic, partition, offset, error, offsetBefore }: ResetAnswer): ResetPartition {
  const refused = error === null ? undefined : fromStatus(error);
  return { topic, partition, before: offsetBefore, offset: refused === undefined ? offset : undefined, error: refused };
}

function positionOf(to: ResetGroupOptions["to"]): PositionMessage {
  if (to === "earliest" || to === "latest") return { position: "named", named: NamedPosition[to] };
  if (to instanceof Date) return { position: "timestampMs", timestampMs: to.getTime() };
  if (typeof to === "object" && to !== null && "offset" in to) return { position: "offset", offset: wholeFrom0("offset", to.offset) };
  if (typeof to === "object" && to !== null && "timestampMs" in to) return { position: "timestampMs", timestampMs: wholeFrom0("timestampMs", to.timestampMs) };
  return refuse("to", `to is ${JSON.stringify(to)}; use "earliest", "latest", a Date, { timestampMs } or { offset }`);
}

function wholeFrom0(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  return refuse(`to.${name}`, `to.${name} is ${String(value)}; use a whole number from 0 on`);
}
