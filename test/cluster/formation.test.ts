import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../src/base/errors.js";
import { encodeFoundingRecord, encodeMembership } from "../../src/cluster/membership.js";
import { checkPeerList } from "../../src/cluster/peer-list.js";
import { founding, node, rid } from "./examples.js";
import { type CrashPoint, Founders } from "./fake-founders.js";

const refusal = (reason: string) => (error: unknown) => error instanceof QuireError && error.reason === reason;

test("brokers with the same list form one cluster when all of them are there, whichever comes last", async () => {
  for (const last of [1, 2, 3]) {
    const net = new Founders(1, 2, 3);
    for (const id of [1, 2, 3]) if (id !== last) await net.at(id).start();
    await net.clock.advance(5_000);
    assert.deepEqual(net.clusterIds(), new Set([undefined]), "nobody begins without the others");
    await net.at(last).start();
    await net.clock.until(() => net.formed);
    assert.equal(net.clusterIds().size, 1);
    assert.deepEqual(
      [1, 2, 3].map((id) => net.at(id).membership?.metadataReplicaId),
      [1, 2, 3],
    );
    const record = net.at(1).membership?.founding;
    assert.deepEqual([record?.w, record?.r, record?.peerList], [2, 2, "1@host1:9801,2@host2:9801,3@host3:9801"]);
    await net.clock.advance(60_000);
    assert.equal(net.clock.timers, 0);
  }
});

test("a broker alone forms a cluster at once, and keeps it over a restart", async () => {
  const net = new Founders(1);
  await net.at(1).start();
  await net.clock.settle();
  assert.ok(net.formed);
  const before = net.at(1).disk;
  net.at(1).kill();
  await net.at(1).start();
  await net.clock.settle();
  assert.equal(net.at(1).disk, before);
  assert.ok(net.formed);
});

for (const crash of ["before save", "after save"] as const) {
  for (const victim of [1, 2, 3]) {
    test(`broker ${victim} dies ${crash === "before save" ? "before" : "just after"} the record is on its disk: when it is back there is one cluster`, async () => {
      const net = new Founders(1, 2, 3);
      net.at(victim).crash = crash;
      await net.startAll();
      await net.clock.advance(5_000);
      assert.equal(net.at(victim).formation, undefined, "it died");
      if (victim === 1) assert.equal(net.at(2).disk, undefined, "the record was not sent before it was on the coordinator's disk");
      await net.at(victim).start();
      await net.clock.until(() => net.formed);
      assert.equal(net.clusterIds().size, 1);
      assert.deepEqual(net.violations, []);
    });
  }
}

test("a founder that missed the record gets it from any other, while the one that made it is gone", async () => {
  const net = new Founders(1, 2, 3);
  net.at(3).crash = "before save";
  await net.startAll();
  await net.clock.until(() => net.at(2).outcome !== undefined);
  net.at(1).kill();
  await net.at(3).start();
  await net.clock.until(() => net.at(3).outcome !== undefined);
  assert.equal(net.at(3).membership?.metadataReplicaId, 3);
});

test("a founder that lost its disk joins as somebody new and never takes its former self's place", async () => {
  const net = new Founders(1, 2, 3);
  await net.startAll();
  await net.clock.until(() => net.formed);
  for (const id of [2, 1]) {
    net.at(id).wipe();
    await net.at(id).start();
    await net.clock.advance(5_000);
    if (id === 2) assert.ok((net.at(2).membership?.metadataReplicaId ?? 0) > 100, "a replica id of its own");
  }
  assert.equal(net.at(1).disk, undefined, "with two disks of three lost there is no quorum that could take it in");
  assert.equal(net.at(2).membership?.founding.clusterId, net.at(3).membership?.founding.clusterId);
  await net.clock.advance(60_000);
  assert.equal(net.at(1).disk, undefined, "it waits and does not found another cluster");
});

test("a wiped coordinator whose record reached one founder joins the cluster that exists", async () => {
  const net = new Founders(1, 2, 3);
  net.cut.add("host3:9801");
  await net.at(1).start();
  await net.at(2).start();
  net.cut.clear();
  net.at(3).crash = "before save";
  await net.at(3).start();
  await net.clock.until(() => net.at(2).outcome !== undefined);
  net.at(1).wipe();
  await net.startAll();
  await net.clock.until(() => net.formed);
  assert.equal(net.clusterIds().size, 1);
  assert.ok((net.at(1).membership?.metadataReplicaId ?? 0) > 100);
  assert.equal(net.at(3).membership?.metadataReplicaId, 3);
});

