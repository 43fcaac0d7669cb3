import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect, type QuireError } from "../../src/client/index.js";
import { startFakeCluster } from "../support/fake-broker.js";
import { connected } from "./harness.js";

const run = promisify(execFile);
const client = fileURLToPath(new URL("../../src/client/index.js", import.meta.url));

test("connects through any broker of the list that is there", async (context) => {
  const { cluster, stop } = await startFakeCluster(2);
  context.after(stop);
  await using quire = await connect({ brokers: ["127.0.0.1:1", ...cluster.addresses] });
  assert.equal(quire.clusterId, "fake");
});

test("says which brokers did not answer, and why", async () => {
  await assert.rejects(connect({ brokers: ["127.0.0.1:1", "127.0.0.1:2"], connectTimeoutMs: 200 }), (error: QuireError) => {
    assert.equal(error.reason, "BROKER_UNREACHABLE");
    assert.match(error.message, /127\.0\.0\.1:1, 127\.0\.0\.1:2 .* within 200 ms/);
    return true;
  });
  await assert.rejects(connect({ brokers: ["127.0.0.1:1"], signal: AbortSignal.timeout(30) }), { name: "TimeoutError" });
});

test("topics are created, described, listed and deleted; a call goes on to another broker when one is dead", async (context) => {
  const { cluster, quire } = await connected(context);
  const created = await quire.topic("a").create({ partitions: 2 });
  assert.equal(created.partitions, 2);
  assert.equal(created.settings.flush, "batch");
  await assert.rejects(quire.topic("a").create(), { reason: "TOPIC_ALREADY_EXISTS" });
  assert.equal((await quire.topic("a").create({ ifNotExists: true })).partitions, 2);
  cluster.broker(1).proxy.kill();
  await quire.topic("b").create();
  cluster.broker(1).proxy.restore();
  cluster.broker(2).proxy.kill();
  assert.deepEqual(
    (await quire.topics()).map(({ name }) => name),
    ["a", "b"],
  );
  assert.deepEqual(
    (await quire.topics({ prefix: "b" })).map(({ name }) => name),
    ["b"],
  );
  assert.equal((await quire.topic("a").partitions())[1]?.leader, 2);
  await quire.topic("a").delete();
  await assert.rejects(quire.topic("a").describe(), { reason: "TOPIC_NOT_FOUND" });
  await assert.rejects(quire.topic("a").create({ partition: 2 } as object), /did you mean partitions/);
});

test("a topic that was just created can be written to, although the watched broker does not know it yet", async (context) => {
  const { cluster, quire } = await connected(context);
  for (const broker of cluster.brokers) broker.hiddenTopic = "new";
  const topic = quire.topic("new");
  await topic.create({ partitions: 3 });
  await topic.send("x");
});

test("numbers that the encoding would bend are refused, and a description holds only what it names", async (context) => {
  const { quire } = await connected(context);
  const topic = quire.topic("bent");
  await assert.rejects(topic.create({ partitions: 1.5 }), /partitions is 1.5; use a whole number from 1 on/);
  await assert.rejects(topic.create({ partitions: 0 }), { reason: "INVALID_SETTING" });
  await assert.rejects(topic.create({ settings: { retentionMs: Number.NaN } }), /settings.retentionMs is NaN/);
  await assert.rejects(topic.create({ settings: { flush: "never" as "batch" } }), /settings.flush is "never"; use "batch" or "interval"/);
  await assert.rejects(topic.trim(0, 0.5), /beforeOffset is 0.5/);
  await assert.rejects(topic.transferLeader(0, -1), /nodeId is -1/);
  const { settings } = await topic.create({ settings: { retentionMs: 60_000 } });
  assert.deepEqual(
    Object.keys(settings).filter((name) => name.startsWith("_")),
    [],
  );
});

test("works from CommonJS, and after close the process ends by itself", async (context) => {
  const { cluster, stop } = await startFakeCluster();
  context.after(stop);
  cluster.createTopic("t");
  const program = `
    const { connect } = require(${JSON.stringify(client)});
    (async () => {
      const quire = await connect({ brokers: ${JSON.stringify(cluster.addresses)} });
      await quire.topic("t").send("x");
      for await (const record of quire.topic("t").read({ to: "latest" })) console.log(record.value);
      await quire.close();
    })();`;
  const { stdout } = await run(process.execPath, ["--no-warnings", "-e", program], { timeout: 20_000 });
  assert.equal(stdout, "x\n");
});

test("while a send waits for a leader, or a read for records, the process stays alive", async (context) => {
  const { cluster, stop } = await startFakeCluster();
  context.after(stop);
  cluster.createTopic("t");
  cluster.elect("t", 0, 0);
  const program = `
    import { connect } from ${JSON.stringify(client)};
    const quire = await connect({ brokers: ${JSON.stringify(cluster.addresses)}, deliveryTimeoutMs: 700 });
    await quire.topic("t").send("x").catch((error) => console.log(error.reason));
    await quire.close();`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { timeout: 20_000 });
  assert.equal(stdout, "LEADER_UNKNOWN\n");
});
