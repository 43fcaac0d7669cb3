import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ConsumerProcess, nowMs } from "../../scripts/measure/consumer.js";
import { type Blow, type Deed, judge } from "../../scripts/measure/deliveries.js";
import type { Consumer, GroupDescription } from "../../src/client/index.js";
import { createTopic, Numbers, ownersOf, Seen, settled } from "./group-workload.js";
import { TestCluster, until } from "./test-cluster.js";

/** For all that leave it as it was, or whole again; each has a topic and a group of its own. */
let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.start();
});
after(() => cluster[Symbol.asyncDispose]());

test("a static member that comes back takes over what it owned at once, and nobody else's partitions move", async () => {
  const quire = await cluster.connect();
  const topic = await createTopic(quire, "static", 4);
  const stay = await topic.consume("static", () => {}, { instance: "stay" });
  const former = await topic.consume("static", () => {}, { instance: "goes" });
  const fenced = assert.rejects(former.done, { reason: "MEMBER_FENCED" });
  const before = await settled(quire, "static", 2);
  const owned = (group: GroupDescription, { memberId }: Consumer): [string, string][] => [...ownersOf(group)].filter(([, owner]) => owner.startsWith(memberId));
  const next = await topic.consume("static", () => {}, { instance: "goes" });
  await fenced;
  const after = await settled(quire, "static", 2);
  assert.deepEqual(
    owned(after, next).map(([place]) => place),
    owned(before, former).map(([place]) => place),
  );
  assert.deepEqual(owned(after, stay), owned(before, stay));
  await Promise.all([stay.close(), next.close()]);
});

test("a pattern takes in topics to come, and a topic that grows is followed", async () => {
  const quire = await cluster.connect();
  const first = await createTopic(quire, "orders.eu", 1);
  const seen: string[] = [];
  const consumer = await quire.consume<string>("pattern", { pattern: "orders.*" }, ({ value }, { topic }) => seen.push(`${topic} ${value}`));
  await first.send("a");
  const second = await createTopic(quire, "orders.us", 1);
  await second.send("b");
  await first.update({ partitions: 3 });
  await first.send("c", { partition: 2 });
  await until("all three are seen", () => seen.length === 3);
  assert.deepEqual(seen.sort(), ["orders.eu a", "orders.eu c", "orders.us b"]);
  await first.delete();
  await second.send("d");
  await until("the other goes on", () => seen.length === 4);
  await consumer.close();
});

test("a handler that blocks the event loop for longer than the session keeps its partitions; one that hangs for too long does not", async () => {
  const quire = await cluster.connect();
  const topic = await createTopic(quire, "blocked", 1);
  await topic.send("1");
  let done = 0;
  const block = (ms: number): void => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  const blocking = (): void => {
    if (++done === 1) block(4_000);
  };
  const consumer = await topic.consume("blocked", blocking, { sessionTimeoutMs: 1_500 });
  await until("the first is done", () => done > 0);
  const before = ownersOf(await settled(quire, "blocked", 1));
  await topic.send("2");
  await until("it goes on", async () => (await quire.groups().describe("blocked")).partitions[0]?.committed === 2);
  assert.deepEqual(ownersOf(await quire.groups().describe("blocked")), before);
  assert.equal(done, 2, "nothing came twice");
  await consumer.close();
  await topic.send("3");
  let hangs = false;
  const hang = (): Promise<void> => {
    hangs = true;
    return new Promise(() => {});
  };
  const hanging = await topic.consume("blocked", hang, { progressTimeoutMs: 1_000 });
  const rejected = assert.rejects(hanging.done, { reason: "DEADLINE" });
  await until("it hangs", () => hangs);
  const other = new Seen();
  const next = await topic.consume("blocked", other.by("other"));
  await rejected;
  await until("another goes on", () => other.records.length > 0);
  await next.close();
});

