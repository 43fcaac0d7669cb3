import type { GroupChange, GroupInfo, GroupMemberInfo } from "../../src/cluster/group-info.js";
import { node } from "./examples.js";

export const member = (memberId: string, rest: Partial<GroupMemberInfo> = {}): GroupMemberInfo => ({
  memberId,
  instanceId: "",
  clientId: `client of ${memberId}`,
  sessionTimeoutMs: 10_000,
  topics: ["orders"],
  pattern: "",
  ...rest,
});

/** A change of a group as it is now. */
export const change = (before: GroupInfo | undefined, rest: Partial<GroupChange> = {}): GroupChange => ({
  group: before?.name ?? "billing",
  version: before?.version ?? 0,
  coordinator: node(1),
  strategy: "uniform",
  nowMs: 1_000,
  ...rest,
});
