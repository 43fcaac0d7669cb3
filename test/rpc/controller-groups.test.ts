import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { nodeId, replicaSetId } from "../../src/base/ids.js";
import { systemClock } from "../../src/base/system-ports.js";
import type { GroupChange, GroupInfo } from "../../src/cluster/group-info.js";
import { MetadataState } from "../../src/cluster/metadata-state.js";
import { ControllerGroups } from "../../src/rpc/controller-groups.js";
import { GrpcFormationPeers } from "../../src/rpc/peer-formation.js";
import { peerService } from "../../src/rpc/peer-protocol.js";
import { createPeerHandlers } from "../../src/rpc/peer-service.js";
import { WideServer } from "../../src/rpc/wide-server.js";
import { peerServerOptions } from "../../src/wire/channel-options.js";
import { dial } from "../../src/wire/grpc-channel.js";
import { founding, node, spec } from "../cluster/examples.js";
import { change, member } from "../cluster/group-examples.js";
import { FakeView } from "../support/fake-view.js";
import { refusal } from "../support/refusals.js";
import { listen } from "./peer-harness.js";

/** Broker 1 asks, broker 2 is the controller, with the real state of the metadata. */
async function startPair(context: TestContext) {
  const state = new MetadataState(founding(1, 2, 3));
  state.apply({ kind: "create-topic", topicId: "t", createdMs: 0, spec: spec("orders", 4), placements: Array(4).fill([1, 2, 3].map(node)) });
  const there = {
    registerBroker: (): never => assert.fail("nobody registers"),
    changeGroup: async (step: GroupChange) => state.apply({ kind: "change-group", change: step }).result as GroupInfo,
    deleteGroup: async (name: string, version?: number) => {
      state.apply({ kind: "delete-group", name, ...(version !== undefined && { expectedVersion: version }) });
    },
  };
  const server = new WideServer(peerServerOptions);
  const formation = { onProbe: (): never => assert.fail("nobody probes"), onFound: async () => {} };
  const peers = new GrpcFormationPeers(dial, systemClock);
  const options = { formation, network: () => undefined, admin: () => there, controllerPeerAddress: () => undefined, peers };
  server.addService(peerService, createPeerHandlers(options));
  const port = await listen(server, 0);
  const view = new FakeView(1, [
    { nodeId: nodeId(1), incarnation: "1", address: "a:1", peerAddress: "p:1", rack: "" },
    { nodeId: nodeId(2), incarnation: "2", address: "a:2", peerAddress: `127.0.0.1:${port}`, rack: "" },
  ]);
  view.controller = nodeId(2);
  const local = { changeGroup: (): never => assert.fail("another broker is the controller"), deleteGroup: (): never => assert.fail("the same") };
  const groups = new ControllerGroups({ view, local, dial, clock: systemClock });
  context.after(() => {
    groups.close();
    server.forceShutdown();
  });
  return { state, groups, server, view };
}

test("what the controller makes of a change is known here as soon as it answers, before the metadata has come", async (context) => {
  const { state, groups } = await startPair(context);
  let group: GroupInfo | undefined;
  const steps: Partial<GroupChange>[] = [
    { entered: [member("a"), member("b")] },
    { assigned: [["a", [replicaSetId(1), replicaSetId(2)]]], topics: ["orders"] },
    { coordinator: nodeId(2) },
    { left: ["a"], assigned: [["b", [replicaSetId(1)]]] },
  ];
  for (const step of steps) {
    group = await groups.changeGroup(change(group, step), group);
    assert.deepEqual(group, state.groups.get("billing"));
  }
});

test("a refusal comes back with its reason, and groups are deleted there too", async (context) => {
  const { groups } = await startPair(context);
  const group = await groups.changeGroup(change(undefined, { entered: [member("a")] }), undefined);
  await refusal("CONFLICT", () => groups.changeGroup(change(undefined), undefined));
  await refusal("CONFLICT", () => groups.changeGroup(change(group, { assigned: [["a", [replicaSetId(77)]]] }), group));
  await refusal("GROUP_NOT_EMPTY", () => groups.deleteGroup("billing"));
  const empty = await groups.changeGroup(change(group, { left: ["a"] }), group);
  await refusal("CONFLICT", () => groups.deleteGroup("billing", empty.version - 1));
  await groups.deleteGroup("billing", empty.version);
  await refusal("GROUP_NOT_FOUND", () => groups.deleteGroup("billing"));
});

test("when the controller gives no answer the outcome is unknown", async (context) => {
  const { groups, server } = await startPair(context);
  server.forceShutdown();
  await refusal("WRITE_OUTCOME_UNKNOWN", () => groups.changeGroup(change(undefined), undefined));
});
