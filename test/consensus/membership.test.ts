import assert from "node:assert/strict";
import { test } from "node:test";
import { quorumProblem } from "../../src/base/quorum.js";
import { planChange } from "../../src/consensus/membership.js";
import { configurationOf } from "./model-cluster.js";
import { scenario } from "./scenario.js";

test("W and R change through a joint configuration, one change at a time", () =>
  scenario(`
    nodes 3
    elect 1
    slow 3
    reconfigure 1 voters=1,2,3 w=3 r=1
    > n1 refuse invalid
    reconfigure 1 voters=1,2,3 w=3 r=2
    > n1 append 2/1 joint voters 1,2,3 (2,2) and 1,2,3 (3,2)
    ! n1 commit 2
    reconfigure 1 voters=1,2,3 w=2 r=2
    > n1 refuse reconfiguring
    sync 3
    > n1 commit 2
    > n1 append 3/1 voters 1,2,3 (3,2)
    > n1 commit 3
    slow 3
    propose 1 "a"
    ! n1 acknowledge
    sync 3
    > n1 acknowledge "a"
    reconfigure 1 voters=1,2,3 w=1 r=3
    > n1 append 5/1 joint voters 1,2,3 (3,2) and 1,2,3 (1,3)
    > n1 commit 6`));

test("no pair of quorums is left for another in one step", () => {
  for (const n of [1, 2, 3, 4, 5]) {
    const voters = Array.from({ length: n }, (_, at) => at + 1);
    const pairs = voters.flatMap((w) => voters.map((r) => ({ w, r }))).filter(({ w, r }) => quorumProblem({ n, w, r }) === undefined);
    for (const from of pairs) {
      for (const to of pairs) {
        const planned = planChange(configurationOf(voters, from.w, from.r), configurationOf(voters, to.w, to.r));
        const changes = from.w !== to.w || from.r !== to.r;
        assert.deepEqual(planned?.incoming, changes ? { voters: configurationOf(voters, 1, 1).voters, ...to } : undefined);
      }
    }
  }
});

test("a configuration with a member twice, or as voter and learner, is refused", () => {
  const current = configurationOf([1, 2, 3], 2, 2);
  assert.equal(planChange(current, configurationOf([1, 2, 2], 2, 2)), undefined);
  assert.equal(planChange(current, configurationOf([1, 2, 3], 2, 2, [3])), undefined);
  assert.equal(planChange(current, configurationOf([], 0, 0)), undefined);
  assert.deepEqual(planChange(current, configurationOf([3, 2, 1], 2, 2, [4])), configurationOf([3, 2, 1], 2, 2, [4]));
});

test("no change begins before an entry of the leader's own term has committed", () =>
  scenario(`
    nodes 3
    slow 3
    hold
    tick 10 1
    deliver
    deliver
    deliver
    deliver
    > n1 leads term 1
    reconfigure 1 voters=1,2
    > n1 refuse term-not-committed
    flow
    reconfigure 1 voters=1,2
    > n1 append 2/1 joint voters 1,2,3 (2,2) and 1,2 (2,2)`));

test("while joint, both majorities decide, and either side can bring it to an end", () =>
  scenario(`
    nodes 5 voters=1,2,3
    elect 1
    reconfigure 1 voters=1,2,3 learners=4,5
    > n1 append 2/1 voters 1,2,3 (2,2) learners 4,5
    > n5 learns from n1 in term 1
    cut 5
    slow 4                      # of the incoming set 1, 4, 5 only n1 has it on disk
    reconfigure 1 voters=1,4,5
    > n2 reply 3
    > n3 reply 3
    ! n1 commit 3
    sync 4
    > n1 commit 3
    > n1 append 4/1 voters 1,4,5 (2,2)
    > n1 commit 4`));

test("a leader that dies in the middle of a change leaves it to the next one, which ends it", () =>
  scenario(`
    nodes 4 voters=1,2,3
    elect 1
    reconfigure 1 voters=1,2,3 learners=4
    slow 2 3
    reconfigure 1 voters=2,3,4
    > n4 reply 3
    ! n1 commit 3
    crash 1
    sync
    down 2 1
    down 3 1
    elect 2
    > n2 leads term 2
    > n2 commit 4
    > n2 append 5/2 voters 2,3,4 (2,2)
    > n2 commit 5
    = n4 follower 5/2`));

test("a joint configuration that only a minority saw is rolled back", () =>
  scenario(`
    nodes 4 voters=1,2,3
    elect 1
    cut 1
    reconfigure 1 voters=1,2,4
    > n1 append 2/1 joint voters 1,2,3 (2,2) and 1,2,4 (2,2)
    elect 2
    propose 2 "a"
    heal
    tick 8
    > n1 truncate 2
    = n1 follower 3/2
    crash 2
    elect 3                     # with n1's vote, by the old set alone
    reconfigure 3 voters=1,2,3 w=3 r=2
    > n3 append 5/3 joint voters 1,2,3 (2,2) and 1,2,3 (3,2)`));

test("a leader that is not in the new configuration leaves when that has committed, and names an heir", () =>
  scenario(`
    nodes 3
    elect 1
    reconfigure 1 voters=2,3
    > n1 append 3/1 voters 2,3 (2,2)
    > n1 commit 3
    > n1 tell n2 to stand
    > n1 learns from nobody in term 1
    > n2 leads term 2
    = n2 leader 4/2 commit 4`));

test("a leader on its way out that restarts may still be needed to commit its leaving", () =>
  scenario(`
    nodes 2 voters=1 w=1 r=1
    elect 1
    reconfigure 1 voters=1 learners=2
    hold
    reconfigure 1 voters=2
    deliver
    deliver
    lose
    > n1 append 4/1 voters 2 (1,1)
    ! n1 commit 4
    crash 1 2
    flow
    restart 1 2
    tick 10
    > n2 votes for n1 in term 2
    > n1 commit 5
    tick 10
    = n2 leader 6/3 commit 6`));

test("a removed replica that does not know it disturbs nobody", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    reconfigure 1 voters=1,2 w=2 r=2
    > n1 commit 3
    heal
    tick 60
    > n3 asks whether it may stand in term 2
    ! n1 follows
    ! n2 asks
    = n1 leader 3/1 term 1`));
