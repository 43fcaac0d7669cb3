import assert from "node:assert/strict";
import { test } from "node:test";
import { offset, term } from "../../src/base/ids.js";
import type { FetchResult, PartitionReader } from "../../src/broker/types.js";
import { Subscription, type SubscriptionHost } from "../../src/rpc/subscription.js";
import { settle } from "../support/fake-clock.js";

/** A subscription whose reads end when the test says so, and what it told its stream, in order. */
function subscribed() {
  const told: string[] = [];
  let endRead: () => void = () => {};
  const reader: PartitionReader = {
    position: offset(0),
    highWatermark: offset(9),
    next: () =>
      new Promise<FetchResult | undefined>((resolve) => {
        endRead = () => resolve(undefined);
      }),
    seek: (to) => told.push(`seek ${to}`),
    onReady: () => {},
    close: () => told.push("close"),
  };
  const host: SubscriptionHost = {
    dataPlane: {
      listOffset: async (_, position) => ({ offset: position.kind === "offset" ? position.offset : offset(0), timestampMs: undefined, term: term(1) }),
      reader: () => reader,
    },
    started: (_, at) => told.push(`started ${at}`),
    runnable: () => told.push("runnable"),
    ended: (_, error) => told.push(`ended ${error?.reason ?? "well"}`),
  };
  return { subscription: new Subscription(host, 1, { topic: "orders", partition: 0 }), told, endRead: () => endRead() };
}

test("a seek waits for the read under way, so that its batches come before its Started", async () => {
  const { subscription, told, endRead } = subscribed();
  await subscription.seek({ kind: "earliest" });
  const reading = subscription.read(1, () => told.push("batches"));
  const seeking = subscription.seek({ kind: "offset", offset: offset(5) });
  await settle();
  assert.equal(subscription.readable, false, "no new read while a seek waits");
  endRead();
  await Promise.all([reading, seeking]);
  assert.deepEqual(told, ["started 0", "runnable", "batches", "seek 5", "started 5", "runnable"]);
});

test("steps are carried out one after the other, and none after the end", async () => {
  const { subscription, told } = subscribed();
  const steps = [subscription.seek({ kind: "earliest" }), subscription.remove(), subscription.seek({ kind: "offset", offset: offset(5) })];
  await Promise.all(steps);
  assert.deepEqual(told, ["started 0", "close", "ended well"]);
  assert.equal(subscription.readable, false);
});
