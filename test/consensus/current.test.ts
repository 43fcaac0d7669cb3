import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, term } from "../../src/base/ids.js";
import { type Core, createCore } from "../../src/consensus/core.js";
import { EntryKind, type Message } from "../../src/consensus/types.js";
import { member } from "./model-node.js";

const LEADER = member(1);
const at = (index: number, inTerm: number) => ({ index: logIndex(index), term: term(inTerm) });

/** Replica 2 of three after a restart: so many entries of term 1 on its disk, the first of them known to be committed. */
function restarted(lastIndex: number): Core<string> {
  return createCore<string>(
    {
      replicaId: member(2).replicaId,
      hardState: { term: term(1), votedFor: null },
      logStart: at(0, 0),
      lastIndex: logIndex(lastIndex),
      termRuns: [{ term: term(1), first: logIndex(1) }],
      commitIndex: logIndex(1),
      configurations: [{ index: logIndex(0), configuration: { voters: [1, 2, 3].map(member), learners: [], w: 2, r: 2 } }],
    },
    { heartbeatTicks: 1, electionTicks: 10, suspicionTicks: 3, quiesceTicks: 20, inflightMessagesMax: 4, inflightBytesMax: 10_000, random: () => 0 },
  );
}

/** The leader's append after `previous`, of entries of these terms. */
function append(core: Core<string>, previous: [index: number, term: number], terms: readonly number[], commit: number, inTerm: number): void {
  const entries = terms.map((each, place) => ({ ...at(previous[0] + 1 + place, each), kind: EntryKind.noOp, payload: "" }));
  const message: Message<string> = { kind: "append", term: term(inTerm), previous: at(...previous), commit: logIndex(commit), entries, round: 1 };
  core.step({ kind: "message", from: LEADER, message });
}

test("a restarted follower is current when it knows as committed what its leader did when it was first heard", () => {
  const core = restarted(3);
  assert.equal(core.current, false, "no leader was heard");
  append(core, [5, 1], [], 5, 1);
  assert.equal(core.current, false, "what it has on disk is all committed, and not all that is");
  append(core, [3, 1], [1], 6, 1);
  assert.equal(core.commitIndex, 4);
  assert.equal(core.current, false, "two are missing");
  append(core, [4, 1], [1, 1], 6, 1);
  assert.equal(core.current, true);
});

test("a new leader's word counts once an entry of its own term is committed: before, it may know of less than its predecessor", () => {
  const core = restarted(3);
  append(core, [3, 1], [2], 1, 2);
  assert.equal(core.current, false, "the leader knows of one committed entry, and its predecessor may have known of three");
  core.step({ kind: "message", from: LEADER, message: { kind: "heartbeat", term: term(2), commit: logIndex(4), round: 2, quiesce: false } });
  assert.equal(core.current, true);
  append(core, [5, 3], [], 5, 3);
  assert.equal(core.current, false, "of the next leader nothing is known yet");
});
