import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { nodeId, replicaId } from "../../src/base/ids.js";
import { systemClock } from "../../src/base/system-ports.js";
import type { ProbeAnswer } from "../../src/cluster/formation-types.js";
import type { BrokerInfo } from "../../src/cluster/view.js";
import { GrpcFormationPeers } from "../../src/rpc/peer-formation.js";
import { peerService } from "../../src/rpc/peer-protocol.js";
import { createPeerHandlers, type PeerServiceOptions } from "../../src/rpc/peer-service.js";
import { WideServer } from "../../src/rpc/wide-server.js";
import { peerServerOptions } from "../../src/wire/channel-options.js";
import { dial } from "../../src/wire/grpc-channel.js";
import { listen } from "./peer-harness.js";

const broker = (id: number): BrokerInfo => ({ nodeId: nodeId(id), incarnation: `i${id}`, address: `a${id}:1`, peerAddress: `p${id}:1`, rack: "" });
const peers = new GrpcFormationPeers(dial, systemClock);

async function withService(options: Partial<PeerServiceOptions>, run: (address: string) => Promise<void>): Promise<void> {
  const server = new WideServer(peerServerOptions);
  const defaults: PeerServiceOptions = {
    formation: { onProbe: () => ({ broker: broker(1), state: "empty", founders: "1@p1:1" }), onFound: async () => {} },
    network: () => undefined,
    admin: () => undefined,
    controllerPeerAddress: () => undefined,
    peers,
  };
  server.addService(peerService, createPeerHandlers({ ...defaults, ...options }));
  const port = await listen(server, 0);
  try {
    await run(`127.0.0.1:${port}`);
  } finally {
    server.forceShutdown();
  }
}

const noGroups = { changeGroup: (): never => assert.fail("no group changes"), deleteGroup: (): never => assert.fail("no group is deleted") };
const reasonIs = (reason: string) => (thrown: unknown) => thrown instanceof QuireError && thrown.reason === reason;
const onFound = async (): Promise<void> => {};

test("a probe's answer arrives as it was given, in every state", async () => {
  const answers: readonly ProbeAnswer[] = [
    { broker: broker(1), state: "empty", founders: "1@a:1,2@b:1" },
    { broker: { ...broker(2), rack: "r" }, state: "joining", founders: "" },
    { broker: broker(3), state: "formed", founders: "1@a:1", clusterId: "c", foundingRecord: Buffer.from("record") },
  ];
  for (const answer of answers) {
    await withService({ formation: { onProbe: () => answer, onFound } }, async (address) => assert.deepEqual(await peers.probe(address), answer));
  }
});

test("the founding record is handed over, and a refusal comes back with its reason", async () => {
  const records: string[] = [];
  const formation = {
    onProbe: (): never => assert.fail("nobody probes"),
    async onFound(record: Buffer) {
      if (record.toString() === "bad") throw new QuireError("CLUSTER_MISMATCH", "not for this broker");
      records.push(record.toString());
    },
  };
  await withService({ formation }, async (address) => {
    await peers.found(address, Buffer.from("good"));
    await assert.rejects(peers.found(address, Buffer.from("bad")), reasonIs("CLUSTER_MISMATCH"));
  });
  assert.deepEqual(records, ["good"]);
});

test("a registration is forwarded to the controller, once", async () => {
  const notLeader = {
    ...noGroups,
    registerBroker: async () => {
      throw new QuireError("NOT_LEADER", "elsewhere");
    },
  };
  const registered: BrokerInfo[] = [];
  const controller = {
    ...noGroups,
    async registerBroker(info: BrokerInfo) {
      registered.push(info);
      return { metadataReplicaId: replicaId(42) };
    },
  };
  await withService({ admin: () => controller }, (controllerAddress) =>
    withService({ admin: () => notLeader, controllerPeerAddress: () => controllerAddress }, async (address) => {
      assert.deepEqual(await peers.register(address, broker(5)), { metadataReplicaId: 42 });
    }),
  );
  assert.deepEqual(registered, [broker(5)]);

  // Two brokers that each believe the other to be the controller.
  let asked = 0;
  const confused = {
    ...noGroups,
    registerBroker: async () => {
      asked += 1;
      throw new QuireError("NOT_LEADER", "elsewhere");
    },
  };
  let other = "";
  const options = { admin: () => confused, controllerPeerAddress: () => other };
  await withService(options, async (address) => {
    other = address;
    await assert.rejects(peers.register(address, broker(5)), reasonIs("NOT_LEADER"));
  });
  assert.equal(asked, 2);
});

test("before it belongs to a cluster a broker registers nobody and takes no streams; bad fields are named", async () => {
  await withService({}, async (address) => {
    await assert.rejects(peers.register(address, broker(5)), reasonIs("NOT_READY"));
    for (const wrong of [{ nodeId: nodeId(0) }, { nodeId: nodeId(70_000) }, { incarnation: "" }, { address: "" }, { peerAddress: "" }]) {
      await assert.rejects(peers.register(address, { ...broker(5), ...wrong }), reasonIs("INVALID_FIELD"));
    }
  });
  await assert.rejects(peers.probe("127.0.0.1:1"), reasonIs("BROKER_UNREACHABLE"));
});
