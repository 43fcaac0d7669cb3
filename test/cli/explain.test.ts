import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { type QuorumSettings, quorumProblem } from "../../src/base/quorum.js";
import { type Explanation, explain } from "../../src/cli/explain/explain.js";
import { now } from "../../src/cli/explain/now.js";
import { tolerance } from "../../src/cli/explain/tolerance.js";

/** All settings that may be asked for, valid or not. */
const everySetting: QuorumSettings[] = [];
for (let n = 1; n <= 7; n += 1) for (let w = 1; w <= n; w += 1) for (let r = 1; r <= n; r += 1) everySetting.push({ n, w, r });
const validSettings = everySetting.filter((quorum) => quorumProblem(quorum) === undefined);

const subsets = (n: number): number[] => Array.from({ length: 1 << n }, (_, set) => set);
const members = (set: number): number[] => Array.from({ length: 7 }, (_, broker) => broker).filter((broker) => (set >> broker) & 1);
const without = (set: number, removed: number): number => set & ~removed;
/** Whether some set of at least `size` brokers lies within `set`, tried one by one. */
const holdsQuorum = (set: number, size: number, n: number): boolean =>
  subsets(n).some((quorum) => members(quorum).length >= size && without(quorum, set) === 0);

/**
 * The rules of safety.md, applied to sets of brokers and disks rather than to counts. Broker 0 leads.
 */
function judge(
  { n, w, r }: QuorumSettings,
  failed: number,
): { leaderWrites: boolean; electsAndWrites: boolean; recordGone: boolean; electsWithoutRecord: boolean } {
  const up = without((1 << n) - 1, failed);
  const hasPreVote = holdsQuorum(up, Math.max(w, r), n);
  const onFailedDisksOnly = subsets(n).some((acknowledgedOn) => members(acknowledgedOn).length === w && without(acknowledgedOn, failed) === 0);
  const electorate = subsets(n).some((voters) => members(voters).length >= r && without(voters, up) === 0);
  return {
    leaderWrites: (up & 1) === 1 && subsets(n).some((ackers) => (ackers & 1) === 1 && members(ackers).length >= w && without(ackers, up) === 0),
    electsAndWrites: hasPreVote && holdsQuorum(up, r, n) && holdsQuorum(up, w, n),
    recordGone: onFailedDisksOnly,
    electsWithoutRecord: onFailedDisksOnly && electorate,
  };
}

for (const quorum of validSettings) {
  const name = `N=${quorum.n} W=${quorum.w} R=${quorum.r}`;
  test(`${name}: what is said holds for every set of failures`, () => {
    const { brokersDown, disksLost, tolerance: survives } = explain({ quorum, flush: "batch", flushIntervalMs: 1000 });
    for (const failed of subsets(quorum.n)) {
      const count = members(failed).length;
      const truth = judge(quorum, failed);
      const leaderFailed = (failed & 1) === 1;
      const said = leaderFailed ? brokersDown[count]?.leaderDown : brokersDown[count]?.leaderUp;
      assert.equal(said !== "stop", leaderFailed ? truth.electsAndWrites : truth.leaderWrites, `down: ${members(failed).join()}`);
      assert.equal(count <= survives.downForElections, truth.electsAndWrites);
      if (count === 0) continue;
      assert.equal(disksLost[count - 1]?.records === "can be lost", truth.recordGone, `disks lost: ${members(failed).join()}`);
      assert.equal(disksLost[count - 1]?.elections, truth.electsAndWrites);
      assert.equal(truth.electsWithoutRecord, false, "a leader without an acknowledged record could be elected");
    }
  });
}

test("losing power is survived by all with flush=batch, and by W−1 at once with flush=interval", () => {
  for (const quorum of validSettings) {
    assert.equal(tolerance(quorum, "batch").powerLost, quorum.n);
    for (const failed of subsets(quorum.n)) {
      assert.equal(members(failed).length > tolerance(quorum, "interval").powerLost, judge(quorum, failed).recordGone);
    }
  }
});

test("settings that no topic can have are refused with a safe choice", () => {
  for (const quorum of everySetting.filter((setting) => !validSettings.includes(setting))) {
    assert.throws(
      () => explain({ quorum, flush: "batch", flushIntervalMs: 1000 }),
      (thrown) => thrown instanceof QuireError && thrown.reason === "INVALID_QUORUM" && thrown.message.includes("a safe choice"),
    );
  }
});

const said = (explanation: Explanation, about: string): string => explanation.sentences.find((sentence) => sentence.about === about)?.text ?? "";
const batch = (n: number, w: number, r: number): Explanation => explain({ quorum: { n, w, r }, flush: "batch", flushIntervalMs: 1000 });
const interval = (n: number, w: number, r: number): Explanation => explain({ quorum: { n, w, r }, flush: "interval", flushIntervalMs: 1000 });

test("the words fit the numbers", () => {
  assert.equal(said(batch(3, 2, 2), "Writes stop"), "when 2 or more of the 3 brokers are down.");
  assert.equal(said(batch(3, 3, 2), "Writes stop"), "when any of the 3 brokers is down.");
  assert.equal(said(batch(3, 1, 3), "Writes stop"), "when all 3 brokers are down.");
  assert.equal(said(batch(1, 1, 1), "Writes stop"), "when the one broker is down.");
  assert.match(said(batch(5, 2, 4), "Elections stop"), /when 2 or more of the 5 brokers are down \(R=4 must be up\): a leader that lives goes on/);
  assert.match(said(batch(5, 4, 3), "Elections stop"), /when 2 or more of the 5 brokers are down: W=4 must be up/);
  assert.match(said(batch(3, 2, 2), "Data can be lost"), /^only when 2 or more of the 3 disks are lost for good/);
  assert.match(said(interval(3, 2, 2), "Data can be lost"), /up to the last 1 s of records when 2 or more of the 3 machines lose power at once/);
  assert.match(said(interval(1, 1, 1), "Data can be lost"), /when the one machine loses power \(flush/);
  assert.match(said(interval(3, 1, 3), "Data can be lost"), /when any of the 3 machines loses power \(flush/);
  assert.match(said(interval(3, 2, 2), "Acknowledged"), /2 of 3 replicas have written it; it is on disk at most 1 s later/);
});

test("how a topic stands now: whole, degraded, stopped", () => {
  const survives = tolerance({ n: 3, w: 2, r: 2 }, "batch");
  const partitions = [
    { partition: 0, replicas: [1, 2, 4], leader: 1 },
    { partition: 1, replicas: [2, 3, 1], leader: 2 },
    { partition: 2, replicas: [3, 5, 1], leader: 3 },
    { partition: 3, replicas: [1, 2, 4], leader: 0 },
  ];
  assert.deepEqual(now(partitions, new Set([1, 2, 4]), survives), [
    { partition: 0, down: [], state: "whole", mayStillFail: 1 },
    { partition: 1, down: [3], state: "degraded", mayStillFail: 0 },
    { partition: 2, down: [3, 5], state: "stopped", mayStillFail: 0 },
    { partition: 3, down: [], state: "stopped", mayStillFail: 0 },
  ]);
});
