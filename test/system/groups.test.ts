import assert from "node:assert/strict";
import { test } from "node:test";
import { Stubs } from "../support/stubs.js";
import { held, RawMember, sizes } from "./raw-member.js";
import { TestCluster, until } from "./test-cluster.js";

const topic = (partitions: number) => ({ topic: { name: "orders", partitions, replicas: 3 } });
const STABLE = 2;
/** Name, state and coordinator of all groups, as each broker says. */
const listedEverywhere = (addresses: readonly string[]): Promise<unknown[]> =>
  Promise.all(
    addresses.map(async (address) => {
      const stubs = new Stubs(address);
      const { groups } = await stubs.ask("GroupService.ListGroups", {});
      stubs.close();
      return groups.map(({ name, state, coordinatorNodeId }: Record<string, unknown>) => [name, state, coordinatorNodeId]);
    }),
  );
const describe = (stubs: Stubs, group: string) => stubs.ask("GroupService.DescribeGroup", { group });

test("members of real brokers share partitions, leave, vanish, and survive their coordinator", { timeout: 120_000 }, async () => {
  await using cluster = await TestCluster.start();
  const addresses = cluster.addresses;
  const stubs = new Stubs(addresses[0] ?? "");
  await stubs.ask("AdminService.CreateTopic", topic(12));
  const [a, b, c] = ["a", "b", "c"].map((id) => new RawMember({ addresses, group: "billing", id, sessionTimeoutMs: 3_000 })) as [
    RawMember,
    RawMember,
    RawMember,
  ];
  try {
    await until("each has its share", () => sizes([a, b, c]).join() === "4,4,4");
    const said = JSON.stringify(Array(3).fill([["billing", STABLE, a.coordinator]]));
    await until("every broker says so", async () => JSON.stringify(await listedEverywhere(addresses)) === said);

    const changes = [a.changes, b.changes];
    const coordinator = a.coordinator;
    await cluster.kill(coordinator);
    await until("all have entered elsewhere", () => [a, b, c].every((member) => member.coordinator !== coordinator), 30_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.deepEqual([a.changes, b.changes], changes, "nobody lost anything for a moment");
    await cluster.broker(coordinator).start();

    const leftMs = performance.now();
    await c.leave();
    await until("the others have what it had", () => sizes([a, b]).join() === "6,6");
    const tookMs = Math.max(a.changedMs, b.changedMs) - leftMs;
    assert.ok(tookMs < 2_000, `a polite leave took ${tookMs} ms`);

    const goneMs = performance.now();
    b.vanish();
    await until("the last one has all", () => a.held.size === 12);
    assert.ok(a.changedMs - goneMs > 2_000 && a.changedMs - goneMs < 3_000 + 2_000, `a member that vanished was replaced after ${a.changedMs - goneMs} ms`);

    const alive = new Stubs(addresses[a.coordinator - 1] ?? "");
    const { summary, members, partitions } = await describe(alive, "billing");
    assert.deepEqual([summary.state, members.length, partitions.length], [2, 1, 12]);
    assert.ok(partitions.every(({ memberId, progress }: { memberId: string; progress: { error: unknown } }) => memberId === "a" && progress.error === null));
    alive.close();
  } finally {
    for (const member of [a, b, c]) member.vanish();
    stubs.close();
  }
});

test("a broker that stops politely hands its groups over; nobody is disturbed", { timeout: 120_000 }, async () => {
  await using cluster = await TestCluster.start();
  const addresses = cluster.addresses;
  const stubs = new Stubs(addresses[0] ?? "");
  await stubs.ask("AdminService.CreateTopic", topic(6));
  const members = ["a", "b"].map((id) => new RawMember({ addresses, group: "billing", id }));
  try {
    await until("each has its share", () => sizes(members).join() === "3,3");
    const changes = members.map((member) => member.changes);
    const coordinator = members[0]?.coordinator ?? 0;
    cluster.broker(coordinator).signal("SIGTERM");
    await until("they have entered elsewhere", () => members.every((member) => member.coordinator !== coordinator), 20_000);
    assert.equal(held(members), 6);
    assert.deepEqual(
      members.map((member) => member.changes),
      changes,
    );
    assert.ok(
      members.every((member) => member.ends.includes("NOT_COORDINATOR")),
      "they were told where to go",
    );
    await cluster.broker(coordinator).gone();
  } finally {
    for (const member of members) member.vanish();
    stubs.close();
  }
});

test("a group's offsets are committed by its owners, seen anywhere, moved while it is empty, and gone with it", { timeout: 120_000 }, async () => {
  await using cluster = await TestCluster.start();
  const [first = "", second = "", third = ""] = cluster.addresses;
  const stubs = new Stubs(second);
  await new Stubs(first).ask("AdminService.CreateTopic", topic(4));
  const quire = await cluster.connect();
  for (let i = 0; i < 40; i++) await quire.topic("orders").send(i, { partition: i % 4 });
  const member = new RawMember({ addresses: [third, first, second], group: "billing", id: "a" });
  try {
    await until("it has all", () => member.held.size === 4);
    const commits = [...member.held.values()].map((place) => ({ ...place, offset: 5 }));
    const fetched = await stubs.ask("GroupService.FetchOffsets", { group: "billing", memberId: "a", fetches: commits });
    assert.ok(
      fetched.answers.every(({ error }: { error: unknown }) => error === null),
      JSON.stringify(fetched.answers),
    );
    const { answers } = await stubs.ask("GroupService.CommitOffsets", { group: "billing", memberId: "a", commits });
    assert.deepEqual(
      answers.map(({ offset, error }: { offset: number; error: unknown }) => [offset, error]),
      Array(4).fill([5, null]),
    );
    await member.leave();
    await until("the group is empty", async () => (await describe(stubs, "billing")).summary.state === 1);
    const { partitions } = await describe(stubs, "billing");
    assert.deepEqual(
      partitions.map(({ progress }: { progress: { offset: number; highWatermark: number } }) => [progress.offset, progress.highWatermark]),
      Array(4).fill([5, 10]),
    );
    const reset = await stubs.ask("GroupService.ResetOffsets", { group: "billing", topics: [{ topic: "orders" }], position: { offset: 2 } });
    assert.deepEqual(
      reset.answers.map(({ offset, offsetBefore, error }: Record<string, unknown>) => [offsetBefore, offset, error]),
      Array(4).fill([5, 2, null]),
    );
    const elsewhere = new Stubs(third);
    const after = await elsewhere.ask("GroupService.FetchOffsets", { group: "billing", fetches: [{ topic: "orders", partition: 1 }] });
    assert.equal(after.answers[0].offset, 2);
    await elsewhere.ask("GroupService.DeleteGroup", { group: "billing" });
    await until("nobody knows it", async () => (await stubs.ask("GroupService.ListGroups", {})).groups.length === 0);
    elsewhere.close();
  } finally {
    member.vanish();
    stubs.close();
  }
});

test("a group that nobody uses is forgotten with its offsets, and the brokers go on", { timeout: 120_000 }, async () => {
  await using cluster = await TestCluster.start({ flags: ["--groups-expire-ms", "2s"] });
  const quire = await cluster.connect();
  const orders = quire.topic<number>("orders");
  await orders.create({ partitions: 1, replicas: 3 });
  await orders.send(1);
  let times = 0;
  const consume = () => orders.consume("billing", () => (times += 1));
  const first = await consume();
  await until("it is processed", () => times === 1);
  await first.close();
  await until("nobody knows the group", async () => (await quire.groups().list()).length === 0);
  await orders.send(2);
  const second = await consume();
  await until("the group begins anew", () => times === 3);
  assert.deepEqual(
    cluster.brokers.flatMap(({ nodeId }) => cluster.logOf(nodeId).filter(({ level }) => level === "error")),
    [],
  );
  await second.close();
});
