import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import type { Topic } from "../../src/client/index.js";
import { memoryOf, TestCluster, until } from "./test-cluster.js";

const MIB = 1024 * 1024;
/** The broker that strangers pester. */
const VICTIM = 1;
const MEMORY_GROWTH_MAX = 160 * MIB;
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

let cluster: TestCluster;
let topic: Topic<string>;
let pid = 0;
let memoryBefore = 0;

before(async () => {
  cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, 30_000);
  topic = (await cluster.connect({ deliveryTimeoutMs: 5_000 })).topic<string>("served");
  await topic.create({ partitions: 3 });
  pid = cluster.broker(VICTIM).pid;
  await topic.transferLeader(0, VICTIM);
  await serves();
  memoryBefore = memoryOf(pid).residentBytes;
});
after(() => cluster[Symbol.asyncDispose]());

/** For clients, then for brokers. */
function ports(): number[] {
  const words = cluster.broker(VICTIM).commandLine.split(" ");
  return ["--listen", "--peer-listen"].map((flag) => Number(words[words.indexOf(flag) + 1]?.split(":")[1]));
}

/** The same process goes on, still leads, takes records, has its peers, and its memory is within bounds. */
async function serves(): Promise<void> {
  assert.equal(cluster.broker(VICTIM).pid, pid);
  for (let sent = 0; sent < 20; sent++) await topic.send(`record ${sent}`, { partition: 0 });
  if (memoryBefore === 0) return;
  await untilWhole(cluster.addresses, 3, 10_000);
  const grown = memoryOf(pid).peakBytes - memoryBefore;
  assert.ok(grown < MEMORY_GROWTH_MAX, `memory grew by ${Math.round(grown / MIB)} MiB`);
}

/** Sends bytes to a port and waits until the broker closes the connection, or half a second if it does not. */
async function throwAt(port: number, bytes: Buffer): Promise<void> {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  socket.write(bytes);
  const patience = setTimeout(() => socket.destroy(), 500);
  await closed;
  clearTimeout(patience);
}

/** An HTTP/2 frame, whatever is said of its length. */
function frame(type: number, flags: number, stream: number, payload: Buffer, length = payload.length): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

test("bytes of no protocol, and HTTP/2 that breaks its rules, harm neither port", async () => {
  const settings = frame(4, 0, 0, Buffer.alloc(0));
  const repeated = (bytes: Buffer, times: number): Buffer => Buffer.concat(Array.from({ length: times }, () => bytes));
  const garbage = [
    Buffer.from("GET / HTTP/1.1\r\nHost: quire\r\n\r\n"),
    Buffer.from("160301020001000001fc0303", "hex"),
    randomBytes(64 * 1024),
    Buffer.concat([PREFACE, randomBytes(64 * 1024)]),
    Buffer.concat([PREFACE, settings, frame(0, 0, 1, Buffer.alloc(100), 0xffffff)]),
    Buffer.concat([PREFACE, settings, frame(1, 4, 1, randomBytes(200))]),
    Buffer.concat([PREFACE, settings, frame(1, 0, 1, Buffer.alloc(10)), repeated(frame(9, 0, 1, Buffer.alloc(1_000)), 200)]),
    Buffer.concat([PREFACE, settings, repeated(frame(6, 0, 0, Buffer.alloc(8)), 5_000)]),
    Buffer.concat([PREFACE, repeated(settings, 5_000)]),
    Buffer.concat([PREFACE, settings, repeated(frame(8, 0, 0, Buffer.from([0x7f, 255, 255, 255])), 10)]),
  ];
  for (const port of ports()) await Promise.all(garbage.flatMap((bytes) => [throwAt(port, bytes), throwAt(port, bytes)]));
  await serves();
});

/** Calls a method of either port with bytes as they are; returns the code it fails with, 0 if it does not. */
async function call(port: number, path: string, ...messages: readonly Buffer[]): Promise<number> {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    "grpc.max_send_message_length": -1,
    "grpc.use_local_subchannel_pool": 1,
  });
  const raw = (bytes: Buffer): Buffer => bytes;
  const stream = client.makeBidiStreamRequest(path, raw, raw, { deadline: Date.now() + 10_000 });
  const code = new Promise<number>((resolve) => stream.on("status", (status) => resolve(status.code)));
  stream.on("error", () => {});
  stream.resume();
  for (const message of messages) stream.write(message);
  stream.end();
  const result = await code;
  client.close();
  return result;
}

