import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/client/index.js";
import { connected, gate, until } from "./harness.js";

test("what is sent is read back: partition, offset, key, headers, time", async (context) => {
  const { quire } = await connected(context);
  const orders = quire.topic<{ id: number }>("orders");
  await orders.create({ partitions: 3 });
  const sent = await orders.send({ id: 1 }, { key: "customer-7", headers: { trace: "abc" }, timestampMs: 1_234 });
  assert.equal(sent.offset, 0);
  assert.equal(sent.timestampMs, 1_234);
  for await (const record of orders.read({ to: "latest" })) {
    assert.deepEqual(
      { partition: record.partition, offset: record.offset, key: record.key, value: record.value, at: record.timestampMs },
      { partition: sent.partition, offset: 0, key: "customer-7", value: { id: 1 }, at: 1_234 },
    );
    assert.equal(record.headers[0]?.key, "trace");
    assert.equal(record.headers[0]?.value.toString(), "abc");
    return;
  }
  assert.fail("nothing was read");
});

test("what is sent while a request is under way becomes the next batch", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const topic = quire.topic<string>("t");
  await topic.send("warm");
  cluster.received = [];
  const held = gate();
  cluster.onBatch = async () => {
    await held.opened;
    return undefined;
  };
  const first = topic.send("first");
  await until(() => cluster.received.length === 1, "the first batch is under way");
  const rest = Array.from({ length: 100 }, (_, at) => topic.send(`rest ${at}`));
  held.open();
  await Promise.all([first, ...rest]);
  assert.deepEqual(
    cluster.received.map(({ batch }) => batch.batch?.recordCount),
    [1, 100],
  );
});

test("a record is not acknowledged to the caller before the broker acknowledged it", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  const held = gate();
  cluster.onBatch = async () => {
    await held.opened;
    return undefined;
  };
  let acknowledged = false;
  const sent = quire
    .topic("t")
    .send("x")
    .then(() => {
      acknowledged = true;
    });
  await until(() => cluster.received.length === 1, "the batch has arrived");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(acknowledged, false);
  held.open();
  await sent;
  assert.equal(cluster.values("t").length, 1);
});

test("a record that the broker refuses for good is rejected with its reason", async (context) => {
  const { cluster, quire } = await connected(context);
  cluster.createTopic("t");
  cluster.onBatch = () => new QuireError("BATCH_TOO_LARGE", "too large", { details: { limit: 7 } });
  await assert.rejects(quire.topic("t").send("x"), (error: QuireError) => error.reason === "BATCH_TOO_LARGE" && error.details["limit"] === "7");
});
