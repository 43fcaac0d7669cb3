/** The public services, loaded once. Hot methods have codecs made by hand; all else is proto-loader's. */
import type * as admin from "./admin-messages.js";
import { fetchRequestCodec, fetchResponseCodec } from "./fetch-codec.js";
import type * as group from "./group-messages.js";
import type * as messages from "./messages.js";
import { type BidiMethod, loadProto, type ServerStreamMethod, serializedOnce, service, type UnaryMethod } from "./method.js";
import { produceRequestCodec, produceResponseCodec } from "./produce-codec.js";
import { publicProtoFiles } from "./proto-root.js";
import { subscribeRequestCodec, subscribeResponseCodec } from "./subscribe-codec.js";

const definitions = loadProto(publicProtoFiles);

// Type aliases rather than interfaces: grpc-js wants an index signature, which only these have.

export type ProduceService = {
  readonly Produce: BidiMethod<messages.ProduceRequest, messages.ProduceResponse>;
  readonly Append: UnaryMethod<messages.AppendRequest, messages.AppendResponse>;
  readonly InitProducer: UnaryMethod<messages.InitProducerRequest, messages.InitProducerResponse>;
};
export const produceService = service<ProduceService>(definitions, "quire.v1.ProduceService", {
  Produce: { request: produceRequestCodec, response: produceResponseCodec },
});

export type FetchService = {
  readonly Fetch: UnaryMethod<messages.FetchRequest, messages.FetchResponse>;
  readonly Subscribe: BidiMethod<messages.SubscribeRequest, messages.SubscribeResponse>;
  readonly ListOffsets: UnaryMethod<messages.ListOffsetsRequest, messages.ListOffsetsResponse>;
};
export const fetchService = service<FetchService>(definitions, "quire.v1.FetchService", {
  Fetch: { request: fetchRequestCodec, response: fetchResponseCodec },
  Subscribe: { request: subscribeRequestCodec, response: subscribeResponseCodec },
});

export type GroupService = {
  readonly Join: BidiMethod<group.JoinRequest, group.JoinResponse>;
  readonly CommitOffsets: UnaryMethod<group.CommitOffsetsRequest, group.CommitOffsetsResponse>;
  readonly FetchOffsets: UnaryMethod<group.FetchOffsetsRequest, group.FetchOffsetsResponse>;
  readonly ListGroups: UnaryMethod<group.ListGroupsRequest, group.ListGroupsResponse>;
  readonly DescribeGroup: UnaryMethod<group.DescribeGroupRequest, group.DescribeGroupResponse>;
  readonly ResetOffsets: UnaryMethod<group.ResetOffsetsRequest, group.ResetOffsetsResponse>;
  readonly DeleteGroup: UnaryMethod<group.DeleteGroupRequest, messages.Empty>;
};
export const groupService = service<GroupService>(definitions, "quire.v1.GroupService");

export type ClusterService = {
  readonly GetMetadata: UnaryMethod<admin.GetMetadataRequest, admin.GetMetadataResponse>;
  readonly WatchMetadata: ServerStreamMethod<admin.WatchMetadataRequest, admin.WatchMetadataResponse>;
  readonly DescribeCluster: UnaryMethod<messages.Empty, admin.DescribeClusterResponse>;
};
const cluster = service<ClusterService>(definitions, "quire.v1.ClusterService");
export const clusterService: ClusterService = {
  ...cluster,
  // All watchers are told the same.
  WatchMetadata: { ...cluster.WatchMetadata, responseSerialize: serializedOnce(cluster.WatchMetadata.responseSerialize) },
};

export type AdminService = {
  readonly CreateTopic: UnaryMethod<admin.CreateTopicRequest, admin.CreateTopicResponse>;
  readonly GetTopic: UnaryMethod<admin.GetTopicRequest, admin.GetTopicResponse>;
  readonly ListTopics: UnaryMethod<admin.ListTopicsRequest, admin.ListTopicsResponse>;
  readonly UpdateTopic: UnaryMethod<admin.UpdateTopicRequest, admin.UpdateTopicResponse>;
  readonly DeleteTopic: UnaryMethod<admin.DeleteTopicRequest, messages.Empty>;
  readonly TransferLeader: UnaryMethod<admin.TransferLeaderRequest, messages.Empty>;
  readonly TrimRecords: UnaryMethod<admin.TrimRecordsRequest, admin.TrimRecordsResponse>;
};
export const adminService = service<AdminService>(definitions, "quire.v1.AdminService");
