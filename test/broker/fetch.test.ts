import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeId, offset, term } from "../../src/base/ids.js";
import { MIB } from "../../src/base/limits.js";
import type { DataPlane, FetchRequest, FetchResult } from "../../src/broker/types.js";
import { EntryKind } from "../../src/replica/types.js";
import { batchOf, headerOf } from "../support/batches.js";
import { settle } from "../support/fake-clock.js";
import { refusal } from "../support/refusals.js";
import { AT, fixture } from "./fixture.js";

const never = new AbortController().signal;
const fetch = (dataPlane: DataPlane, change: Partial<FetchRequest> = {}, signal: AbortSignal = never): Promise<FetchResult> =>
  dataPlane.fetch({ ...AT, offset: offset(0), bytesMax: MIB, bytesMin: 1, waitMsMax: 0, ...change }, signal);
const offsets = (result: FetchResult): number[] => result.frames.map(({ baseOffset }) => baseOffset);

test("batches come from an offset on, in order, without entries that carry no records", async () => {
  const { dataPlane, replica } = fixture();
  replica.addNoOp();
  replica.add(["a", "b"]);
  replica.addNoOp();
  replica.add(["c"]);
  const all = await fetch(dataPlane);
  assert.deepEqual(offsets(all), [0, 2]);
  assert.equal(all.nextOffset, 3);
  assert.equal(all.highWatermark, 3);
  assert.deepEqual(all.leader, { nodeId: 1, term: 3 });
  assert.deepEqual(offsets(await fetch(dataPlane, { offset: offset(1) })), [0, 2], "the first batch may begin before the offset");
  assert.deepEqual(offsets(await fetch(dataPlane, { offset: offset(2) })), [2]);
  assert.deepEqual(offsets(await fetch(dataPlane, { offset: offset(3) })), [], "nothing, at once");
});

test("nothing beyond the high watermark is shown", async () => {
  const { dataPlane, replica } = fixture();
  replica.add(["a"]);
  replica.commits = false;
  replica.propose({ kind: EntryKind.records, batch: headerOf(batchOf(["b"])), body: batchOf(["b"]).body }, () => {});
  const result = await fetch(dataPlane);
  assert.deepEqual(offsets(result), [0]);
  assert.equal(result.highWatermark, 1);
  await refusal("OFFSET_OUT_OF_RANGE", () => fetch(dataPlane, { offset: offset(2) }));
});

test("what is committed and not applied yet is not shown either", async () => {
  const { dataPlane, replica } = fixture();
  replica.add(["a"]);
  replica.add(["b"]);
  replica.unapplied = 1;
  const result = await fetch(dataPlane);
  assert.deepEqual([offsets(result), result.highWatermark, result.nextOffset], [[0], 1, 1]);
});

test("an answer holds as much as fits, and at least one batch", async () => {
  const { dataPlane, replica } = fixture();
  for (let i = 0; i < 4; i++) replica.add(["x".repeat(1_000)]);
  assert.equal((await fetch(dataPlane, { bytesMax: 1 })).frames.length, 1);
  assert.equal((await fetch(dataPlane, { bytesMax: 2_300 })).frames.length, 2);
  const result = await fetch(dataPlane, { bytesMax: 2_300, bytesMin: 2_300, waitMsMax: 1_000 });
  assert.equal(result.frames.length, 2, "what does not fit is not waited for");
});

test("what is not in memory is read from disk", async () => {
  const { dataPlane, replica } = fixture();
  replica.add(["a"]);
  replica.cached = false;
  assert.deepEqual(offsets(await fetch(dataPlane)), [0]);
  assert.ok(replica.diskReads > 0);
});

test("a long poll answers as soon as enough is there, or when its time is over", async () => {
  const { dataPlane, replica, clock } = fixture();
  const soon = fetch(dataPlane, { waitMsMax: 1_000 });
  await settle();
  replica.add(["a"]);
  assert.deepEqual(offsets(await soon), [0]);

  const much = fetch(dataPlane, { bytesMin: 250, waitMsMax: 1_000 });
  await settle();
  replica.add(["b"]);
  await settle();
  replica.add(["c"]);
  assert.deepEqual(offsets(await much), [0, 1, 2]);

  const empty = fetch(dataPlane, { offset: offset(3), waitMsMax: 1_000 });
  await settle();
  clock.advance(1_000);
  assert.deepEqual(offsets(await empty), []);
  assert.equal(replica.watchers.size, 0, "nobody watches any more");
  assert.equal(clock.timers, 0);
});

test("who waits learns of a lost leadership at once", async () => {
  const { dataPlane, replica } = fixture();
  const waiting = fetch(dataPlane, { waitMsMax: 60_000 });
  await settle();
  replica.stepDown({ nodeId: nodeId(2), term: term(4) });
  await refusal("NOT_LEADER", () => waiting);
});

test("records found before the leadership was lost are still told", async () => {
  const { dataPlane, replica } = fixture();
  replica.add(["a"]);
  const waiting = fetch(dataPlane, { bytesMin: 100_000, waitMsMax: 60_000 });
  await settle();
  replica.stepDown(null);
  assert.deepEqual(offsets(await waiting), [0]);
});

test("who waits learns that the topic is gone", async () => {
  const { dataPlane, replicas, view } = fixture();
  const waiting = fetch(dataPlane, { waitMsMax: 60_000 });
  await settle();
  replicas.clear();
  view.removeTopic("orders");
  await refusal("TOPIC_NOT_FOUND", () => waiting);
});

test("a cancelled fetch ends, and only so many wait", async () => {
  const { dataPlane, replica } = fixture({ fetchWaitersMax: 1 });
  const abort = new AbortController();
  const waiting = fetch(dataPlane, { waitMsMax: 60_000 }, abort.signal);
  await settle();
  await refusal("THROTTLED", () => fetch(dataPlane, { waitMsMax: 60_000 }));
  abort.abort();
  await refusal("CANCELLED", () => waiting);
  assert.equal(replica.watchers.size, 0);
  const again = fetch(dataPlane, { waitMsMax: 60_000 });
  await settle();
  dataPlane.close();
  await refusal("SHUTTING_DOWN", () => again);
});

test("an offset outside of what is kept is refused with the bounds", async () => {
  const { dataPlane, replica } = fixture();
  for (const value of ["a", "b", "c"]) replica.add([value]);
  replica.drop(1);
  const error = await refusal("OFFSET_OUT_OF_RANGE", () => fetch(dataPlane));
  assert.equal(error.details["earliest"], 1);
  assert.equal(error.details["latest"], 3);
});

test("who waits is not woken by what consumer groups commit", async () => {
  const { dataPlane, replica } = fixture();
  const answer = dataPlane.fetch({ ...AT, offset: offset(0), bytesMax: 1_000, bytesMin: 1, waitMsMax: 10_000 }, new AbortController().signal);
  await settle();
  const [watcher] = replica.watchers;
  for (let n = 0; n < 3; n++) replica.addNoOp();
  await settle();
  assert.deepEqual([...replica.watchers], [watcher], "it waits as before");
  replica.add(["a"]);
  assert.equal((await answer).frames.length, 1);
});
