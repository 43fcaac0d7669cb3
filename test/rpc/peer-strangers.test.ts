import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { encodePeerMessage, type Hello, PROTOCOL_VERSION } from "../../src/rpc/peer-codec.js";
import { peerService } from "../../src/rpc/peer-protocol.js";
import { WideServer } from "../../src/rpc/wide-server.js";
import { openBidi } from "../../src/wire/call.js";
import { peerServerOptions } from "../../src/wire/channel-options.js";
import { fromGrpcError } from "../../src/wire/status.js";
import { CLUSTER, connect, killAll, listen, quickTiming, startBroker, until } from "./peer-harness.js";

afterEach(killAll);

const helloOf2: Hello = { protocolVersion: PROTOCOL_VERSION, clusterId: CLUSTER, nodeId: 2, incarnation: "i2", toNodeId: 1 };

/** Opens a stream as a stranger would, sends the messages, and returns the refusal. */
async function speak(address: string, ...messages: readonly Buffer[]): Promise<string> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const stream = openBidi(client, peerService.Control);
  const refusal = new Promise<string>((resolve) => stream.on("error", (error) => resolve(fromGrpcError(error).reason)));
  stream.on("data", () => {});
  for (const message of messages) stream.write(message);
  const reason = await refusal;
  client.close();
  return reason;
}

test("strangers are refused with the reason, and logged once each", async () => {
  const a = await startBroker(1, { timing: quickTiming });
  a.network.setPeers([{ nodeId: 2 as never, address: "127.0.0.1:1" }]);
  for (let round = 0; round < 3; round++) {
    assert.equal(await speak(a.address, encodePeerMessage({ hello: { ...helloOf2, clusterId: "other" } })), "CLUSTER_MISMATCH");
    assert.equal(await speak(a.address, encodePeerMessage({ hello: { ...helloOf2, toNodeId: 3 } })), "CLUSTER_MISMATCH");
    assert.equal(await speak(a.address, encodePeerMessage({ hello: { ...helloOf2, protocolVersion: 99 } })), "UNSUPPORTED");
    assert.equal(await speak(a.address, encodePeerMessage({ hello: { ...helloOf2, nodeId: 9 } })), "NOT_READY");
    assert.equal(await speak(a.address, Buffer.from("GET / HTTP/1.1")), "INVALID_FIELD");
    assert.equal(await speak(a.address, Buffer.alloc(0)), "INVALID_FIELD", "a heartbeat before the Hello");
    assert.equal(await speak(a.address, encodePeerMessage({ hello: helloOf2 }), encodePeerMessage({ hello: helloOf2 })), "INVALID_FIELD", "a second Hello");
  }
  assert.deepEqual(a.links, []);
  assert.equal(a.warnings.filter((line) => line.startsWith("peer cut off")).length, 5, a.warnings.join("\n"));
});

test("a stranger that never says Hello is let go", async () => {
  const a = await startBroker(1, { timing: { ...quickTiming, handshakeMs: 50 } });
  assert.equal(await speak(a.address), "DEADLINE");
});

test("a peer that speaks garbage is cut off, down, logged once, and may come back", async () => {
  const [a, b] = [await startBroker(1, { timing: quickTiming }), await startBroker(2, { timing: quickTiming })];
  await connect(a, b);
  // The stranger takes the place of b's control stream, then speaks garbage in b's name.
  assert.equal(await speak(a.address, encodePeerMessage({ hello: helloOf2 }), Buffer.from([0xff, 0xff, 0xff])), "INVALID_FIELD");
  await until(() => a.links.length >= 2 && a.network.isUp(b.node) && b.network.isUp(a.node), "b's own streams stand again");
  assert.equal(a.links[1], "down 2 closed");
  assert.equal(a.warnings.filter((line) => line.startsWith("peer cut off")).length, 1);
});

test("a stream of another incarnation takes the link down at once", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  await connect(a, b);
  const client = new grpc.Client(a.address, grpc.credentials.createInsecure());
  const stream = openBidi(client, peerService.Control);
  stream.on("error", () => {});
  stream.on("data", () => {});
  stream.write(encodePeerMessage({ hello: { ...helloOf2, incarnation: "other" } }));
  await until(() => a.links.length >= 2, "the link is down");
  assert.equal(a.links[1], "down 2 closed");
  client.close();
});

test("a peer that answers in another's name, or garbage, is dialled again and again but logged once", async () => {
  const a = await startBroker(1, { timing: quickTiming });
  for (const answer of [Buffer.from("nonsense"), encodePeerMessage({ hello: { ...helloOf2, nodeId: 7 } })]) {
    const server = new WideServer(peerServerOptions);
    let dialled = 0;
    const handler = (call: grpc.ServerDuplexStream<Buffer, Uint8Array>) => {
      dialled += 1;
      call.on("error", () => {});
      call.on("data", () => call.write(answer));
    };
    server.addService({ Bulk: peerService.Bulk, Control: peerService.Control }, { Bulk: handler, Control: handler });
    const port = await listen(server, 0);
    const before = a.warnings.length;
    a.network.setPeers([{ nodeId: 2 as never, address: `127.0.0.1:${port}` }]);
    await until(() => dialled >= 8, "it is dialled again");
    assert.equal(a.warnings.length - before, 1, a.warnings.join("\n"));
    assert.deepEqual(a.links, []);
    server.forceShutdown();
  }
});