test("a record that names another disk of this broker is refused", async () => {
  const net = new Founders(1, 2, 3);
  await net.at(2).start();
  const record = encodeFoundingRecord(founding(1, 2, 3));
  await assert.rejects(async () => await net.at(2).formation?.onFound(record), refusal("CLUSTER_MISMATCH"));
  await assert.rejects(async () => await net.at(2).formation?.onFound(Buffer.from("garbage")), refusal("INVALID_FIELD"));
  await assert.rejects(async () => await net.at(2).formation?.onFound(Buffer.from('{"version":7}')), refusal("INVALID_FIELD"));
  assert.equal(net.at(2).disk, undefined);
});

test("a member refuses the record of another cluster, and takes its own again", async () => {
  const net = new Founders(1, 2, 3);
  await net.startAll();
  await net.clock.until(() => net.formed);
  const record = net.at(2).membership?.founding;
  assert.ok(record);
  await net.at(2).formation?.onFound(encodeFoundingRecord(record));
  await assert.rejects(async () => await net.at(2).formation?.onFound(encodeFoundingRecord({ ...record, clusterId: "another" })), refusal("CLUSTER_MISMATCH"));
  assert.deepEqual(net.violations, []);
});

test("two disks that were swapped are refused at start", async () => {
  const net = new Founders(1, 2, 3);
  await net.startAll();
  await net.clock.until(() => net.formed);
  const [one, two] = [net.at(1), net.at(2)];
  one.kill();
  two.kill();
  [one.disk, two.disk] = [two.disk, one.disk];
  [one.incarnation, two.incarnation] = [two.incarnation, one.incarnation];
  await assert.rejects(one.start(), refusal("DATA_FOLDER_MISMATCH"));
});

test("a membership that cannot be read is refused, not overwritten", async () => {
  const net = new Founders(1);
  net.at(1).disk = Buffer.from("{");
  await assert.rejects(net.at(1).start(), refusal("INVALID_FIELD"));
  net.at(1).disk = Buffer.from(
    encodeMembership({ founding: founding(1), nodeId: node(1), incarnation: "disk-1-0", metadataReplicaId: rid(1) })
      .toString()
      .replace('"version":1', '"version":2'),
  );
  await assert.rejects(net.at(1).start(), /upgrade it/);
});

test("different lists, a wrong broker behind an address, and copied disks are told clearly, and healed by correcting them", async () => {
  const net = new Founders(1, 2, 3);
  net.at(3).peers = net.at(3).peers.slice(1);
  await net.startAll();
  await net.clock.advance(3_000);
  assert.match(net.at(1).problems.join(), /broker 3 was started with the peers 2@host2:9801,3@host3:9801/);
  assert.deepEqual(net.clusterIds(), new Set([undefined]));
  net.at(3).kill();
  net.at(3).peers = net.at(1).peers;
  net.at(3).incarnation = net.at(2).incarnation;
  await net.at(3).start();
  await net.clock.advance(3_000);
  assert.match(net.at(1).problems.join(), /brokers 2 and 3 have copies of one data folder/);
  net.at(3).wipe();
  await net.at(3).start();
  await net.clock.until(() => net.formed);

  const mixed = new Founders(1, 2);
  mixed.at(1).peers = [mixed.at(1).peers[0], { nodeId: node(3), peerAddress: "host2:9801" }].filter((peer) => peer !== undefined);
  await mixed.startAll();
  await mixed.clock.advance(3_000);
  assert.match(mixed.at(1).problems.join(), /host2:9801 shall be broker 3, but broker 2 answers there/);
});

test("an impossible list is refused before anything begins", () => {
  const peer = (id: number, peerAddress = `host${id}:9801`) => ({ nodeId: node(id), peerAddress });
  assert.throws(() => checkPeerList([peer(1), peer(1, "other:1")], node(1)), /node id 1 is given to both host1:9801 and other:1/);
  assert.throws(() => checkPeerList([peer(1), peer(2, "host1:9801")], node(1)), /host1:9801 is given to both broker 1 and broker 2/);
  assert.throws(() => checkPeerList([peer(1), peer(2)], node(3)), /names brokers 1, 2, but not this one, 3/);
  assert.throws(
    () =>
      checkPeerList(
        [1, 2, 3, 4, 5, 6, 7, 8].map((id) => peer(id)),
        node(1),
      ),
    /at most 7/,
  );
});

