import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import { connectWith } from "../../src/client/connect.js";
import { systemPorts } from "../../src/client/ports.js";
import { TcpProxy } from "../support/tcp-proxy.js";
import { TestCluster } from "./test-cluster.js";

const ROUNDS = 9;
const PARTITIONS = 4;

/** A proxy before each broker. */
async function startProxies(cluster: TestCluster): Promise<Map<string, TcpProxy>> {
  const proxies = new Map<string, TcpProxy>();
  for (const address of cluster.addresses) proxies.set(address, await TcpProxy.start(Number(address.split(":")[1])));
  return proxies;
}

interface Sender {
  readonly sent: number;
  readonly acknowledged: Map<string, string>;
  stop(): Promise<void>;
}

/** Sends numbered records steadily, and remembers where each one was acknowledged. */
function startSending(send: (value: string, partition: number) => Promise<{ partition: number; offset: number }>): Sender {
  const acknowledged = new Map<string, string>();
  const outcomes: Promise<void>[] = [];
  let sent = 0;
  let isOn = true;
  const running = (async () => {
    while (isOn) {
      for (let n = 0; n < 5; n++) {
        const value = `record ${sent++}`;
        outcomes.push(send(value, sent % PARTITIONS).then(({ partition, offset }) => void acknowledged.set(value, `${partition}/${offset}`)));
      }
      await sleep(5);
    }
    await Promise.all(outcomes);
  })();
  return {
    get sent() {
      return sent;
    },
    acknowledged,
    stop: () => {
      isOn = false;
      return running;
    },
  };
}

test("with answers lost on purpose, and brokers killed, an idempotent producer leaves every record once, in order, where it was told", {
  timeout: 240_000,
}, async () => {
  await using cluster = await TestCluster.start();
  await untilWhole(cluster.addresses, 3, 60_000);
  const proxies = await startProxies(cluster);
  const dial: typeof systemPorts.dial = (address, options) => systemPorts.dial(proxies.get(address)?.address ?? address, options);
  const quire = await connectWith({ brokers: cluster.addresses, deliveryTimeoutMs: 60_000, batchBytes: 2_048 }, { ...systemPorts, dial });
  try {
    const topic = quire.topic<string>("once");
    await topic.create({ partitions: PARTITIONS, replicas: 3 });
    const sender = startSending((value, partition) => topic.send(value, { partition }));
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(200);
      for (const proxy of proxies.values()) proxy.loseAnswers();
      const before = sender.sent;
      await sleep(150);
      assert.ok(sender.sent > before, "records were sent whose answers are lost");
      if (round % 3 === 1) await cluster.kill(1 + (round % 3));
      for (const proxy of proxies.values()) proxy.drop();
      if (round % 3 === 1) await cluster.broker(1 + (round % 3)).start();
    }
    await sender.stop();
    const read = new Map<string, string>();
    const orders: number[][] = Array.from({ length: PARTITIONS }, () => []);
    for await (const { value, partition, offset } of topic.read({ from: "earliest", to: "latest" })) {
      assert.ok(!read.has(value), `${value} is there twice, at ${read.get(value)} and ${partition}/${offset}`);
      read.set(value, `${partition}/${offset}`);
      orders[partition]?.push(Number(value.slice("record ".length)));
    }
    assert.deepEqual(read, sender.acknowledged);
    assert.equal(read.size, sender.sent);
    for (const order of orders)
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
      );
  } finally {
    await quire.close({ timeoutMs: 1_000 });
    for (const proxy of proxies.values()) await proxy.close();
  }
});
