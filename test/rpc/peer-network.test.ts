import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { replicaSetId, term } from "../../src/base/ids.js";
import { MIB } from "../../src/base/limits.js";
import { appendEnvelope, heartbeatEnvelope, snapshotEnvelope } from "./peer-arbitraries.js";
import { connect, killAll, quickTiming, startBroker, startProxy, until } from "./peer-harness.js";

afterEach(killAll);

const roundsOf = (kind: string, received: readonly { readonly message: { readonly kind: string } }[]): number[] =>
  received.map(({ message }) => message).flatMap((message) => (message.kind === kind && "round" in message ? [Number(message.round)] : []));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

test("links come up on both sides, and messages arrive in the order of each stream, many in one message", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  await connect(a, b);
  assert.deepEqual([a.links, b.links], [["up 2 i2"], ["up 1 i1"]]);
  for (const round of upTo(2_000)) {
    assert.ok(a.network.send(b.node, heartbeatEnvelope(round)));
    assert.ok(a.network.send(b.node, appendEnvelope(1_000, round)));
  }
  await until(() => b.received.length === 4_000, "all messages arrive");
  assert.deepEqual(roundsOf("heartbeat", b.received), upTo(2_000));
  assert.deepEqual(roundsOf("append", b.received), upTo(2_000));
});

test("a snapshot of many parts arrives whole, with the appends behind it", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  await connect(a, b);
  const snapshot = snapshotEnvelope(6 * MIB + 7);
  assert.ok(a.network.send(b.node, snapshot));
  assert.ok(a.network.send(b.node, appendEnvelope(10, 1)));
  await until(() => b.received.length === 2, "both arrive");
  assert.deepEqual(b.received, [snapshot, appendEnvelope(10, 1)]);
});

test("whoever comes up is told how much room the disk has, then each change", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  a.network.announceDiskRoom("low");
  await connect(a, b);
  await until(() => b.network.diskRoomOf(a.node) === "low", "b is told");
  assert.ok(b.network.takesRecords(a.node));
  a.network.announceDiskRoom("none");
  await until(() => !b.network.takesRecords(a.node), "b is told that a takes no records");
  assert.deepEqual([b.network.diskRoomOf(b.node), a.network.diskRoomOf(b.node)], ["enough", "enough"]);
  a.network.announceDiskRoom("enough");
  await until(() => b.network.diskRoomOf(a.node) === "enough", "b is told that there is room again");
});

test("whoever comes up is told all leaderships, then the changes", async () => {
  const a = await startBroker(1);
  const lead = (set: number, leads = true) => ({ replicaSetId: replicaSetId(set), term: term(set + 1), leads });
  a.network.announceLeaderships([lead(1), lead(2), lead(3)]);
  a.network.announceLeaderships([lead(2, false)]);
  const b = await startBroker(2);
  await connect(a, b);
  await until(() => b.leaderships.some(({ list }) => list.length > 0), "b is told");
  assert.ok(b.leaderships[0]?.full);
  assert.deepEqual(
    b.leaderships.flatMap(({ list }) => list),
    [lead(1), lead(3)],
  );
  a.network.announceLeaderships([lead(3, false), lead(9)]);
  await until(() => b.leaderships.at(-1)?.full === false, "b is told the change");
  assert.deepEqual(b.leaderships.at(-1), { from: 1, full: false, list: [lead(3, false), lead(9)] });
});

test("a broker that dies is down at once, and up again when it returns", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  await connect(a, b);
  const diedMs = performance.now();
  await b.kill();
  await until(() => a.links.length === 2, "the broken connection is noticed");
  assert.equal(a.links[1], "down 2 closed");
  assert.ok(performance.now() - diedMs < 900, "long before it would be silent");
  assert.equal(a.network.send(b.node, heartbeatEnvelope(1)), false);

  const again = await startBroker(2, { port: Number(b.address.split(":")[1]) });
  await connect(a, again);
  assert.deepEqual(a.links.slice(2), ["up 2 i2"]);
  assert.ok(a.network.send(again.node, heartbeatEnvelope(7)));
  await until(() => again.received.length === 1, "messages pass again");
});

test("a broker that returns with another disk is down before it is up", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  await connect(a, b);
  await b.kill();
  const wiped = await startBroker(2, { port: Number(b.address.split(":")[1]), incarnation: "new" });
  await connect(a, wiped);
  assert.deepEqual(a.links, ["up 2 i2", "down 2 closed", "up 2 new"]);
});

