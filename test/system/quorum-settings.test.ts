import assert from "node:assert/strict";
import { test } from "node:test";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import { QuireError, type Topic } from "../../src/client/index.js";
import { TestCluster, until } from "./test-cluster.js";
import { Workload } from "./workload.js";

const WHOLE_MS = 30_000;

async function whole(): Promise<TestCluster> {
  const cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  return cluster;
}

/** Waits until `more` records were acknowledged from now on. */
async function goesOn(workload: Workload, what: string, more = 50): Promise<void> {
  const enough = workload.acknowledged + more;
  await until(`records are acknowledged ${what}`, () => workload.acknowledged >= enough);
}

async function valuesOf(topic: Topic<string>): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const record of topic.read({ to: "latest" })) values.push(record.value);
  return values;
}

/** How many replica sets have last been changed to this, as their leaders' logs say. */
function setsChangedTo(cluster: TestCluster, quorums: string): number {
  const lines = cluster.brokers.flatMap(({ nodeId }) => cluster.logOf(nodeId).filter(({ msg }) => msg === "changed the members of a replica set"));
  lines.sort((a, b) => (String(a["time"]) < String(b["time"]) ? -1 : 1));
  const last = new Map(lines.map((line) => [line["replicaSetId"], String(line["to"])]));
  return [...last.values()].filter((to) => to.endsWith(quorums)).length;
}

/** What one broker knows by itself. */
const leaderOf = async (topic: Topic<string>): Promise<number> => (await topic.partitions())[0]?.leader ?? 1;
const others = (nodeId: number): number[] => [1, 2, 3].filter((other) => other !== nodeId);

test("with W=3 nothing is acknowledged or read while one of three is down, and all of it is settled when it is back", async () => {
  await using cluster = await whole();
  const quire = await cluster.connect({ deliveryTimeoutMs: 1_500 });
  const topic = quire.topic<string>("all-three");
  await topic.create({ replicas: 3, writeQuorum: 3, readQuorum: 2 });
  await topic.send("before");
  const [down = 0] = others(await leaderOf(topic));
  await cluster.kill(down);
  for (const outcome of await Promise.allSettled(["one", "two", "three"].map((value) => topic.send(value)))) {
    assert.equal(outcome.status, "rejected", "no acknowledgement without W");
    assert.ok(outcome.reason instanceof QuireError && ["WRITE_OUTCOME_UNKNOWN", "LEADER_UNKNOWN"].includes(outcome.reason.reason), String(outcome.reason));
  }
  // A leader that does not reach W steps down, and who could not commit is not elected: nobody can say what `latest` is.
  await assert.rejects(valuesOf(topic), (error: QuireError) => ["LEADER_UNKNOWN", "QUORUM_UNAVAILABLE"].includes(error.reason));
  await cluster.broker(down).start();
  await until("records are acknowledged again", () =>
    topic.send("after").then(
      () => true,
      () => false,
    ),
  );
  const values = await valuesOf(topic);
  // What was not acknowledged is there or not, but in its place and not twice.
  assert.deepEqual(
    values,
    ["before", "one", "two", "three", "after"].filter((value) => values.includes(value)),
  );
  assert.ok(values.includes("before") && values.includes("after"));
});

test("W goes from 2 to 3 and back under load, on all partitions, and nothing acknowledged is lost", async () => {
  await using cluster = await whole();
  const quire = await cluster.connect({ deliveryTimeoutMs: 60_000 });
  const topic = quire.topic<Uint8Array>("changing");
  await topic.create({ partitions: 4, replicas: 3 });
  await using workload = new Workload(topic);
  await goesOn(workload, "with W=2");
  for (let round = 0; round < 2; round++) {
    assert.equal((await topic.update({ writeQuorum: 3 })).writeQuorum, 3);
    await until("W=3 is in force everywhere", () => setsChangedTo(cluster, "W=3 R=2") === 4);
    await goesOn(workload, "with W=3");
    await topic.update({ writeQuorum: 2 });
    await until("W=2 is in force everywhere", () => setsChangedTo(cluster, "W=2 R=2") === 4);
  }
  await assert.rejects(topic.update({ writeQuorum: 1 }), { reason: "INVALID_QUORUM" });
  // With W=3 still in force anywhere, some records would wait for this one.
  await cluster.kill(2);
  await goesOn(workload, "by two of three");
  await workload.stop();
  await workload.check();
});

test("acks=leader is answered by the leader's disk alone, acks=none by nobody's, and acks=quorum waits", async () => {
  await using cluster = await whole();
  const create = (await cluster.connect()).topic<string>("weaker");
  await create.create({ replicas: 3 });
  const topicWith = async (acks: "quorum" | "leader" | "none"): Promise<Topic<string>> =>
    (await cluster.connect({ acks, deliveryTimeoutMs: 30_000 })).topic<string>("weaker");
  const [quorum, leader, none] = [await topicWith("quorum"), await topicWith("leader"), await topicWith("none")];
  for (const topic of [quorum, leader, none]) await topic.send("first");
  const followers = others(await leaderOf(create));
  for (const nodeId of followers) cluster.broker(nodeId).signal("SIGSTOP");
  const answered: string[] = [];
  const quorumAnswer = quorum.send("by a quorum").then(({ offset }) => {
    answered.push("quorum");
    return offset;
  });
  assert.equal((await none.send("by nobody")).offset, -1);
  assert.ok((await leader.send("by the leader")).offset > 0);
  answered.push("leader");
  for (const nodeId of followers) cluster.broker(nodeId).signal("SIGCONT");
  assert.ok((await quorumAnswer) > 0);
  assert.deepEqual(answered, ["leader", "quorum"]);
  const values = await valuesOf(create);
  // Sent again after an unknown outcome, one may be there twice.
  assert.ok(values.includes("by a quorum"), String(values));
});

test("a topic that is synced now and then survives the death of all processes: the machine goes on", async () => {
  await using cluster = await whole();
  const quire = await cluster.connect({ deliveryTimeoutMs: 60_000 });
  const topic = quire.topic<Uint8Array>("unsynced");
  const { settings } = await topic.create({ partitions: 4, replicas: 3, settings: { flush: "interval", flushIntervalMs: 60_000 } });
  assert.deepEqual([settings.flush, settings.flushIntervalMs], ["interval", 60_000]);
  await using workload = new Workload(topic);
  await goesOn(workload, "before the kill", 500);
  await Promise.all(cluster.brokers.map(({ nodeId }) => cluster.kill(nodeId)));
  await Promise.all(cluster.brokers.map((broker) => broker.start()));
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  await goesOn(workload, "after it");
  await workload.stop();
  await workload.check();
});
