import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { offset } from "../../src/base/ids.js";
import { settle } from "../support/fake-clock.js";
import { refusal } from "../support/refusals.js";
import { AT, fixture } from "./fixture.js";

function withThreeBatches() {
  const all = fixture();
  all.replica.add(["a", "b"], 100);
  all.replica.addNoOp();
  all.replica.add(["c"], 200);
  all.replica.add(["d"], 150);
  return all;
}

test("earliest, latest and an offset are what they say", async () => {
  const { dataPlane, replica } = withThreeBatches();
  assert.deepEqual(await dataPlane.listOffset(AT, { kind: "earliest" }), { offset: 0, timestampMs: undefined, term: 3 });
  assert.equal((await dataPlane.listOffset(AT, { kind: "latest" })).offset, 4);
  assert.equal((await dataPlane.listOffset(AT, { kind: "offset", offset: offset(3) })).offset, 3);
  await refusal("OFFSET_OUT_OF_RANGE", () => dataPlane.listOffset(AT, { kind: "offset", offset: offset(5) }));
  replica.drop(1);
  assert.equal((await dataPlane.listOffset(AT, { kind: "earliest" })).offset, 2);
});

test("a timestamp finds the first batch with a record at or after it, or the end", async () => {
  const { dataPlane } = withThreeBatches();
  const at = (timestampMs: number) => dataPlane.listOffset(AT, { kind: "timestamp", timestampMs });
  assert.deepEqual(await at(0), { offset: 0, timestampMs: 100, term: 3 });
  assert.deepEqual(await at(101), { offset: 2, timestampMs: 200, term: 3 });
  assert.deepEqual(await at(201), { offset: 4, timestampMs: undefined, term: 3 });
});

test("a timestamp of trimmed records finds the first kept one at or after it", async () => {
  const { dataPlane, replica } = withThreeBatches();
  await dataPlane.trim(AT, offset(3));
  assert.equal((await dataPlane.listOffset(AT, { kind: "timestamp", timestampMs: 120 })).offset, 3);
  assert.equal((await dataPlane.listOffset(AT, { kind: "timestamp", timestampMs: 180 })).offset, 4);
  assert.equal(replica.logStartOffset, 3);
});

test("latest needs a confirmed leadership", async () => {
  const { dataPlane, replica, view, clock } = withThreeBatches();
  replica.readIndexFails = new QuireError("NOT_LEADER", "deposed");
  view.setLeader(AT, 2, 8);
  const error = await refusal("NOT_LEADER", () => dataPlane.listOffset(AT, { kind: "latest" }));
  assert.equal(error.details["leaderNodeId"], 2);
  replica.readIndex = () => new Promise(() => {});
  const waiting = dataPlane.listOffset(AT, { kind: "latest" });
  waiting.catch(() => {});
  await settle();
  clock.advance(10_100);
  await refusal("QUORUM_UNAVAILABLE", () => waiting);
});

test("trim moves the log start, never back, never beyond the high watermark", async () => {
  const { dataPlane, replica } = withThreeBatches();
  assert.equal(await dataPlane.trim(AT, offset(2)), 2);
  const entries = replica.frames.length;
  assert.equal(await dataPlane.trim(AT, offset(1)), 2, "already trimmed: nothing changes");
  assert.equal(replica.frames.length, entries);
  await refusal("OFFSET_OUT_OF_RANGE", () => dataPlane.trim(AT, offset(5)));
  assert.equal(await dataPlane.trim(AT, offset(4)), 4);
});

test("a trim that is not confirmed in time has an unknown outcome", async () => {
  const { dataPlane, replica, clock } = withThreeBatches();
  replica.commits = false;
  const waiting = dataPlane.trim(AT, offset(2));
  waiting.catch(() => {});
  await settle();
  clock.advance(10_100);
  await refusal("WRITE_OUTCOME_UNKNOWN", () => waiting);
});
