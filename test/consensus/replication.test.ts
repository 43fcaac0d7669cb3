import { test } from "node:test";
import { scenario } from "./scenario.js";

test("an entry is acknowledged when W replicas have it on disk, the leader counted like any other", () =>
  scenario(`
    nodes 3
    elect 1
    > n2 votes for n1 in term 1
    > n1 leads term 1
    > n1 append 1/1 no-op
    > n1 commit 1
    propose 1 "a"
    > n1 append 2/1 "a"
    > n2 append 2/1 "a"
    > n2 reply 2
    > n1 commit 2
    > n1 acknowledge "a"
    slow 1 2                    # one disk of three is not enough
    propose 1 "b"
    > n3 reply 3
    ! n1 commit 3
    sync 1
    > n1 commit 3
    > n1 acknowledge "b"
    propose 1 "c"               # two followers are, without the leader's disk
    slow 1
    sync 2
    propose 1 "d"
    > n1 acknowledge "d"
    = n1 leader 5/1 commit 5`));

test("with W=1 the leader's own disk comes first", () =>
  scenario(`
    nodes 3 w=1 r=3
    elect 1
    slow 1 2 3
    propose 1 "a"
    > n1 append 2/1 "a"
    ! n1 commit 2
    sync 1
    > n1 acknowledge "a"`));

test("a leader cut off from its followers acknowledges nothing, and its entries give way", () =>
  scenario(`
    nodes 3
    elect 1
    cut 1
    propose 1 "a" "b"
    ! n1 acknowledge
    elect 2
    propose 2 "c"
    > n2 acknowledge "c"
    heal
    tick 8
    > n1 follows n2 in term 2
    > n1 truncate 2
    = n1 follower 3/2 commit 3`));

test("a vote and an acknowledgement leave only when they are on disk", () =>
  scenario(`
    nodes 3
    slow 2 3
    tick 10 1
    > n1 stands in term 1
    ! n2 votes
    ! n1 leads
    sync 2
    > n2 votes for n1 in term 1
    > n1 leads term 1
    propose 1 "a"
    slow 2
    propose 1 "b"
    > n2 append 3/1 "b"
    ! n2 reply 3
    sync 2
    > n2 reply 3`));

test("an acknowledgement of an older term counts for nothing", () =>
  scenario(`
    nodes 5
    elect 1
    part 1 2
    hold
    propose 1 "a" "b" "c" "d"
    deliver 2
    > n2 reply 5                # under way to n1, and very late
    keep
    lose
    flow
    elect 3
    heal
    tick 8
    > n2 truncate 2
    elect 1
    slow 2 4 5
    propose 1 "x" "y" "z"
    replay
    ! n1 acknowledge
    sync 2
    > n1 acknowledge "x"`));

test("a follower that lags is brought up to date by whole terms", () =>
  scenario(`
    nodes 3 batch=1
    elect 1
    cut 3
    propose 1 "a" "b" "c" "d" "e"
    heal
    tick 8                      # what was lost is sent again, a message at a time, then many
    > n3 append 2/1 "a"
    > n3 commit 6
    cut 3
    propose 1 "f" "g"
    crash 1
    heal
    elect 2
    > n3 reject 8, try 6/1
    > n3 append 7/1 "f"
    tick 2
    = n3 follower 9/2 commit 9`));

test("a follower that went away twice without a word between is asked where it was, not sent the log from the beginning", () =>
  scenario(`
    nodes 3 batch=1
    elect 1
    propose 1 "a" "b" "c"
    > n1 acknowledge "c"
    cut 3
    down 1 3
    up 1 3
    down 1 3
    heal
    up 1 3
    > n3 reply 4
    ! n3 reply 1
    ! n3 append
    propose 1 "d"
    > n3 reply 5`));

test("a follower that lost what it held is not taken for one that holds it, however often it went away", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a" "b" "c"
    crash 3
    down 1 3
    up 1 3
    down 1 3
    restart 3 torn=3
    up 1 3
    > n3 reject 4, try 2/1
    > n3 append 3/1 "b"
    > n3 reply 4`));
