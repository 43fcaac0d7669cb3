import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import type { Quire } from "../../src/client/index.js";
import { TestCluster, until } from "./test-cluster.js";
import { Workload } from "./workload.js";

const WHOLE_MS = 30_000;
const PARTITIONS = 4;
/** The metadata's own replica set counts, too. */
const REPLICA_SETS = PARTITIONS + 1;

/** Waits until `more` records were acknowledged from now on. */
async function goesOn(workload: Workload, what: string, more = 50): Promise<void> {
  const enough = workload.acknowledged + more;
  await until(`records are acknowledged ${what}`, () => workload.acknowledged >= enough);
}

const incarnationOf = async (quire: Quire, nodeId: number): Promise<string> =>
  (await quire.cluster()).brokers.find((broker) => broker.nodeId === nodeId)?.incarnation ?? "";

/** Replica sets in which a new replica of the broker has become a voter, as the leaders' logs say. */
function replacedOn(cluster: TestCluster, nodeId: number, others: readonly number[]): number {
  const sets = new Map<unknown, string>();
  for (const other of others)
    for (const line of cluster.logOf(other)) if (line.msg === "changed the members of a replica set") sets.set(line["replicaSetId"], String(line["to"]));
  return [...sets.values()].filter((to) => new RegExp(`voters [^,]*@${nodeId}\\b[^,]*, learners none`).test(to)).length;
}

test("a broker that joins later is seen, gets replicas of new topics, and its vote counts when another dies", async () => {
  await using cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const late = await cluster.join();
  await untilWhole(cluster.addresses, 4, WHOLE_MS);
  const quire = await cluster.connect({ deliveryTimeoutMs: 60_000 });
  const seen = (await quire.cluster()).brokers.map(({ nodeId, address, alive }) => [nodeId, address, alive]);
  assert.deepEqual(
    seen,
    cluster.brokers.map((broker) => [broker.nodeId, broker.address, true]),
  );
  const topic = quire.topic<Uint8Array>("on-four");
  const created = await topic.create({ partitions: PARTITIONS, replicas: 4 });
  assert.deepEqual([created.writeQuorum, created.readQuorum], [3, 3]);
  for (const { replicas } of created.partitionStates) assert.deepEqual([...replicas].sort(), [1, 2, 3, 4]);
  await topic.transferLeader(0, late.nodeId);
  await until("the late broker is known to lead", async () => (await topic.partitions())[0]?.leader === late.nodeId);

  await using workload = new Workload(topic);
  await goesOn(workload, "by four");
  // From here on every acknowledgement needs the late one.
  await cluster.kill(1);
  await goesOn(workload, "by three, the late one among them");
  await cluster.kill(late.nodeId);
  await Promise.all([cluster.broker(1).start(), late.start()]);
  await untilWhole(cluster.addresses, 4, WHOLE_MS);
  await goesOn(workload, "by all again");
  await workload.stop();
  await workload.check();
});

test("a broker that lost its disk comes back as another one, is filled, and then replaces what it was", async () => {
  await using cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const quire = await cluster.connect({ deliveryTimeoutMs: 60_000 });
  const topic = quire.topic<Uint8Array>("refilled");
  await topic.create({ partitions: PARTITIONS, replicas: 3 });
  await using workload = new Workload(topic);
  await goesOn(workload, "at first", 300);
  // The hardest one to lose.
  const lost = (await quire.cluster()).controllerNodeId;
  const others = [1, 2, 3].filter((nodeId) => nodeId !== lost);
  const former = await incarnationOf(quire, lost);

  await cluster.kill(lost);
  fs.rmSync(cluster.dataFolder(lost), { recursive: true });
  await goesOn(workload, "while a disk is lost");
  await cluster.broker(lost).start();
  await until("all its replicas are replaced", () => replacedOn(cluster, lost, others) === REPLICA_SETS);
  assert.notEqual(await incarnationOf(quire, lost), former);
  await goesOn(workload, "after the replacement");

  // Two of three are left, and one of them is the new disk: it must hold everything and vote.
  await cluster.kill(others[0] ?? 0);
  await goesOn(workload, "by the new disk and one other");
  await workload.stop();
  await workload.check();
});