test("consumers share, reshare, leave politely, and go on where they were after all brokers have restarted", async () => {
  const quire = await cluster.connect();
  const topic = await createTopic(quire, "shared", 6);
  const seen = new Seen();
  const numbers = new Numbers(topic, 6);
  const one = await topic.consume("shared", seen.by("one"));
  const alone = ownersOf(await settled(quire, "shared", 1));
  const two = await topic.consume("shared", seen.by("two"), { clientId: "the second" });
  const both = await settled(quire, "shared", 2);
  const kept = [...ownersOf(both)].filter(([place, owner]) => alone.get(place) === owner);
  assert.equal(kept.length, 3, "what need not move has not moved");
  assert.deepEqual(
    both.memberList.map(({ partitions }) => partitions),
    [3, 3],
  );
  const leftMs = performance.now();
  await two.close();
  await until("the first has all again", () => one.assignment().length === 6);
  await sleep(500);
  const gaps = [0, 1, 2, 3, 4, 5].map((partition) => Math.round(seen.gapMs(partition, leftMs)));
  assert.ok(Math.max(...gaps) < 1_000, `after a polite leave partitions paused for ${gaps.join(", ")} ms`);
  await numbers.stop();
  await until("all is seen", () => seen.missing(numbers.sent).length === 0);
  await one.close();
  const count = seen.records.length;
  assert.equal(count, numbers.sent.length, "nobody died: nothing came twice");
  for (const broker of cluster.brokers) broker.signal("SIGTERM");
  await Promise.all(cluster.brokers.map((broker) => broker.gone()));
  await Promise.all(cluster.brokers.map((broker) => broker.start()));
  await topic.send("1000000", { partition: 3 });
  const again = await topic.consume("shared", seen.by("again"));
  await until("the new one is seen", () => seen.records.length > count);
  await sleep(200);
  await again.close();
  assert.deepEqual(
    seen.records.slice(count).map(({ value }) => value),
    [1_000_000],
  );
});

test("consumers and brokers are killed one after the other: every record is processed at least once, in order within its partition", async () => {
  const quire = await cluster.connect();
  const topic = await createTopic(quire, "killed", 4);
  const numbers = new Numbers(topic, 4, 2);
  const [all, deeds, blows]: [ConsumerProcess[], Deed[], Blow[]] = [[], [], []];
  const heard = (): readonly Deed[] => {
    for (const each of all) deeds.push(...each.deeds());
    return deeds;
  };
  const begin = (how: "after" | "manual"): void => {
    const at = all.length;
    const file = path.join(cluster.folder, `consumer-${at}`);
    all.push(new ConsumerProcess({ who: `c${at}`, brokers: cluster.addresses, topic: "killed", group: "killed", how, sessionMs: 2_000, file }));
  };
  begin("after");
  begin("manual");
  try {
    for (let round = 0; round < 3; round++) {
      const struck = all[all.length - 2] as ConsumerProcess;
      await until("the one to be killed works", () => heard().some(({ who }) => who === struck.who));
      blows.push({ who: struck.who, atMs: nowMs(), how: "killed" });
      await struck.end("SIGKILL");
      begin(round % 2 === 0 ? "after" : "manual");
      await cluster.kill(round + 1);
      await sleep(1_500);
      await cluster.broker(round + 1).start();
    }
    await numbers.stop();
    const isProcessed = (): boolean => new Set(heard().flatMap((deed) => (deed.kind === "processed" ? [deed.value] : []))).size >= numbers.sent.length;
    await until("every record is processed", isProcessed, 60_000);
  } finally {
    await Promise.all(all.map((consumer) => consumer.end("SIGTERM")));
    heard();
    for (const consumer of all) consumer.close();
  }
  const { wrong, processed } = judge(numbers.records, deeds, blows);
  assert.deepEqual(wrong, []);
  assert.ok(processed < numbers.sent.length * 1.5, `${processed} records were processed of ${numbers.sent.length}`);
});

test("a coordinator's death delays no record and moves no partition", async () => {
  await using cluster = await TestCluster.start({ brokers: 5 });
  const quire = await cluster.connect();
  const topic = await createTopic(quire, "orders", 4);
  const seen = new Seen();
  const consumers = [await topic.consume("g", seen.by("one")), await topic.consume("g", seen.by("two"))];
  const before = await settled(quire, "g", 2);
  // Leaders of partitions go elsewhere first: it is the coordinator's death that is looked at.
  const coordinator = before.coordinator ?? 0;
  for (const { partition, leader, replicas } of await topic.partitions()) {
    if (leader === coordinator) await topic.transferLeader(partition, replicas.find((nodeId) => nodeId !== coordinator) ?? 0);
  }
  const numbers = new Numbers(topic, 4);
  await sleep(500);
  const killedMs = performance.now();
  await cluster.kill(coordinator);
  await until("there is another coordinator", async () => {
    const { coordinator: next } = await quire.groups().describe("g");
    return next !== undefined && next !== coordinator;
  });
  const after = await settled(quire, "g", 2);
  await numbers.stop();
  await until("all is seen", () => seen.missing(numbers.sent).length === 0);
  assert.deepEqual(ownersOf(after), ownersOf(before));
  assert.equal(seen.records.length, numbers.sent.length);
  const delays = seen.records.filter(({ atMs }) => atMs >= killedMs).map(({ value, atMs }) => Math.round(atMs - (numbers.atMs[value] ?? 0)));
  assert.ok(Math.max(...delays) < 1_000, `a record came ${Math.max(...delays)} ms after it was acknowledged`);
  await Promise.all(consumers.map((consumer) => consumer.close()));
});
