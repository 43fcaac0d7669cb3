import { test } from "node:test";
import { scenario } from "./scenario.js";

test("a replica in doubt does not vote by comparing logs: what it may have lost could be committed", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    propose 1 "a"               # committed on n1 and n2
    > n1 acknowledge "a"
    crash 1 2
    heal
    restart 2 damaged=2
    tick 60
    > n2 would not vote for n3
    ! n3 stands
    = n2 follower 1/1 doubt
    restart 1                   # the one that has it
    tick 40
    > n2 is whole again
    = n2 follower 3/3 commit 3 whole`));

test("a leader repairs a replica in doubt, and reads rest on it only then", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a" "b"
    > n1 commit 3
    crash 2
    restart 2 damaged=2
    down 1 2
    up 1 2
    hold
    tick 1 1
    flow
    tick 8
    > n2 append 2/1 "a"
    > n2 is whole again
    propose 1 "c"
    > n1 acknowledge "c"`));

test("a leader with a slow disk repairs a replica in doubt to the end of what it sent, not of what it has on disk", () =>
  scenario(`
    nodes 3
    elect 1
    slow 1
    propose 1 "a"               # committed by n2 and n3 alone
    > n1 acknowledge "a"
    crash 3
    restart 3 damaged=2
    cut 2
    hold
    down 1 3
    up 1 3
    deliver 1 3
    tick 1 3
    deliver 3
    deliver 1 3
    > n1 tell n3 that it ends at 2/1, whole
    flow
    tick 8 1 3
    > n3 is whole again
    = n3 follower 2/1 whole`));

test("what a replica in doubt has on disk counts, its word on what it had does not", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    propose 1 "a"
    crash 2
    restart 2 torn=2
    hold
    down 1 2
    up 1 2
    propose 1 "b"
    ! n1 commit 3
    flow
    tick 8
    > n2 append 2/1 "a"
    > n2 reply 3
    > n1 commit 3
    > n2 is whole again`));

test("after power loss of all, each with a torn end, the longest log leads and the others follow it", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a" "b"
    cut 3
    propose 1 "c"
    cut 1 2
    propose 1 "d"
    crash 1 2 3
    heal
    restart 1 torn=6
    restart 2 torn=5
    restart 3 torn=4
    tick 30
    > n1 is whole again
    > n1 leads term 3
    > n2 is whole again
    > n3 is whole again
    = n3 follower 6/3 commit 6 whole`));

test("two torn replicas of three do not decide while the third, which may hold more, is away", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    propose 1 "a"               # on n1 and n2
    crash 1 2 3
    heal
    restart 2 torn=2
    restart 3 torn=2
    tick 60
    ! n2 is whole
    ! n3 is whole
    ! n2 leads
    restart 1
    tick 40
    > n3 is whole again
    = n2 follower 3/3 commit 3 whole`));

test("N-W+1 whole logs are enough to be sure, without the rest", () =>
  scenario(`
    nodes 3 w=3 r=2
    elect 1
    propose 1 "a"
    crash 1 2 3
    restart 2
    restart 3 torn=3
    tick 40
    > n2 tell n3 that it ends at 2/1, whole
    > n3 is whole again
    ! n2 leads                  # with W=3 nobody leads without the third
    restart 1
    tick 40
    = n3 leader 3/3 commit 3`));

test("a torn replica that missed a change of W and R votes for those who have it, once all have answered", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    reconfigure 1 voters=1,2,3 w=1 r=3
    propose 1 "a"
    crash 1 2 3
    heal
    restart 3 torn=1
    restart 1
    tick 40
    ! n3 is whole               # nobody knows what the second one holds
    restart 2
    tick 40                     # now R=3 needs all three
    > n3 is whole again
    = n3 follower 5/3 commit 5 whole`));

test("a damaged replica that missed a change to W=1 waits: it may have held alone what counted", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    reconfigure 1 voters=1,2,3 w=1 r=3
    crash 1 2 3
    heal
    restart 1
    restart 2
    restart 3 damaged=1
    tick 60
    ! n3 is whole
    ! n1 leads term 3
    ! n2 leads term 3`));

test("where as many disks as W say that they are damaged nothing is concluded", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a"
    > n1 acknowledge "a"
    crash 1 2 3
    restart 1
    restart 2 3 damaged=2
    tick 100
    ! n1 leads
    ! n2 is whole
    = n2 follower 1/1 doubt
    = n1 pre-candidate 2/1`));

test("alone in its set a torn end was never acknowledged; damage waits for an operator", () =>
  scenario(`
    nodes 1
    tick 2
    crash 1
    restart 1 torn=2
    tick 4
    > n1 is whole again
    > n1 leads term 2
    crash 1
    restart 1 damaged=2
    tick 40
    ! n1 leads
    = n1 follower 1/1 doubt`));

test("a doubt survives a second crash", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a"
    crash 1 2
    restart 2 torn=3
    tick 40
    > n3 tell n2 that it ends at 2/1, whole
    crash 2
    restart 2
    = n2 follower 2/1 doubt
    restart 1
    tick 40
    = n2 follower 3/4 whole`));

test("what a leader answered to an earlier doubt does not lift a later one", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a"
    cut 3
    crash 2
    restart 2 torn=3
    down 1 2
    hold
    up 1 2
    keep
    deliver 2
    tick 1 2
    deliver 1
    > n1 tell n2 that it ends at 2/1, whole
    keep
    flow
    tick 1
    > n2 is whole again
    propose 1 "c"               # committed on n1 and n2
    > n1 acknowledge "c"
    crash 1 2
    restart 2 damaged=3
    replay
    tick 4 2
    replay
    > n2 follows n1 in term 1
    ! n2 is whole`));

test("no read rests on a replica in doubt", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a"
    cut 3
    crash 2
    restart 2 damaged=2
    slow 2
    down 1 2
    up 1 2
    read 1
    tick 3
    > n2 append 2/1 "a"
    ! n1 read
    sync 2
    tick 2
    > n2 is whole again
    > n1 read at 2`));

test("followers that sleep wake up when their leader asks in doubt: it leads no more, whatever they were not told", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a"
    tick 60
    = n1 leader 2/1 asleep
    = n2 follower 2/1 asleep
    crash 1                     # its log is lost and it begins again; no link broke
    restart 1 damaged=1
    tick 40
    > n1 is whole again
    = n1 follower 3/3 commit 3 whole`));
