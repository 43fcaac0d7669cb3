import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import type { Topic } from "../../src/client/index.js";
import { TestCluster, until } from "./test-cluster.js";
import { Workload } from "./workload.js";

/** More rounds for a longer run: `FAULT_ROUNDS=200 npm test -- system/faults`. */
const ROUNDS = Number(process.env["FAULT_ROUNDS"] ?? 6);
const WHOLE_MS = 60_000;

interface Fault {
  readonly name: string;
  run(cluster: TestCluster, nodeId: number): Promise<void>;
}

const FAULTS: readonly Fault[] = [
  {
    name: "killed and started again",
    async run(cluster, nodeId) {
      await cluster.kill(nodeId);
      await sleep(700);
      await cluster.broker(nodeId).start();
    },
  },
  {
    name: "paused beyond an election and let go on",
    async run(cluster, nodeId) {
      cluster.broker(nodeId).signal("SIGSTOP");
      await sleep(3_000);
      cluster.broker(nodeId).signal("SIGCONT");
    },
  },
  {
    name: "stopped politely and started again",
    async run(cluster, nodeId) {
      assert.ok(await cluster.broker(nodeId).stop(), "it ended by itself");
      await cluster.broker(nodeId).start();
    },
  },
  {
    name: "killed with another one at once, and both started again",
    async run(cluster, nodeId) {
      const other = (nodeId % 3) + 1;
      await Promise.all([cluster.kill(nodeId), cluster.kill(other)]);
      await Promise.all([cluster.broker(nodeId).start(), cluster.broker(other).start()]);
    },
  },
];

async function leaderOf(topic: Topic<Uint8Array>, partition: number): Promise<number> {
  const state = (await topic.partitions())[partition];
  return state?.leader ?? 1;
}

test("no fault of a leader loses, reorders or changes an acknowledged record", { timeout: 60_000 + ROUNDS * 60_000 }, async () => {
  await using cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const quire = await cluster.connect({ deliveryTimeoutMs: 60_000 });
  const topic = quire.topic<Uint8Array>("faults");
  await topic.create({ partitions: 4, replicas: 3 });
  await using workload = new Workload(topic);
  for (let round = 0; round < ROUNDS; round++) {
    const fault = FAULTS[round % FAULTS.length];
    assert.ok(fault !== undefined);
    const before = workload.acknowledged;
    await fault.run(cluster, await leaderOf(topic, round % 4));
    await untilWhole(cluster.addresses, 3, WHOLE_MS);
    await until(`acknowledgements go on after a leader was ${fault.name}`, () => workload.acknowledged > before);
  }
  await workload.stop();
  await workload.check();
});

test("everything acknowledged is there after all brokers were killed at once", { timeout: 120_000 }, async () => {
  await using cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const quire = await cluster.connect({ deliveryTimeoutMs: 60_000 });
  const topic = quire.topic<Uint8Array>("all-down");
  await topic.create({ partitions: 4, replicas: 3 });
  await using workload = new Workload(topic);
  await sleep(500);
  await Promise.all(cluster.brokers.map((broker) => cluster.kill(broker.nodeId)));
  await Promise.all(cluster.brokers.map((broker) => broker.start()));
  const before = workload.acknowledged;
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  await until("acknowledgements go on", () => workload.acknowledged > before);
  await workload.stop();
  await workload.check();
});
