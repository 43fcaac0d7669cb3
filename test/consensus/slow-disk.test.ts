import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, nodeId, replicaId, term } from "../../src/base/ids.js";
import { createCore } from "../../src/consensus/core.js";
import type { Effect } from "../../src/consensus/types.js";

test("a candidate whose disk is slower than an election timeout waits for it instead of beginning one term after the other", () => {
  const voters = [{ replicaId: replicaId(1), nodeId: nodeId(1) }];
  const core = createCore(
    {
      replicaId: replicaId(1),
      hardState: { term: term(0), votedFor: null },
      logStart: { index: logIndex(0), term: term(0) },
      lastIndex: logIndex(0),
      termRuns: [],
      commitIndex: logIndex(0),
      configurations: [{ index: logIndex(0), configuration: { voters, learners: [], w: 1, r: 1 } }],
    },
    { heartbeatTicks: 2, electionTicks: 10, suspicionTicks: 2, quiesceTicks: 100, inflightMessagesMax: 4, inflightBytesMax: 1_000, random: () => 0 },
  );
  const effects: Effect[] = [];
  for (let tick = 0; tick < 500; tick++) effects.push(...core.step({ kind: "tick" }));
  const saves = effects.flatMap((effect) => (effect.kind === "save-hard-state" ? [effect.hardState] : []));
  assert.deepEqual(saves, [{ term: 1, votedFor: 1 }]);
  for (const hardState of saves) core.step({ kind: "hard-state-saved", hardState });
  assert.equal(core.role, "leader");
});
