/** Options of every gRPC channel and server, from `base/limits`, in one place. */
import type { ChannelOptions } from "@grpc/grpc-js";
import { limits, MIB } from "../base/limits.js";

/** Of channels to a broker's public address, of clients and of brokers that forward. */
export const clientChannelOptions = {
  "grpc-node.flow_control_window": limits.flowControlWindowBytes,
  "grpc.max_receive_message_length": limits.responseBytes + MIB,
  "grpc.max_send_message_length": limits.requestBytes,
  // Retries live in one layer, the client library; gRPC's own would repeat writes unseen, and buffer each message until the first answer.
  "grpc.enable_retries": 0,
  // Brokers are dialled directly: a proxy set for the web would catch loopback addresses too.
  "grpc.enable_http_proxy": 0,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 500,
} as const satisfies ChannelOptions;

/** Of channels between brokers. Each has a connection of its own, so that a megabyte never delays a heartbeat. */
export const peerChannelOptions = {
  ...clientChannelOptions,
  "grpc.max_receive_message_length": limits.peerMessageBytes + MIB,
  "grpc.max_send_message_length": limits.peerMessageBytes + MIB,
  "grpc.use_local_subchannel_pool": 1,
} as const satisfies ChannelOptions;

/** Of the server that clients talk to. */
export const publicServerOptions = {
  "grpc.max_receive_message_length": limits.requestBytes,
  "grpc.max_send_message_length": limits.responseBytes + MIB,
} as const satisfies ChannelOptions;

/** Of the server that brokers talk to. */
export const peerServerOptions = {
  "grpc.max_receive_message_length": limits.peerMessageBytes + MIB,
  "grpc.max_send_message_length": limits.peerMessageBytes + MIB,
} as const satisfies ChannelOptions;
