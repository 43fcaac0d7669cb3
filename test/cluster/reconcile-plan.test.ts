import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { majority, quorumProblem } from "../../src/base/quorum.js";
import { planConfiguration, planReplica, type ReplicaSituation } from "../../src/cluster/reconcile-plan.js";
import type { Configuration, Member } from "../../src/replica/types.js";
import { node, rid } from "./examples.js";

const situation = (changes: Partial<ReplicaSituation>): ReplicaSituation => ({
  wanted: undefined,
  stored: undefined,
  running: false,
  deleted: false,
  fresh: true,
  ...changes,
});

test("a replica is started where it is wanted, and a blank one only on fresh metadata", () => {
  assert.equal(planReplica(situation({ wanted: rid(5) })), "start");
  assert.equal(planReplica(situation({ wanted: rid(5), fresh: false })), "wait");
  assert.equal(planReplica(situation({ wanted: rid(5), stored: rid(5), fresh: false })), "start");
  assert.equal(planReplica(situation({ wanted: rid(5), stored: rid(5), running: true })), "none");
});

test("data goes only on proof that the set is gone: a set that is merely absent may be newer than this metadata", () => {
  assert.equal(planReplica(situation({ stored: rid(5) })), "none");
  assert.equal(planReplica(situation({ stored: rid(5), running: true })), "none");
  assert.equal(planReplica(situation({ stored: rid(5), deleted: true })), "remove");
  assert.equal(planReplica(situation({ stored: rid(5), deleted: true, running: true })), "remove");
  assert.equal(planReplica(situation({ deleted: true })), "none");
});

test("a newer replica on disk is never replaced by an older one that old metadata wants", () => {
  assert.equal(planReplica(situation({ stored: rid(9), running: true, wanted: rid(5) })), "none");
  assert.equal(planReplica(situation({ stored: rid(5), running: true, wanted: rid(9) })), "start");
});

const members = (...pairs: [number, number][]): Member[] => pairs.map(([replicaId, nodeId]) => ({ replicaId: rid(replicaId), nodeId: node(nodeId) }));
const configuration = (voters: Member[], learners: Member[] = [], w = majority(voters.length), r = majority(voters.length)): Configuration => ({
  voters,
  learners,
  w,
  r,
});
const before = configuration(members([1, 1], [2, 2], [3, 3]));
const after = configuration(members([1, 1], [9, 2], [3, 3]));
const nobody = (): boolean => false;
const everybody = (): boolean => true;

test("the replica of a wiped broker is a learner until it has caught up, and the former one votes until then", () => {
  const first = planConfiguration(before, after, nobody);
  assert.deepEqual(first, { kind: "reconfigure", target: configuration(before.voters as Member[], members([9, 2])) });
  const learning = configuration(before.voters as Member[], members([9, 2]));
  assert.deepEqual(planConfiguration(learning, after, nobody), { kind: "wait" });
  assert.deepEqual(planConfiguration(learning, after, everybody), { kind: "reconfigure", target: after });
  assert.deepEqual(planConfiguration(after, after, nobody), { kind: "done" });
});

test("W and R change although a new replica is not caught up, and nothing changes while a change is under way", () => {
  const stricter = { ...after, w: 3 };
  const plan = planConfiguration(before, stricter, nobody);
  assert.deepEqual(plan, { kind: "reconfigure", target: { ...configuration(before.voters as Member[], members([9, 2])), w: 3 } });
  assert.deepEqual(planConfiguration({ ...before, incoming: after }, stricter, everybody), { kind: "wait" });
});

test("a replica wiped again before it was caught up is forgotten for its successor", () => {
  const learning = configuration(before.voters as Member[], members([9, 2]));
  const again = configuration(members([1, 1], [12, 2], [3, 3]));
  const plan = planConfiguration(learning, again, nobody);
  assert.deepEqual(plan, { kind: "reconfigure", target: configuration(before.voters as Member[], members([12, 2])) });
});

test("learners of the metadata come and go without touching its voters", () => {
  const wanted = configuration(before.voters as Member[], members([7, 7]));
  assert.deepEqual(planConfiguration(before, wanted, nobody), { kind: "reconfigure", target: wanted });
  assert.deepEqual(planConfiguration(wanted, wanted, nobody), { kind: "done" }, "a learner that stays one need not catch up");
});

test("from any configuration the wanted one is reached in few steps, all of them valid, none dropping a voter for one that lags", () => {
  const rows = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 });
  fc.assert(
    fc.property(rows, rows, fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), (from, to, luck) => {
      let current = configuration(members(...from.map((n): [number, number] => [n, n])));
      const wanted = configuration(members(...to.map((n): [number, number] => [n + (n % 2) * 10, n])));
      const caughtUp = new Set<number>();
      for (let step = 0; step < 40; step++) {
        for (const learner of current.learners) if (luck[step] || step > 20) caughtUp.add(learner.replicaId);
        const plan = planConfiguration(current, wanted, (replica) => caughtUp.has(replica));
        if (plan.kind === "done") {
          assert.deepEqual(new Set(current.voters.map((voter) => voter.replicaId)), new Set(wanted.voters.map((voter) => voter.replicaId)));
          return;
        }
        if (plan.kind === "wait") continue;
        const { voters, w, r } = plan.target;
        assert.equal(quorumProblem({ n: voters.length, w, r }), undefined);
        const old = new Set(current.voters.map((voter) => voter.replicaId));
        for (const { replicaId } of voters) assert.ok(old.has(replicaId) || caughtUp.has(replicaId), "a new voter has caught up");
        current = { ...plan.target };
      }
      assert.fail("not reached");
    }),
    { numRuns: 500 },
  );
});
