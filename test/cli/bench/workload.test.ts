import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../../src/base/errors.js";
import { Payload, STAMP_BYTES, stampOf } from "../../../src/cli/bench/payload.js";
import { Schedule } from "../../../src/cli/bench/schedule.js";
import { Tally } from "../../../src/cli/bench/tally.js";
import { checkedPlace, consumeJobs, placeOf, produceJobs, shares, timingOf } from "../../../src/cli/bench/workload.js";

const TARGET = { brokers: ["127.0.0.1:1"], topic: "t" };
const PRODUCING = {
  "record-bytes": "100",
  keys: 0,
  "batch-bytes": undefined,
  linger: undefined,
  acks: "quorum" as const,
  compression: "none" as const,
  producers: 1,
  processes: 1,
  "under-way": 0,
  rate: 0,
};
const PLACE = { cluster: undefined, data: undefined, json: false, profile: undefined, brokers: undefined };
const refused = (run: () => unknown, words: RegExp): void => {
  assert.throws(run, (thrown) => thrown instanceof QuireError && thrown.reason === "INVALID_FIELD" && words.test(thrown.message));
};

test("shares are whole, as equal as can be, and all of it", () => {
  fc.assert(
    fc.property(fc.nat(1_000), fc.integer({ min: 1, max: 50 }), (total, parts) => {
      const each = shares(total, parts);
      assert.equal(each.length, parts);
      assert.equal(
        each.reduce((sum, share) => sum + share, 0),
        total,
      );
      assert.ok(Math.max(...each) - Math.min(...each) <= 1);
    }),
  );
});

test("producers and their rate are spread over processes, never more of these than producers", () => {
  const jobs = produceJobs({ ...PRODUCING, producers: 5, processes: 3, rate: 1_000, "record-bytes": "1KiB", linger: "5ms" }, TARGET);
  assert.deepEqual(
    jobs.map(({ producers, rate, recordBytes }) => [producers, rate, recordBytes]),
    [
      [2, 400, 1024],
      [2, 400, 1024],
      [1, 200, 1024],
    ],
  );
  assert.deepEqual(jobs[0]?.client, { acks: "quorum", compression: "none", lingerMs: 5 });
  assert.equal(produceJobs({ ...PRODUCING, processes: 9 }, TARGET).length, 1);
});

test("a rate is kept through a stall: what is late is due when it was, and nothing is left out or given twice", () => {
  const schedule = new Schedule(100, 500);
  assert.deepEqual([...schedule.due(99)], []);
  assert.deepEqual(
    [...schedule.due(104.5)],
    [
      { atMs: 102, records: 1 },
      { atMs: 104, records: 1 },
    ],
  );
  assert.deepEqual([...schedule.due(104.5)], []);
  assert.deepEqual(
    [...schedule.due(110)].map(({ atMs }) => atMs),
    [106, 108, 110],
  );
  const fast = new Schedule(0, 3_000);
  assert.deepEqual(
    [...fast.due(2)],
    [
      { atMs: 1, records: 3 },
      { atMs: 2, records: 3 },
    ],
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200_000 }), fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { maxLength: 20 }), (perSecond, steps) => {
      const paced = new Schedule(0, perSecond);
      let nowMs = 0;
      let count = 0;
      for (const step of steps) {
        nowMs += step;
        for (const { records } of paced.due(nowMs)) count += records;
      }
      const exactly = (Math.floor(nowMs) * perSecond) / 1e3;
      assert.ok(Math.abs(count - Math.floor(exactly)) <= 1, `${count} of ${exactly}`);
    }),
  );
});