test("a broker that says nothing is silent, and up again as soon as it speaks, on the same connections", async () => {
  const [a, b] = [await startBroker(1, { timing: quickTiming }), await startBroker(2, { timing: quickTiming })];
  const [toA, toB] = [await startProxy(a.address), await startProxy(b.address)];
  a.network.setPeers([{ nodeId: b.node, address: toB.address }]);
  b.network.setPeers([{ nodeId: a.node, address: toA.address }]);
  await until(() => a.network.isUp(b.node) && b.network.isUp(a.node), "the link is up");
  const before = toA.connections() + toB.connections();
  for (const proxy of [toA, toB]) proxy.hold(true);
  await until(() => a.links.length === 2 && b.links.length === 2, "silence is noticed");
  assert.deepEqual([a.links[1], b.links[1]], ["down 2 silent", "down 1 silent"]);
  for (const proxy of [toA, toB]) proxy.hold(false);
  await until(() => a.network.isUp(b.node) && b.network.isUp(a.node), "the link is up again");
  assert.equal(toA.connections() + toB.connections(), before);
  for (const proxy of [toA, toB]) proxy.close();
});

test("connections that stay silent are given up and dialled anew", async () => {
  const timing = { ...quickTiming, cutMs: 300 };
  const [a, b] = [await startBroker(1, { timing }), await startBroker(2, { timing })];
  const toB = await startProxy(b.address);
  a.network.setPeers([{ nodeId: b.node, address: toB.address }]);
  b.network.setPeers([{ nodeId: a.node, address: a.address }]);
  await until(() => a.network.isUp(b.node), "the link is up");
  // Only a's own connections are held: b's to a still bring heartbeats, but a's go unanswered.
  toB.hold(true);
  const before = toB.connections();
  await until(() => toB.connections() > before, "a dials anew");
  toB.hold(false);
  await until(() => a.network.isUp(b.node) && b.network.isUp(a.node), "the link is up again");
  toB.close();
});

test("a pause of this process is not taken for the peer's silence", async () => {
  const [a, b] = [await startBroker(1, { timing: quickTiming }), await startBroker(2, { timing: quickTiming })];
  await connect(a, b);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * quickTiming.silentMs);
  a.network.send(b.node, heartbeatEnvelope(1));
  await until(() => b.received.length === 1, "life goes on");
  assert.deepEqual([a.links.length, b.links.length], [1, 1]);
});

test("a peer that takes nothing costs bounded memory, and its votes still pass", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  const toB = await startProxy(b.address);
  a.network.setPeers([{ nodeId: b.node, address: toB.address }]);
  b.network.setPeers([{ nodeId: a.node, address: a.address }]);
  await until(() => a.network.isUp(b.node), "the link is up");
  toB.hold(true);
  let taken = 0;
  while (taken < 200 && a.network.send(b.node, appendEnvelope(MIB, taken))) taken += 1;
  assert.ok(taken >= 30 && taken < 40, `${taken} MiB were taken`);
  assert.ok(a.network.queuedBytes(b.node) <= 33 * MIB);
  assert.ok(a.network.send(b.node, heartbeatEnvelope(1)), "control has room of its own");
  toB.hold(false);
  await until(() => b.received.length === taken + 1, "what was taken arrives");
  await until(() => a.network.queuedBytes(b.node) === 0, "the queue is empty");
  assert.deepEqual(roundsOf("append", b.received), upTo(taken));
  toB.close();
});

test("megabytes do not delay a heartbeat", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  await connect(a, b);
  for (const round of upTo(24)) assert.ok(a.network.send(b.node, appendEnvelope(MIB, round)));
  assert.ok(a.network.send(b.node, heartbeatEnvelope(99)));
  await until(() => b.received.length === 25, "all arrive");
  const overtaken = 24 - b.received.findIndex(({ message }) => message.kind === "heartbeat");
  assert.ok(overtaken >= 12, `the heartbeat overtook ${overtaken} of 24 MiB sent before it`);
});

test("a peer that is removed is down, one whose address changed is dialled there", async () => {
  const [a, b] = [await startBroker(1), await startBroker(2)];
  await connect(a, b);
  a.network.setPeers([]);
  assert.deepEqual(a.links, ["up 2 i2", "down 2 closed"]);
  assert.equal(a.network.send(b.node, heartbeatEnvelope(1)), false);
  await until(() => b.links.includes("down 1 closed"), "the other side notices");

  const toB = await startProxy(b.address);
  a.network.setPeers([{ nodeId: b.node, address: toB.address }]);
  await until(() => a.network.isUp(b.node), "the link is up");
  assert.equal(toB.connections(), 2);
  toB.close();
});
