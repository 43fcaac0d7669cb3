/** The whole public surface of the TypeScript client. */
export { QuireError, type Reason } from "../base/errors.js";
export type { AcksName, CompressionName } from "../base/record-batch.js";
export type { ClusterDescription, CreateTopicOptions, PartitionDescription, TopicDescription, TopicSettings, UpdateTopicOptions } from "./admin.js";
export type { CallLimits } from "./calls.js";
export { connect, type Quire, type TopicOptions } from "./connect.js";
export type {
  ConsumeEachOptions,
  ConsumeOptions,
  ConsumeSubscription,
  ConsumeTopicsOptions,
  OnFailure,
  RetryOptions,
  Strategy,
} from "./consume/consume-options.js";
export type { AssignedPartition, Consumer, PausedPartition } from "./consume/consumer.js";
export { type Handler, type HandlerContext, HandlerFailure } from "./consume/handling.js";
export type {
  GroupDescription,
  GroupMemberDescription,
  GroupPartitionDescription,
  GroupState,
  GroupSummary,
  Groups,
  ResetGroupOptions,
  ResetPartition,
} from "./groups.js";
export type { ConnectOptions } from "./options.js";
export type { Offsets, ReadFrom, ReadOptions, ReadTo } from "./read-options.js";
export type { Reader } from "./reader.js";
export type { ReceivedBatch, ReceivedRecord, RecordHeader } from "./record.js";
export type { Headers, Key, SendAllOptions, SendAllResult, SendOptions, SendResult } from "./send.js";
export { bytes, json, type Serializer, text } from "./serializers.js";
export type { Topic } from "./topic.js";