test("a broker with neither peers nor join says what to set", async () => {
  const net = new Founders();
  await assert.rejects(net.add(1).start(), refusal("INVALID_SETTING"));
});

test("a late broker joins through any member, also when it dies before it wrote that down, and can be no founder meanwhile", async () => {
  const net = new Founders(1, 2, 3);
  const late = net.add(4);
  late.join = ["host9:9801", "host2:9801", "host1:9801"];
  await late.start();
  await net.clock.advance(2_000);
  assert.equal(late.formation?.onProbe().state, "joining");
  for (const id of [1, 2, 3]) await net.at(id).start();
  late.crash = "before save";
  await net.clock.advance(5_000);
  assert.equal(late.disk, undefined);
  await late.start();
  await net.clock.until(() => net.formed);
  assert.equal(net.clusterIds().size, 1);
  assert.equal(late.membership?.metadataReplicaId, 101, "asked twice, registered once");
});

test("a late broker with the node id of a member is told so", async () => {
  const net = new Founders(1);
  await net.startAll();
  await net.clock.until(() => net.formed);
  const twin = net.add(1, "elsewhere:9801");
  twin.incarnation = "another disk";
  twin.join = ["host1:9801"];
  await twin.start();
  await net.clock.advance(3_000);
  assert.match(twin.problems.join(), /broker 1 runs already, at host1:9801/);
  assert.equal(twin.disk, undefined);
});

test("a founder with a list that differs from the one its cluster was founded with is told how to go on", async () => {
  const net = new Founders(1, 2, 3);
  await net.startAll();
  await net.clock.until(() => net.formed);
  const late = net.add(4);
  late.peers = [...net.at(1).peers, { nodeId: node(4), peerAddress: late.address }];
  await late.start();
  await net.clock.advance(3_000);
  assert.match(late.problems.join(), /set join instead of peers/);
  assert.equal(late.disk, undefined);
});

test("stopping ends the waiting", async () => {
  const net = new Founders(1, 2);
  await net.at(1).start();
  await net.clock.advance(1_000);
  net.at(1).kill();
  await net.clock.advance(5_000);
  assert.equal(net.clock.timers, 0);
});

type Step = { readonly id: number; readonly what: "start" | "kill" | "wipe" | "cut" | "heal"; readonly crash: CrashPoint; readonly ms: number };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    id: fc.integer({ min: 1, max: 3 }),
    what: fc.constantFrom("start" as const, "start" as const, "kill" as const, "wipe" as const, "cut" as const, "heal" as const),
    crash: fc.constantFrom("before save" as const, "after save" as const, undefined, undefined),
    ms: fc.constantFrom(0, 0, 60, 300, 1_500),
  }),
  { maxLength: 16 },
);

test("whatever dies whenever, and with one disk lost at most, all end in one cluster, and no disk ever changes sides", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const net = new Founders(1, 2, 3);
      let wiped = false;
      for (const { id, what, crash, ms } of list) {
        const founder = net.at(id);
        if (what === "start" && founder.formation === undefined) {
          founder.crash = crash;
          await founder.start();
        } else if (what === "kill") founder.kill();
        else if (what === "cut") net.cut.add(founder.address);
        else if (what === "heal") net.cut.delete(founder.address);
        else if (what === "wipe" && !wiped) {
          wiped = true;
          founder.wipe();
        }
        await net.clock.advance(ms);
      }
      net.cut.clear();
      for (const founder of net.all.values()) founder.crash = undefined;
      await net.startAll();
      await net.clock.until(() => net.formed, 30_000);
      assert.equal(net.clusterIds().size, 1);
      assert.deepEqual(net.violations, []);
      const record = net.at(1).membership?.founding;
      for (const founder of net.all.values()) {
        const named = record?.founders.find((other) => other.nodeId === founder.nodeId && other.incarnation === founder.incarnation);
        const own = founder.membership?.metadataReplicaId ?? 0;
        assert.ok(named === undefined ? own > 100 : own === named.replicaId, "a founder's replica belongs to a founder's disk");
      }
    }),
    { numRuns: 200 },
  );
});
