/** Faults of single messages between brokers: which messages they take, and where copies turn up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { decodePeerMessage, encodePeerMessage, PROTOCOL_VERSION, parcelsOf } from "../../../src/rpc/peer-codec.js";
import { peerService } from "../../../src/rpc/peer-protocol.js";
import { heartbeatEnvelope } from "../../rpc/peer-arbitraries.js";
import type { ClientStream, ServerStream } from "./echo.js";
import { Lab } from "./lab.js";
import { type MessageRates, noMessageFaults } from "./peer-messages.js";

const HELLO = encodePeerMessage({ hello: { protocolVersion: PROTOCOL_VERSION, clusterId: "c", nodeId: 1, incarnation: "i", toNodeId: 2 } });
const numbered = (round: number): Buffer => encodePeerMessage({ parcels: parcelsOf(heartbeatEnvelope(round)) });
const LEADERSHIPS = encodePeerMessage({ leaderships: { full: true, leaderships: [] } });
const BEAT = Buffer.alloc(0);

/** What a stream between two brokers delivered: rounds of envelopes, "hello", "leaderships", "beat". */
class Peers {
  readonly lab: Lab;
  readonly got: (number | string)[] = [];
  readonly #bytes = (message: Uint8Array): Buffer => message as Buffer;

  constructor(seed: number) {
    this.lab = new Lab(seed);
    const server = this.lab.server.ports.createServer({});
    const accept = (call: ServerStream): void => void call.on("data", (bytes: Buffer) => this.got.push(nameOf(bytes)));
    server.addService(peerService, { Bulk: accept, Control: accept } as unknown as UntypedServiceImplementation);
    server.bindAsync("server:9801", ServerCredentials.createInsecure(), () => undefined);
  }

