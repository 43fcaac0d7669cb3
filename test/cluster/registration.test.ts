import assert from "node:assert/strict";
import { test } from "node:test";
import { METADATA_REPLICA_SET } from "../../src/base/ids.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import { CatchUp } from "../../src/cluster/catch-up.js";
import { OwnLeaderships } from "../../src/cluster/own-leaderships.js";
import { Registration } from "../../src/cluster/registration.js";
import type { Replica } from "../../src/replica/types.js";
import { broker, founding, id, node, rid, term } from "./examples.js";
import { clusterOfThree } from "./fake-cluster.js";
import { ManualClock } from "./manual-clock.js";

test("a broker whose address changed tells the cluster, through failures, and then rests", async () => {
  const cluster = await clusterOfThree(founding(1, 2, 3));
  const [one, two] = [cluster.brokers.get(node(1)), cluster.brokers.get(node(2))];
  assert.ok(one && two);
  const triesMs: number[] = [];
  const beganMs = cluster.clock.monotonicMs();
  const registration = new Registration({
    self: { ...broker(2), address: "moved:9701" },
    view: two.view,
    register: async (info) => {
      triesMs.push(cluster.clock.monotonicMs() - beganMs);
      if (triesMs.length <= 3) throw new Error("no controller");
      return await one.controller.registerBroker(info);
    },
    clock: cluster.clock,
    logger: silentLogger,
  });
  await cluster.clock.until(() => one.view.broker(node(2))?.address === "moved:9701");
  await cluster.clock.advance(60_000);
  assert.deepEqual(triesMs, [0, 200, 600, 1_400]);
  assert.equal(cluster.clock.timers, 0);
  assert.equal(one.view.broker(node(2))?.incarnation, "disk-2");
  assert.equal(cluster.set(METADATA_REPLICA_SET).configuration.voters.length, 3);
  registration.stop();
});

test("what a broker leads is told once per turn, in one list, and taken back when it is over", async () => {
  const clock = new ManualClock();
  const told: string[] = [];
  const own = new OwnLeaderships(clock, (changes) =>
    told.push(changes.map(({ replicaSetId, term: t, leads }) => `${replicaSetId}:${t}${leads ? "" : " not"}`).join(", ")),
  );
  const is = (set: number, role: Replica["role"], inTerm: number, serving = role === "leader"): void =>
    own.changed({ replicaSetId: id(set), role, serving, term: term(inTerm), failure: undefined });
  is(1, "leader", 1, false);
  is(2, "leader", 4);
  await clock.settle();
  is(1, "leader", 1);
  is(2, "leader", 4);
  is(3, "leader", 1);
  await clock.settle();
  assert.deepEqual(
    own.all(),
    [2, 1, 3].map((set) => ({ replicaSetId: set, term: set === 2 ? 4 : 1, leads: true })),
  );
  is(2, "follower", 5);
  own.removed(id(3));
  own.removed(id(9));
  await clock.settle();
  assert.deepEqual(told, ["2:4", "1:1, 3:1", "2:4 not, 3:1 not"]);
});

test("a learner is caught up under load when it keeps pace, not when it merely exists", () => {
  const leader = { replicaSetId: id(1), log: { lastIndex: 1_000 }, commitIndex: 990, match: 10 as number | undefined, matchOf: () => leader.match };
  const catchUp = new CatchUp(2_000);
  const look = (nowMs: number): boolean => catchUp.isCaughtUp(leader as unknown as Parameters<CatchUp["isCaughtUp"]>[0], rid(9), nowMs);
  assert.equal(look(0), false);
  leader.match = 900;
  leader.log.lastIndex = 3_000;
  leader.commitIndex = 2_990;
  assert.equal(look(10_000), false, "the round is not over");
  leader.match = 1_500;
  assert.equal(look(20_000), false, "a slow round begins another one");
  leader.match = 3_100;
  leader.log.lastIndex = 4_000;
  leader.commitIndex = 3_990;
  assert.equal(look(21_000), true, "a quick round ends it");
  leader.match = undefined;
  assert.equal(look(22_000), false);
  leader.match = 3_990;
  assert.equal(look(23_000), true, "all that is committed");
});