test("each partition is read by exactly one consumer", () => {
  const jobs = consumeJobs(3, 7, "latest", TARGET);
  assert.deepEqual(jobs.flatMap(({ partitions }) => partitions).sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(jobs.length, 3);
});

test("options that contradict each other or cannot be are refused, with a way out", () => {
  refused(() => produceJobs({ ...PRODUCING, producers: 0 }, TARGET), /--producers is at least 1/);
  refused(() => produceJobs({ ...PRODUCING, rate: 5, "under-way": 1 }, TARGET), /leave --under-way out/);
  for (const wrong of ["7", "2MiB", "many"]) refused(() => produceJobs({ ...PRODUCING, "record-bytes": wrong }, TARGET), /--record-bytes/);
  refused(() => produceJobs({ ...PRODUCING, linger: "soon" }, TARGET), /--linger soon is not a duration/);
  refused(() => consumeJobs(3, 2, "latest", TARGET), /--consumers 3/);
  refused(() => placeOf({ ...PLACE, cluster: 3, brokers: "a:1" }), /give one of them/);
  refused(() => placeOf({ ...PLACE, brokers: "a:1" }, { owns: true }), /starts its own/);
  refused(() => placeOf({ ...PLACE, data: "x" }), /--data/);
  refused(() => placeOf({ ...PLACE, cluster: 9 }), /--cluster 9/);
  assert.equal(placeOf(PLACE, { owns: true }).cluster, 3);
  assert.equal(placeOf(PLACE).cluster, 0);
});

test("a value has the asked size, carries its time or none, and is not the same bytes again and again", () => {
  for (const bytes of [STAMP_BYTES, 100, 1 << 20]) {
    const payload = new Payload(bytes);
    const atMs = 123_456_789.25;
    assert.deepEqual([payload.stamped(atMs).length, payload.next().length], [bytes, bytes]);
    assert.deepEqual([stampOf(payload.stamped(atMs)), stampOf(payload.next()), stampOf(payload.stamped(0))], [atMs, 0, 0]);
    assert.deepEqual([stampOf(payload.next(atMs)), stampOf(payload.next())], [atMs, 0]);
  }
  const payload = new Payload(100);
  const seen = new Set(Array.from({ length: 500 }, () => payload.next().toString("latin1")));
  assert.ok(seen.size > 450, `${seen.size} of 500 differ`);
  assert.equal(stampOf(Buffer.from("short")), 0);
});

test("a tally gives out each latency once, and the longest pause of any partition, one that goes on included", () => {
  const tally = new Tally();
  const nowMs = tally.report({ asked: true }).atMs;
  tally.heard(0, nowMs - 1_000);
  tally.heard(1, nowMs - 990);
  tally.heard(0, nowMs - 900);
  tally.heard(1, nowMs);
  tally.heard(0, nowMs);
  tally.latency(10, 12.5);
  tally.latency(10, 13, 2);
  tally.latency(10, 14, 0);
  tally.counted(3, 300);
  tally.failed(new QuireError("BUFFER_FULL", "full"), 2);
  tally.failed(new Error("other"));
  assert.deepEqual([...tally.report({ asked: false }).latenciesUs], [2_500, 3_000, 3_000]);
  const report = tally.report({ asked: true });
  assert.deepEqual([report.latenciesUs.length, report.records, report.bytes, report.failed], [0, 3, 300, 3]);
  assert.equal(report.firstFailure, "BUFFER_FULL: full");
  assert.equal(Math.round(report.longestPauseMs), 990);
  assert.ok(tally.report({ asked: true }).longestPauseMs < 900, "told once");
  tally.heard(2, nowMs - 5_000);
  assert.ok(tally.report({ asked: true }).longestPauseMs >= 5_000, "nothing was heard of it since");
});

test("what cannot be measured is refused before anything is started", () => {
  const topic = { partitions: 6, replicas: undefined, "write-quorum": undefined, "read-quorum": undefined, flush: undefined };
  refused(() => checkedPlace({ ...PLACE, ...topic, partitions: 0 }), /--partitions 0 is not from 1 to/);
  refused(() => checkedPlace({ ...PLACE, ...topic, cluster: 3, replicas: 5 }), /--replicas 5 is not from 1 to 3/);
  refused(() => checkedPlace({ ...PLACE, ...topic, cluster: 1 }, { owns: true, least: 2 }), /--cluster 1 is too few/);
  assert.equal(checkedPlace({ ...PLACE, ...topic, cluster: 2 }, { owns: true, least: 2 }).cluster, 2);
  refused(() => timingOf({ duration: "5", "warm-up": "2s" }), /5 ms; 100ms is the least, and 5s is five seconds/);
  refused(() => timingOf({ duration: "5s", "warm-up": "soon" }), /--warm-up soon/);
  assert.deepEqual(timingOf({ duration: "5s", "warm-up": "0s" }), { ms: 5_000, warmUpMs: 0 });
  refused(() => produceJobs({ ...PRODUCING, producers: 1e9 }, TARGET), /--producers 1000000000 is more than/);
  refused(() => produceJobs({ ...PRODUCING, rate: 1e12 }, TARGET), /--rate/);
  assert.throws(() => produceJobs({ ...PRODUCING, "batch-bytes": "0" }, TARGET), { reason: "INVALID_SETTING" });
  assert.throws(() => produceJobs({ ...PRODUCING, linger: "1h" }, TARGET), { reason: "INVALID_SETTING" });
});
