import { test } from "node:test";
import { scenario } from "./scenario.js";

test("Figure 8 of the Raft paper: an older term's entry is not committed by counting it", () =>
  scenario(`
    nodes 5 batch=1
    elect 1
    part 1 2
    propose 1 "a"               # (a) 2/1 is on n1 and n2
    crash 1
    down 3 1
    down 4 1
    down 5 1
    hold
    tick 3 5                    # (b) n5 is elected by n3 and n4; its 2/2 stays its own
    deliver
    deliver
    deliver
    deliver
    > n5 leads term 2
    > n5 append 2/2 no-op
    lose
    crash 5
    heal
    restart 1                   # (c) n1 is elected by all others
    tick 5 1
    deliver
    deliver
    tick 9 1
    deliver
    deliver
    deliver
    deliver
    > n1 leads term 3
    > n1 append 3/3 no-op
    deliver 3 4                 #     and brings 2/1 to n3 and n4, so that it is on four disks
    deliver 1
    deliver 3 4
    > n3 append 2/1 "a"
    > n4 reply 2
    deliver 1
    ! n1 commit 2               #     yet it is not committed,
    crash 1
    lose
    flow
    restart 5
    elect 5                     # (d) for n5 may still be elected, and it goes
    > n5 append 3/4 no-op
    > n3 truncate 2
    ! n5 acknowledge
    = n3 follower 3/4
    = n2 follower 3/4`));

test("an older term's entry commits only with one of the leader's own", () =>
  scenario(`
    nodes 3 batch=1
    elect 1
    slow 2 3
    propose 1 "a"
    crash 1 2 3                 # 2/1 was on the disk of n1 alone
    sync
    restart 1 2 3
    = n2 follower 1/1
    elect 1
    > n1 append 3/2 no-op
    > n2 reply 2
    > n3 reply 2
    ! n1 commit 2
    > n1 commit 3`));

test("a vote needs a log that is up to date: last terms first, then last indexes", () =>
  scenario(`
    nodes 3
    elect 1
    part 1
    propose 1 "a" "b" "c" "d"   # long, but old
    elect 2
    propose 2 "x"
    > n2 acknowledge "x"
    crash 2
    heal
    tick 40 1
    > n3 would not vote for n1
    ! n1 leads
    tick 40 3
    > n1 votes for n3 in term 3
    = n3 leader 4/3`));

test("a returning partitioned node disturbs nobody", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    tick 60 3
    > n3 asks whether it may stand in term 2
    ! n3 stands
    propose 1 "a"
    heal
    tick 8
    > n3 follows n1 in term 1
    = n1 leader 2/1 term 1
    = n3 follower 2/1 term 1`));

test("a half-connected node that hears nobody moves nobody's term", () =>
  scenario(`
    nodes 3
    elect 1
    cut 1>3 2>3
    tick 60
    > n3 asks whether it may stand in term 2
    > n1 would not vote for n3
    > n2 would not vote for n3
    = n1 leader 1/1 term 1
    = n2 follower 1/1 term 1`));

test("a leader that nobody answers steps down, and reads wait for no one", () =>
  scenario(`
    nodes 3
    elect 1
    cut 2>1 3>1                 # it can still speak
    read 1
    tick 8
    ! n1 follows
    tick 4
    > n1 follows nobody in term 1
    > n1 read fails`));

test("a leader keeps leading while it hears W voters, and only then", () =>
  scenario(`
    nodes 5 w=2 r=4
    elect 1
    part 1 2
    tick 40 1 2
    = n1 leader 1/1
    cut 2
    tick 12 1
    = n1 follower 1/1`));

test("nobody is elected who could not commit: a pre-vote takes max(W, R)", () =>
  scenario(`
    nodes 3 w=3 r=2
    crash 3
    tick 60
    > n2 would vote for n1
    ! n1 stands
    restart 3
    elect 1
    = n1 leader 1/1 commit 1`));

test("when the leader's link breaks its followers stand within a few ticks, but not against a leader they hear", () =>
  scenario(`
    nodes 3
    elect 1
    down 2 1                    # a mere hiccup: the leader is heard again
    tick 4
    ! n2 asks
    cut 1>2                     # a broken link, of one of them
    down 2 1
    tick 4
    > n2 asks whether it may stand in term 2
    > n3 would not vote for n2
    ! n2 stands
    heal
    tick 2
    > n2 follows n1 in term 1
    crash 1
    down 2 1
    down 3 1
    tick 4
    > n3 votes for n2 in term 2
    = n2 leader 2/2`));

test("of two that stand at once one gives way", () =>
  scenario(`
    nodes 3
    elect 1
    crash 1
    hold
    down 2 1
    down 3 1
    tick 3
    > n2 asks whether it may stand in term 2
    > n3 asks whether it may stand in term 2
    flow
    tick 0
    > n3 follows nobody in term 1
    > n2 leads term 2`));

test("leadership moves: nothing more is admitted, the target is brought up to date and stands past the shields", () =>
  scenario(`
    nodes 3
    elect 1
    slow 2
    propose 1 "a"
    transfer 1 2
    propose 1 "b"
    > n1 refuse transferring
    ! n2 stands
    sync 2
    > n1 tell n2 to stand
    > n2 stands in term 2
    > n1 transfer done
    > n2 leads term 2
    = n2 leader 3/2`));

test("a transfer is given up after one election timeout, and to a learner or nobody at once", () =>
  scenario(`
    nodes 4 voters=1,2,3 learners=4
    elect 1
    transfer 1 4
    > n1 transfer given up
    cut 2
    propose 1 "a"
    transfer 1 2
    ! n1 transfer
    tick 11
    > n1 transfer given up
    propose 1 "b"
    > n1 acknowledge "b"`));

test("a learner receives entries, counts nowhere and never stands", () =>
  scenario(`
    nodes 4 voters=1,2,3 learners=4
    elect 1
    > n4 learns from n1 in term 1
    slow 1 2 3
    propose 1 "a"
    > n4 reply 2
    ! n1 commit 2
    sync
    > n1 commit 2
    crash 1 2
    down 4 1
    tick 40
    ! n4 asks
    ! n3 stands`));
