import assert from "node:assert/strict";
import { test } from "node:test";
import { ProducersKeeper } from "../../src/broker/producers-keeper.js";
import { EntryKind } from "../../src/replica/types.js";
import { batchOf, headerOf } from "../support/batches.js";
import { settle } from "../support/fake-clock.js";
import { fixture } from "./fixture.js";

test("the leader lets an idle producer be forgotten by an entry of its log; a follower proposes nothing, and a quiet partition stays quiet", async () => {
  const { dataPlane, replica, view, clock } = fixture();
  const keeper = new ProducersKeeper({
    replicas: () => [replica],
    view,
    tellTime: (led, at) => dataPlane.tellTime(led, at),
    clock,
    expireMs: 60_000,
  });
  const entries = (): number => replica.frames.filter(({ kind }) => kind === EntryKind.producers).length;
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      clock.advance(1_000);
      await settle();
    }
  };
  replica.propose({ kind: EntryKind.records, batch: { ...headerOf(batchOf(["a"])), producerId: 7 }, body: batchOf(["a"]).body }, () => {});
  await settle();
  await pass(59_000);
  assert.ok(replica.producers.get(7) !== undefined);
  assert.equal(entries(), 1, "time was told once: nobody wrote after that");
  replica.serving = false;
  await pass(10_000);
  assert.ok(replica.producers.get(7) !== undefined);
  replica.serving = true;
  await pass(10_000);
  assert.deepEqual([replica.producers.size, entries()], [0, 2]);
  await pass(200_000);
  assert.equal(entries(), 2);
  keeper.stop();
});
