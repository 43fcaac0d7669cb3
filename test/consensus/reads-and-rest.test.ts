import { test } from "node:test";
import { scenario } from "./scenario.js";

test("a read waits for an entry of the leader's term and a fresh round of R", () =>
  scenario(`
    nodes 3
    elect 1
    propose 1 "a"
    > n1 acknowledge "a"
    crash 1
    down 2 1
    down 3 1
    hold
    tick 3 2
    deliver
    deliver
    deliver
    deliver
    > n2 leads term 2
    read 2
    ! n2 read
    flow
    tick 0
    > n2 commit 3
    > n2 read at 3`));

test("a deposed leader answers no read, nor does one that answers of before confirm", () =>
  scenario(`
    nodes 3
    elect 1
    hold
    tick 1 1
    deliver 2 3
    keep                        # answers to a heartbeat of before the read
    flow
    part 1
    elect 2
    propose 2 "a"
    > n2 acknowledge "a"
    read 1
    replay
    ! n1 read at
    heal
    tick 2
    > n1 read fails`));

test("many reads share one round", () =>
  scenario(`
    nodes 3
    elect 1
    hold
    read 1
    read 1
    read 1
    deliver
    deliver
    > n1 read at 1
    ! n1 read fails
    deliver
    deliver
    > n1 read at 1
    > n1 read at 1`));

test("alone in its set a leader answers reads at once", () =>
  scenario(`
    nodes 1
    tick 1
    > n1 leads term 1
    read 1
    > n1 read at 1`));

test("an idle replica set goes to sleep, and wakes for work", () =>
  scenario(`
    nodes 4 voters=1,2,3 learners=4
    elect 1
    tick 25
    > n1 tell n2 to sleep
    > n1 sleeps
    > n2 sleeps
    = n4 learner 1/1 asleep
    tick 100
    ! n1 wakes
    ! n2 wakes
    = n1 leader 1/1 asleep serving
    propose 1 "a"
    > n1 wakes
    > n2 wakes
    > n1 acknowledge "a"
    tick 30
    = n2 follower 2/1 commit 2 asleep`));

test("nobody sleeps while a member that is up lags; one whose broker is down is not waited for", () =>
  scenario(`
    nodes 3
    elect 1
    slow 3
    propose 1 "a"
    tick 40
    ! n1 sleeps
    sync 3
    tick 25
    > n1 sleeps
    cut 3
    down 1 3
    > n1 wakes
    propose 1 "b"
    tick 40
    > n1 sleeps
    ! n1 tell n3
    heal
    up 1 3                      # it comes back and is brought up to date
    > n1 wakes
    > n3 append 3/1 "b"
    tick 25
    = n3 follower 3/1 commit 3 asleep`));

test("a sleeping follower stands when its leader's broker goes away", () =>
  scenario(`
    nodes 3
    elect 1
    tick 25
    > n3 sleeps
    crash 1
    down 2 1
    down 3 1
    tick 4
    > n2 leads term 2`));

test("a follower that missed the word stays awake, asks, and sets the leader right", () =>
  scenario(`
    nodes 3
    elect 1
    tick 18
    cut 1>3
    tick 3
    > n1 sleeps
    = n3 follower 1/1 awake
    heal
    tick 20
    > n3 asks whether it may stand in term 2
    > n1 wakes
    > n3 follows n1 in term 1
    tick 25
    = n1 leader 1/1 term 1 asleep
    = n3 follower 1/1 asleep`));

test("a leader that restarts while all sleep is replaced", () =>
  scenario(`
    nodes 3
    elect 1
    tick 25
    > n1 sleeps
    crash 1
    restart 1
    down 2 1
    up 2 1
    down 3 1
    up 3 1
    tick 12
    = n2 leader 2/2
    = n1 follower 2/2`));

test("a follower behind the log's start gets the snapshot there, then the rest", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    propose 1 "a" "b" "c" "d"
    > n1 commit 5
    compact 1 3
    heal
    tick 12
    > n1 send n3 snapshot 3/1
    > n3 install snapshot 3/1
    > n3 reply 3
    > n3 append 4/1 "c"
    = n3 follower 5/1 commit 5
    crash 3                     # it starts from there again
    restart 3
    down 1 3
    up 1 3
    propose 1 "e"
    tick 2
    = n3 follower 6/1 commit 6`));

test("a lost snapshot is sent again, a late one changes nothing", () =>
  scenario(`
    nodes 3
    elect 1
    cut 3
    propose 1 "a" "b" "c"
    compact 1 3
    hold
    heal
    tick 6
    deliver 3
    deliver 1
    keep
    lose
    flow
    tick 40
    > n3 install snapshot 3/1
    propose 1 "d"
    > n1 acknowledge "d"
    replay
    ! n3 install
    = n3 follower 5/1`));