test("a gRPC client that speaks nonsense to the port for brokers is refused, and logged once each", async () => {
  const [, peerPort = 0] = ports();
  const service = "/quire.internal.v1.PeerService";
  const hello = (text: string): Buffer => Buffer.concat([Buffer.from([10, text.length + 4, 8, 1, 18, text.length]), Buffer.from(text)]);
  for (let round = 0; round < 15; round++) {
    for (const stream of ["Bulk", "Control"]) {
      assert.equal(await call(peerPort, `${service}/${stream}`, randomBytes(200)), grpc.status.INVALID_ARGUMENT);
      assert.equal(await call(peerPort, `${service}/${stream}`, hello("another cluster")), grpc.status.FAILED_PRECONDITION);
    }
    assert.notEqual(await call(peerPort, `${service}/Found`, Buffer.concat([Buffer.from([10, 100]), randomBytes(100)])), 0);
    assert.notEqual(await call(peerPort, `${service}/RegisterBroker`, Buffer.from([10, 2, 8, 0])), 0);
    assert.equal(await call(peerPort, `${service}/Nothing`, randomBytes(10)), grpc.status.UNIMPLEMENTED);
    assert.equal(await call(peerPort, "/quire.v1.AdminService/ListTopics", Buffer.alloc(0)), grpc.status.UNIMPLEMENTED);
  }
  const cutOff = cluster.logOf(VICTIM).filter(({ msg }) => msg === "peer cut off");
  assert.deepEqual(cutOff.map(({ reason }) => reason).sort(), ["CLUSTER_MISMATCH", "INVALID_FIELD"]);
  await serves();
});

/** Opens a gRPC call by hand, sends one message, and waits for the status, or until the stream is reset. */
async function callByHand(port: number, path: string, headers: http2.OutgoingHttpHeaders, body: Buffer): Promise<string> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
  let status = "reset";
  const read = (fields: http2.IncomingHttpHeaders): void => {
    status = String(fields["grpc-status"] ?? status);
  };
  stream
    .on("response", read)
    .on("trailers", read)
    .on("error", () => {});
  stream.resume();
  stream.end(body);
  await new Promise((resolve) => stream.once("close", resolve));
  session.destroy();
  return status;
}

test("messages that are huge, say that they are, or become so when unpacked are refused and cost no memory", async () => {
  const [port = 0, peerPort = 0] = ports();
  const tooLarge = String(grpc.status.RESOURCE_EXHAUSTED);
  const bomb = gzipSync(Buffer.alloc(300 * MIB), { level: 9 });
  for (const [at, path] of [
    [port, "/quire.v1.ProduceService/Append"],
    [port, "/quire.v1.ProduceService/Produce"],
    [peerPort, "/quire.internal.v1.PeerService/Bulk"],
  ] as const) {
    assert.equal(await call(at, path, Buffer.alloc(12 * MIB)), grpc.status.RESOURCE_EXHAUSTED, path);
    assert.equal(await callByHand(at, path, {}, Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3])), tooLarge, path);
    const packed = Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), bomb]);
    packed.writeUInt32BE(bomb.length, 1);
    assert.equal(await callByHand(at, path, { "grpc-encoding": "gzip" }, packed), tooLarge, `${path}, unpacked`);
  }
  await serves();
});

test("thousands of connections that say nothing are endured, and closed after a while", async () => {
  let open = 0;
  const connectOne = (port: number, bytes: Buffer): void => {
    const socket = net.connect(port, "127.0.0.1");
    open += 1;
    socket.on("error", () => {}).once("close", () => (open -= 1));
    socket.resume();
    socket.write(bytes);
  };
  const descriptors = (): number => fs.readdirSync(`/proc/${pid}/fd`).length;
  const before = descriptors();
  for (let wave = 0; wave < 20; wave++) {
    // Half of them begin to say what they speak, and stop in the middle.
    for (const port of ports()) for (let at = 0; at < 50; at++) connectOne(port, at % 2 === 0 ? Buffer.alloc(0) : PREFACE.subarray(0, 10));
    // No more at a time than the system queues for a listener.
    await until("the broker has taken them", () => descriptors() >= before + open - 20);
  }
  assert.ok(open > 1_900, `${open} are open at a time`);
  await serves();
  await until("all are closed", () => open === 0, 10_000);
  await serves();
});

test("nothing that strangers did is a bug of the broker's, and its log stayed short", () => {
  const bad = cluster.logOf(VICTIM).filter(({ level }) => level === "warn" || level === "error");
  assert.ok(bad.length <= 4, JSON.stringify(bad, null, 1));
});
