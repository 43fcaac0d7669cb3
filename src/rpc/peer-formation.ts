/** The unary calls between brokers: finding each other before there is a cluster, and joining one. */
import * as grpc from "@grpc/grpc-js";
import { QuireError } from "../base/errors.js";
import { nodeId, replicaId } from "../base/ids.js";
import { limits } from "../base/limits.js";
import type { Clock } from "../base/ports.js";
import type { FormationPeers, FormationState, ProbeAnswer } from "../cluster/formation-types.js";
import type { BrokerInfo, BrokerRegistration } from "../cluster/view.js";
import { callUnary } from "../wire/call.js";
import { peerChannelOptions } from "../wire/channel-options.js";
import type { Init } from "../wire/messages.js";
import type { UnaryMethod } from "../wire/method.js";
import type { Dial } from "../wire/transport.js";
import { FORWARDED_KEY } from "./call-context.js";
import { type BrokerMessage, type ProbeResponse, peerService } from "./peer-protocol.js";

const TIMEOUT_MS = 5_000;

const STATES = ["empty", "joining", "formed"] as const satisfies readonly FormationState[];

/** Calls by peer address, each on a connection of its own: they are rare, and the address may be anyone's. */
export class GrpcFormationPeers implements FormationPeers {
  readonly #dial: Dial;
  readonly #clock: Clock;

  constructor(dial: Dial, clock: Clock) {
    this.#dial = dial;
    this.#clock = clock;
  }

  async probe(peerAddress: string): Promise<ProbeAnswer> {
    return probeAnswerOf(await this.#call(peerAddress, peerService.Probe, {}));
  }

  async found(peerAddress: string, foundingRecord: Buffer): Promise<void> {
    await this.#call(peerAddress, peerService.Found, { foundingRecord });
  }

  register(peerAddress: string, broker: BrokerInfo): Promise<BrokerRegistration> {
    return this.#register(peerAddress, broker, new grpc.Metadata());
  }

  /** For a broker that was asked and is not the controller: the controller must decide, nobody else. */
  forwardRegister(controllerAddress: string, broker: BrokerInfo): Promise<BrokerRegistration> {
    const metadata = new grpc.Metadata();
    metadata.set(FORWARDED_KEY, "1");
    return this.#register(controllerAddress, broker, metadata);
  }

  async #register(address: string, broker: BrokerInfo, metadata: grpc.Metadata): Promise<BrokerRegistration> {
    const { metadataReplicaId } = await this.#call(address, peerService.RegisterBroker, { broker }, metadata);
    return { metadataReplicaId: replicaId(metadataReplicaId) };
  }

  async #call<Request, Response>(
    address: string,
    method: UnaryMethod<Request, Response>,
    request: Init<Request>,
    metadata: grpc.Metadata = new grpc.Metadata(),
  ): Promise<Response> {
    const channel = this.#dial(address, peerChannelOptions);
    try {
      return await callUnary(channel, method, request, { deadline: this.#clock.wallMs() + TIMEOUT_MS, metadata });
    } finally {
      channel.close();
    }
  }
}

function probeAnswerOf(response: ProbeResponse): ProbeAnswer {
  const state = STATES[response.state - 1];
  if (state === undefined) throw new QuireError("UNSUPPORTED", `the broker is in formation state ${response.state}, which this release does not know`);
  return {
    broker: brokerInfoOf(response.broker),
    state,
    founders: response.founders,
    ...(response.clusterId !== undefined && { clusterId: response.clusterId }),
    ...(response.foundingRecord !== undefined && { foundingRecord: response.foundingRecord }),
  };
}

export const probeResponseOf = (answer: ProbeAnswer): Init<ProbeResponse> => ({ ...answer, state: STATES.indexOf(answer.state) + 1 });

/** @throws QuireError INVALID_FIELD */
export function brokerInfoOf(message: BrokerMessage | null): BrokerInfo {
  const invalid = (field: string, description: string): QuireError =>
    new QuireError("INVALID_FIELD", `broker.${field} ${description}`, { fields: [{ field: `broker.${field}`, description }] });
  if (message === null) throw new QuireError("INVALID_FIELD", "broker is missing", { fields: [{ field: "broker", description: "is missing" }] });
  if (message.nodeId < 1 || message.nodeId > limits.nodeIdMax) throw invalid("node_id", `is ${message.nodeId}; it must be from 1 to ${limits.nodeIdMax}`);
  for (const [field, value] of [
    ["incarnation", message.incarnation],
    ["address", message.address],
    ["peer_address", message.peerAddress],
  ] as const) {
    if (value === "") throw invalid(field, "is empty");
  }
  const { incarnation, address, peerAddress, rack } = message;
  return { nodeId: nodeId(message.nodeId), incarnation, address, peerAddress, rack };
}
