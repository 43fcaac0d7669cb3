/** The server side of `PeerService`: hands streams to the peer network and questions to whom they concern. */
import type * as grpc from "@grpc/grpc-js";
import { QuireError, toQuireError } from "../base/errors.js";
import { decodeCommand } from "../cluster/commands.js";
import type { FormationHandler } from "../cluster/formation-types.js";
import type { GroupChange, GroupInfo } from "../cluster/group-info.js";
import type { BrokerInfo, BrokerRegistration, ClusterAdmin } from "../cluster/view.js";
import type { Handlers } from "../wire/method.js";
import { toServiceError } from "../wire/status.js";
import { FORWARDED_KEY } from "./call-context.js";
import { brokerInfoOf, type GrpcFormationPeers, probeResponseOf } from "./peer-formation.js";
import type { IncomingCall } from "./peer-incoming-stream.js";
import type { PeerNetwork } from "./peer-network.js";
import type { ChangeGroupResponse, PeerService, StreamKind } from "./peer-protocol.js";

/** What other brokers ask of the control plane here. */
export interface PeerAdmin extends Pick<ClusterAdmin, "registerBroker"> {
  changeGroup(change: GroupChange): Promise<GroupInfo>;
  deleteGroup(name: string, version?: number): Promise<void>;
}

export interface PeerServiceOptions {
  readonly formation: FormationHandler;
  /** Undefined until this broker belongs to a cluster. */
  readonly network: () => PeerNetwork | undefined;
  /** The control plane of this broker, undefined until it belongs to a cluster. */
  readonly admin: () => PeerAdmin | undefined;
  /** Where the controller listens for brokers, if another broker is known to be it. */
  readonly controllerPeerAddress: () => string | undefined;
  readonly peers: Pick<GrpcFormationPeers, "forwardRegister">;
}

const notInCluster = (): QuireError => new QuireError("NOT_READY", "this broker does not belong to a cluster yet; try again", { retryAfterMs: 200 });

export function createPeerHandlers(options: PeerServiceOptions): Handlers<PeerService> {
  const accept = (kind: StreamKind, call: IncomingCall): void => {
    const network = options.network();
    if (network !== undefined) network.accept(kind, call);
    else call.emit("error", toServiceError(notInCluster()));
  };
  return {
    Bulk: (call) => accept("bulk", call),
    Control: (call) => accept("control", call),
    Probe: (_call, done) => answer(done, async () => probeResponseOf(options.formation.onProbe())),
    Found: (call, done) =>
      answer(done, async () => {
        await options.formation.onFound(call.request.foundingRecord);
        return {};
      }),
    RegisterBroker: (call, done) => {
      const isForwarded = call.metadata.get(FORWARDED_KEY).length > 0;
      answer(done, () => register(options, brokerInfoOf(call.request.broker), isForwarded));
    },
    ChangeGroup: (call, done) => answer(done, () => changeGroup(options, call.request.command)),
    DeleteGroup: (call, done) =>
      answer(done, async () => {
        const { group, version } = call.request;
        await adminOf(options).deleteGroup(group, version === 0 ? undefined : version);
        return {};
      }),
  };
}

function answer<Response>(done: grpc.sendUnaryData<Response>, work: () => Promise<Response>): void {
  const run = async (): Promise<Response> => work();
  run().then(
    (response) => done(null, response),
    (thrown) => done(toServiceError(thrown)),
  );
}

async function register(options: PeerServiceOptions, broker: BrokerInfo, isForwarded: boolean): Promise<BrokerRegistration> {
  const admin = adminOf(options);
  try {
    return await admin.registerBroker(broker);
  } catch (thrown) {
    const error = toQuireError(thrown);
    const controller = options.controllerPeerAddress();
    if (isForwarded || controller === undefined || error.retry !== "refresh") throw error;
    return options.peers.forwardRegister(controller, broker);
  }
}

/** Which broker is the controller, the asker knows as well as this one: nothing is passed on. */
async function changeGroup(options: PeerServiceOptions, body: Buffer): Promise<ChangeGroupResponse> {
  const command = decodeCommand(body);
  if (command.kind !== "change-group") throw new QuireError("INVALID_FIELD", `command is ${command.kind}; only change-group may be asked for so`);
  const { generation, begunAfter } = await adminOf(options).changeGroup(command.change);
  return { generation, begunAfter };
}

function adminOf(options: PeerServiceOptions): PeerAdmin {
  const admin = options.admin();
  if (admin === undefined) throw notInCluster();
  return admin;
}