  open({ from = this.lab.client, greets = true } = {}): ClientStream {
    const channel = from.ports.dial("server:9801", {});
    const call = channel.makeBidiStreamRequest(peerService.Control.path, this.#bytes, this.#bytes, new Metadata(), {}) as unknown as ClientStream;
    call.on("error", () => undefined);
    if (greets) this.send(call, HELLO);
    return call;
  }

  send(call: ClientStream, bytes: Buffer): void {
    call.write(bytes as unknown as string);
  }

  /** The rounds that came, in their order. */
  get rounds(): number[] {
    return this.got.filter((what) => typeof what === "number");
  }
}

function nameOf(bytes: Buffer): number | string {
  if (bytes.length === 0) return "beat";
  const { hello, leaderships, envelopes } = decodePeerMessage(bytes);
  if (hello !== undefined) return "hello";
  if (leaderships !== undefined) return "leaderships";
  const [envelope] = envelopes;
  return envelope !== undefined && "message" in envelope && envelope.message.kind === "heartbeat" ? envelope.message.round : "other";
}

/** A hundred numbered messages under one kind of fault. */
async function underFault(rates: Partial<MessageRates>): Promise<Peers> {
  const peers = new Peers(5);
  const call = peers.open();
  await peers.lab.pass(100);
  peers.lab.network.faults.messages({ ...noMessageFaults, ...rates });
  for (let round = 1; round <= 100; round++) {
    peers.send(call, numbered(round));
    await peers.lab.pass(2);
  }
  await peers.lab.pass(20_000);
  return peers;
}

const inOrder = Array.from({ length: 100 }, (_, i) => i + 1);
const sorted = (rounds: readonly number[]): number[] => [...rounds].sort((a, b) => a - b);

test("without faults all arrive in order", async () => {
  assert.deepEqual((await underFault({})).rounds, inOrder);
});

test("what arrives is what was written, whatever its sender does with the memory later", async () => {
  const peers = new Peers(4);
  const call = peers.open();
  await peers.lab.pass(50);
  const bytes = numbered(1);
  peers.send(call, bytes);
  bytes.fill(0);
  await peers.lab.pass(50);
  assert.deepEqual(peers.got, ["hello", 1]);
});

test("some are dropped", async () => {
  const { rounds, lab } = await underFault({ drop: 200 });
  assert.ok(rounds.length > 50 && rounds.length < 100);
  assert.deepEqual(rounds, sorted(rounds));
  assert.equal(lab.network.faults.counts["messages dropped"], 100 - rounds.length);
});

test("some are overtaken by later ones, and none is lost", async () => {
  const { rounds } = await underFault({ reorder: 200 });
  assert.notDeepEqual(rounds, inOrder);
  assert.deepEqual(sorted(rounds), inOrder);
});

test("some come twice, the second time soon or much later", async () => {
  for (const rates of [{ duplicate: 200 }, { replay: 200 }]) {
    const { rounds } = await underFault(rates);
    assert.ok(rounds.length > 105);
    assert.deepEqual([...new Set(sorted(rounds))], inOrder);
  }
});

test("Hellos, leaderships and heartbeats keep their stream's order", async () => {
  const peers = new Peers(6);
  peers.lab.network.faults.messages({ drop: 1_000, duplicate: 0, reorder: 0, replay: 0 });
  const call = peers.open();
  for (const bytes of [numbered(1), LEADERSHIPS, BEAT, numbered(2), BEAT]) peers.send(call, bytes);
  await peers.lab.pass(1_000);
  assert.deepEqual(peers.got, ["hello", "leaderships", "beat", "beat"]);
});

test("a message is repeated on a later connection of the same two processes, after its Hello", async () => {
  const peers = new Peers(7);
  peers.lab.network.faults.messages({ ...noMessageFaults, replay: 1_000 });
  const call = peers.open();
  peers.send(call, numbered(1));
  await peers.lab.pass(50);
  call.cancel();
  peers.open();
  await peers.lab.pass(20_000);
  assert.deepEqual(peers.got, ["hello", 1, "hello", 1]);
});

test("neither a stream without a Hello nor another process's stream gets it", async () => {
  const peers = new Peers(7);
  peers.lab.network.faults.messages({ ...noMessageFaults, replay: 1_000 });
  const call = peers.open();
  peers.send(call, numbered(1));
  await peers.lab.pass(50);
  call.cancel();
  peers.open({ from: peers.lab.node("another") });
  await peers.lab.pass(50);
  peers.open({ greets: false });
  await peers.lab.pass(20_000);
  assert.deepEqual(peers.got, ["hello", 1, "hello"]);
  assert.equal(peers.lab.network.faults.counts["stray messages that found no stream"], 1);
});

test("a paused process gets it when it goes on", async () => {
  const peers = new Peers(7);
  peers.lab.network.faults.messages({ ...noMessageFaults, replay: 1_000 });
  peers.send(peers.open(), numbered(1));
  await peers.lab.pass(50);
  peers.lab.server.process.pause();
  await peers.lab.pass(20_000);
  assert.deepEqual(peers.got, ["hello", 1]);
  peers.lab.server.process.resume();
  await peers.lab.pass(1);
  assert.deepEqual(peers.got, ["hello", 1, 1]);
});

test("a message that was meant for a dead process reaches no other one", async () => {
  const peers = new Peers(8);
  peers.lab.network.faults.messages({ ...noMessageFaults, replay: 1_000 });
  peers.send(peers.open(), numbered(1));
  await peers.lab.pass(50);
  peers.lab.server.process.die();
  await peers.lab.pass(20_000);
  assert.deepEqual(peers.got, ["hello", 1]);
});

test("many lost messages do not close the sender's window", async () => {
  const peers = new Peers(9);
  const call = peers.open();
  await peers.lab.pass(50);
  peers.lab.network.faults.messages({ ...noMessageFaults, drop: 1_000 });
  let written = 0;
  const large = encodePeerMessage({ parcels: Array.from({ length: 20_000 }, (_, i) => parcelsOf(heartbeatEnvelope(i))).flat() });
  for (let i = 0; i < 40; i++) {
    call.write(large as unknown as string, () => (written += 1));
    await peers.lab.pass(1);
  }
  assert.ok(large.length * 40 > 8 * 1024 * 1024, "more than a window");
  assert.equal(written, 40);
});
