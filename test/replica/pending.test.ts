import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { logIndex, nodeId, term } from "../../src/base/ids.js";
import { notLeader, PendingRequests, refusalError } from "../../src/replica/pending.js";

test("a confirmed read waits until its index is applied, and is answered once", async () => {
  const pending = new PendingRequests();
  const answered: number[] = [];
  const read = { resolve: (index: number) => answered.push(index), reject: () => assert.fail("not refused") };
  const [early, late] = [pending.addRead(read), pending.addRead(read)];
  pending.readConfirmed(early, logIndex(5), logIndex(5));
  pending.readConfirmed(late, logIndex(7), logIndex(5));
  pending.readConfirmed(early, logIndex(9), logIndex(9));
  assert.deepEqual(answered, [5]);
  pending.applied(logIndex(6));
  assert.deepEqual(answered, [5]);
  pending.applied(logIndex(20));
  pending.endAll(new Error("the end"));
  assert.deepEqual(answered, [5, 7]);
});

test("at the end every request is answered, those confirmed but not applied too", () => {
  const pending = new PendingRequests();
  const answers: string[] = [];
  const why = new QuireError("SHUTTING_DOWN", "the end");
  pending.addProposal({ recordCount: 1, done: () => answers.push("proposal"), placed: undefined, onDisk: undefined });
  pending.addTransfer((done) => answers.push(`transfer ${done}`));
  const confirmed = pending.addRead({ resolve: () => assert.fail("not applied"), reject: () => answers.push("confirmed") });
  pending.addRead({ resolve: () => assert.fail("not confirmed"), reject: (error) => answers.push(error === why ? "read" : "") });
  pending.readConfirmed(confirmed, logIndex(5), logIndex(4));
  pending.endAll(why);
  pending.endAll(why);
  assert.deepEqual(answers.sort(), ["confirmed", "proposal", "read", "transfer false"]);
});

test("a proposal that was taken is not ended again", () => {
  const pending = new PendingRequests();
  let answers = 0;
  const id = pending.addProposal({ recordCount: 1, done: () => answers++, placed: undefined, onDisk: undefined });
  assert.ok(pending.takeProposal(id) !== undefined);
  assert.equal(pending.takeProposal(id), undefined);
  pending.endAll(new Error("the end"));
  assert.equal(answers, 0);
});

test("refusals say that nothing was appended, and who leads if anyone is known to", () => {
  const leader = { nodeId: nodeId(3), term: term(9) };
  assert.deepEqual(notLeader(leader).details, { leaderNodeId: 3, term: 9 });
  assert.equal(notLeader(null).reason, "LEADER_UNKNOWN");
  const reasons = (["not-leader", "transferring", "reconfiguring", "term-not-committed", "invalid"] as const).map((why) => refusalError(why, leader).reason);
  assert.deepEqual(reasons, ["NOT_LEADER", "LEADER_UNKNOWN", "RECONFIGURATION_IN_PROGRESS", "NOT_READY", "INVALID_QUORUM"]);
});
