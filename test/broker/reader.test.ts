import assert from "node:assert/strict";
import { test } from "node:test";
import { offset } from "../../src/base/ids.js";
import type { PartitionReader } from "../../src/broker/types.js";
import { batchOf } from "../support/batches.js";
import { settle } from "../support/fake-clock.js";
import { refusal } from "../support/refusals.js";
import { AT, fixture } from "./fixture.js";

const next = async (reader: PartitionReader): Promise<number[] | undefined> => (await reader.next(1_000_000))?.frames.map(({ baseOffset }) => baseOffset);

test("a reader goes on where it was, and is told when there is more", async () => {
  const { dataPlane, replica } = fixture();
  replica.add(["a", "b"]);
  const reader = dataPlane.reader(AT, offset(0));
  let ready = 0;
  reader.onReady(() => ready++);
  assert.deepEqual(await next(reader), [0]);
  assert.equal(await next(reader), undefined);
  replica.changed();
  assert.equal(ready, 0, "a change without more records says nothing");
  replica.add(["c"]);
  replica.add(["d"]);
  assert.equal(ready, 1, "once after each undefined");
  assert.deepEqual(await next(reader), [2, 3]);
  assert.equal(reader.position, 4);
  assert.equal(reader.highWatermark, 4);
  assert.equal(await next(reader), undefined);
  reader.close();
  replica.add(["e"]);
  assert.equal(ready, 1, "a closed reader is left alone");
  assert.equal(replica.watchers.size, 0);
});

test("entries without records in between do not stop a reader", async () => {
  const { dataPlane, replica } = fixture();
  const reader = dataPlane.reader(AT, offset(0));
  let ready = 0;
  reader.onReady(() => ready++);
  assert.equal(await next(reader), undefined);
  replica.addNoOp();
  assert.equal(ready, 0);
  replica.add(["a"]);
  replica.addNoOp();
  assert.deepEqual(await next(reader), [0]);
  assert.equal(await next(reader), undefined);
  replica.add(["b"]);
  assert.deepEqual(await next(reader), [1]);
});

test("while others write, reads from disk wait for their turn, and reads from memory do not", async () => {
  const { dataPlane, replica, clock } = fixture();
  const request = { ...AT, acks: "quorum", timeoutMs: 1_000 } as const;
  for (let turn = 0; turn < 3; turn++) {
    dataPlane.produce({ ...request, batch: batchOf(["a"]) }, () => {});
    await settle();
    clock.advance(150);
  }
  replica.cached = false;
  const reading = Array.from({ length: 3 }, () => next(dataPlane.reader(AT, offset(0))));
  await settle();
  assert.equal(replica.diskReads, 1);
  replica.cached = true;
  assert.deepEqual(await next(dataPlane.reader(AT, offset(1))), [1, 2]);
  assert.equal(replica.diskReads, 1);
  replica.cached = false;
  for (let turn = 0; turn < 2; turn++) {
    clock.advance(100);
    await settle();
  }
  assert.deepEqual(await Promise.all(reading), Array(3).fill([0, 1, 2]));
  assert.equal(replica.diskReads, 3);
});

test("who waited for its turn to read from disk learns what has changed meanwhile", async () => {
  const { dataPlane, replica, clock } = fixture();
  dataPlane.produce({ ...AT, acks: "quorum", timeoutMs: 1_000, batch: batchOf(["a"]) }, () => {});
  await settle();
  clock.advance(150);
  replica.cached = false;
  const [first, second] = [dataPlane.reader(AT, offset(0)), dataPlane.reader(AT, offset(0))];
  const reading = [next(first), next(second)];
  await settle();
  assert.deepEqual(await reading[0], [0]);
  replica.stepDown(null);
  const refused = refusal("LEADER_UNKNOWN", () => reading[1]);
  clock.advance(100);
  await refused;
  assert.equal(replica.diskReads, 1);
});

test("a seek during a read from disk wins", async () => {
  const { dataPlane, replica } = fixture();
  for (const value of ["a", "b", "c"]) replica.add([value]);
  replica.cached = false;
  const reader = dataPlane.reader(AT, offset(2));
  const reading = next(reader);
  while (replica.diskReads === 0) await Promise.resolve();
  reader.seek(offset(1));
  assert.deepEqual(await reading, [1, 2]);
});

test("a reader survives a lost leadership and a regained one", async () => {
  const { dataPlane, replica } = fixture();
  replica.add(["a"]);
  const reader = dataPlane.reader(AT, offset(0));
  let ready = 0;
  reader.onReady(() => ready++);
  await next(reader);
  assert.equal(await next(reader), undefined);
  replica.stepDown(null);
  assert.equal(ready, 1);
  await refusal("LEADER_UNKNOWN", () => next(reader));
  replica.role = "leader";
  replica.serving = true;
  replica.add(["b"]);
  assert.deepEqual(await next(reader), [1]);
});

test("retention behind a reader's back moves its place in the log, not its offset", async () => {
  const { dataPlane, replica } = fixture();
  replica.add(["a"]);
  const reader = dataPlane.reader(AT, offset(0));
  await next(reader);
  replica.addNoOp();
  replica.addNoOp();
  assert.equal(await next(reader), undefined);
  // The reader stands before the two entries without records; they go, and offset 1 stays the first one.
  replica.drop(3);
  replica.add(["b"]);
  assert.deepEqual(await next(reader), [1]);
});

test("retention beyond a reader ends it with the bounds", async () => {
  const { dataPlane, replica } = fixture();
  for (const value of ["a", "b", "c"]) replica.add([value]);
  const reader = dataPlane.reader(AT, offset(0));
  replica.drop(2);
  const error = await refusal("OFFSET_OUT_OF_RANGE", () => next(reader));
  assert.equal(error.details["earliest"], 2);
});

test("a reader is told when its topic goes", async () => {
  const { dataPlane, replicas, view } = fixture();
  const reader = dataPlane.reader(AT, offset(0));
  let ready = 0;
  reader.onReady(() => ready++);
  assert.equal(await next(reader), undefined);
  replicas.clear();
  view.removeTopic("orders");
  assert.equal(ready, 1);
  await refusal("TOPIC_NOT_FOUND", () => next(reader));
  await settle();
});

test("a reader cannot begin where this broker does not serve", async () => {
  const { dataPlane, replica } = fixture();
  await refusal("OFFSET_OUT_OF_RANGE", () => dataPlane.reader(AT, offset(1)));
  replica.serving = false;
  await refusal("NOT_READY", () => dataPlane.reader(AT, offset(0)));
});

test("a reader does not walk through all that consumer groups said since: it looks up where records go on", async () => {
  const { dataPlane, replica } = fixture();
  replica.add(["a"]);
  const reader = dataPlane.reader(AT, offset(0));
  assert.equal((await reader.next(1_000_000))?.frames.length, 1);
  assert.equal(await reader.next(1_000_000), undefined);
  for (let n = 0; n < 5_000; n++) replica.addNoOp();
  replica.add(["b"]);
  replica.cached = false;
  assert.equal((await reader.next(20_000))?.frames.length, 1);
  assert.equal(reader.position, 2);
  assert.ok(replica.diskReads <= 2, `${replica.diskReads} reads`);
  reader.close();
});
