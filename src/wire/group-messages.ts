/** Messages of quire/v1/group.proto; see messages.ts for how they map. */
import type { PartitionLeaderMessage, PositionMessage, StatusMessage } from "./messages.js";

export const AssignmentStrategyCode = { unspecified: 0, range: 1, uniform: 2, sticky: 3 } as const;
export const GroupStateCode = { unspecified: 0, empty: 1, stable: 2, reconciling: 3 } as const;

export type JoinRequest =
  | { readonly step: "enter"; readonly enter: JoinEnter }
  | { readonly step: "heartbeat"; readonly heartbeat: JoinNothing }
  | { readonly step: "holding"; readonly holding: JoinHolding }
  | { readonly step: "leave"; readonly leave: JoinNothing }
  | { readonly step?: undefined };
export interface JoinEnter {
  readonly group: string;
  readonly memberId: string;
  readonly instanceId: string;
  readonly clientId: string;
  readonly topics: readonly string[];
  readonly pattern: string;
  /** One of `AssignmentStrategyCode`, or a number this version does not know. */
  readonly strategy: number;
  readonly sessionTimeoutMs: number;
  readonly holding: readonly OwnedPartitionMessage[];
}
export interface JoinHolding {
  readonly version: number;
  readonly partitions: readonly OwnedPartitionMessage[];
}
export type JoinNothing = Readonly<Record<string, never>>;
export interface OwnedPartitionMessage {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
}

export type JoinResponse =
  | { readonly step: "entered"; readonly entered: JoinEntered }
  | { readonly step: "assignment"; readonly assignment: JoinAssignment }
  | { readonly step: "heartbeat"; readonly heartbeat: JoinNothing }
  | { readonly step?: undefined };
export interface JoinEntered {
  readonly heartbeatIntervalMs: number;
  readonly sessionTimeoutMs: number;
  readonly strategy: number;
  readonly coordinatorNodeId: number;
}
export interface JoinAssignment {
  readonly version: number;
  readonly partitions: readonly OwnedPartitionMessage[];
}

export interface CommitOffsetsRequest {
  readonly group: string;
  readonly memberId: string;
  readonly commits: readonly OffsetCommitMessage[];
}
export interface OffsetCommitMessage {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
  readonly offset: number;
}
export interface CommitOffsetsResponse {
  readonly answers: readonly CommitAnswer[];
}
export interface CommitAnswer {
  readonly offset: number;
  readonly leader: PartitionLeaderMessage | null;
  readonly error: StatusMessage | null;
}

export interface FetchOffsetsRequest {
  readonly group: string;
  readonly memberId: string;
  readonly fetches: readonly OffsetFetchMessage[];
}
export interface OffsetFetchMessage {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
}
export interface FetchOffsetsResponse {
  readonly answers: readonly OffsetFetchAnswer[];
}
export interface OffsetFetchAnswer {
  readonly offset?: number;
  readonly generation: number;
  readonly committedMs: number;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly lagMs: number;
  readonly recordsPerSecond: number;
  readonly leader: PartitionLeaderMessage | null;
  readonly error: StatusMessage | null;
}

export interface ListGroupsRequest {
  readonly pageSize: number;
  readonly pageToken: string;
  readonly namePrefix: string;
}
export interface ListGroupsResponse {
  readonly groups: readonly GroupSummaryMessage[];
  readonly nextPageToken: string;
}
export interface GroupSummaryMessage {
  readonly name: string;
  /** One of `GroupStateCode`. */
  readonly state: number;
  readonly members: number;
  readonly topics: readonly string[];
  readonly coordinatorNodeId: number;
  readonly strategy: number;
}
export interface DescribeGroupRequest {
  readonly group: string;
}
export interface DescribeGroupResponse {
  readonly summary: GroupSummaryMessage | null;
  readonly members: readonly GroupMemberMessage[];
  readonly partitions: readonly GroupPartitionMessage[];
}
export interface GroupMemberMessage {
  readonly memberId: string;
  readonly instanceId: string;
  readonly clientId: string;
  readonly address: string;
  readonly topics: readonly string[];
  readonly pattern: string;
  readonly sessionTimeoutMs: number;
  readonly silentMs: number;
  readonly partitions: number;
}
export interface GroupPartitionMessage {
  readonly topic: string;
  readonly partition: number;
  readonly memberId: string;
  readonly generation: number;
  readonly nextMemberId: string;
  readonly progress: OffsetFetchAnswer | null;
}
export interface ResetOffsetsRequest {
  readonly group: string;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
  readonly position: PositionMessage | null;
  readonly validateOnly: boolean;
}
export interface ResetOffsetsResponse {
  readonly answers: readonly ResetAnswer[];
}
export interface ResetAnswer {
  readonly topic: string;
  readonly partition: number;
  readonly offsetBefore?: number;
  readonly offset: number;
  readonly error: StatusMessage | null;
}
export interface DeleteGroupRequest {
  readonly group: string;
}
