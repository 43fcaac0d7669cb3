import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "../../src/client/index.js";
import { connected, gate, until } from "./harness.js";

for (const isFollowed of [false, true])
  test(`given back amid the last record before records that are gone, ${isFollowed ? "others waiting behind" : "none behind"}: nothing behind is passed over`, async (context) => {
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (_: object, message: string) => warnings.push(message), child: () => logger };
    const { cluster, quire } = await connected(context, { logger });
    cluster.createTopic("t", 1);
    const topic = quire.topic<string>("t", { serializer: text });
    await topic.sendAll(["0", "1"], { partition: 0 });
    const [busy, hold] = [gate(), gate()];
    cluster.groups.group("g").offsets.set("t/0", { offset: 0, generation: 0 });
    const handler = async ({ offset }: { offset: number }): Promise<void> => {
      if (offset !== 1) return;
      busy.open();
      await hold.opened;
    };
    const consumer = await topic.consume("g", handler, { from: "latest" });
    await busy.opened;
    const log = cluster.partition("t", 0);
    log.batches.length = 0;
    log.nextOffset = 5;
    log.logStart = 5;
    const started = (): number => cluster.brokers.reduce((sum, { subscriptionsStarted }) => sum + subscriptionsStarted, 0);
    const before = started();
    cluster.elect("t", 0, log.leader === 2 ? 1 : 2);
    await until(() => warnings.length > 0, "the reading was refused");
    await until(() => started() > before, "it is read on elsewhere");
    // Both ends are in this process: what was written by now is read in one of the next turns.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
    if (isFollowed) for (let at = 5; at < 8; at++) await topic.send(`${at}`, { partition: 0 });
    const closed = consumer.close();
    hold.open();
    await closed;
    assert.equal(cluster.groups.committed("g", "t/0"), 5);
  });
