import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, replicaId, term } from "../../src/base/ids.js";
import { createCore } from "../../src/consensus/core.js";
import { configurationOf } from "./model-cluster.js";
import { member } from "./model-node.js";

const CORE = { heartbeatTicks: 1, electionTicks: 10, suspicionTicks: 3, quiesceTicks: 20, inflightMessagesMax: 4, inflightBytesMax: 10_000, random: () => 0 };

test("while a snapshot takes the log's place nothing is said of the log, though the term is saved meanwhile; then the snapshot is acknowledged", () => {
  const configuration = configurationOf([1, 2, 3], 2, 2);
  const core = createCore<string>(
    {
      replicaId: replicaId(1),
      hardState: { term: term(1), votedFor: null },
      logStart: { index: logIndex(0), term: term(0) },
      lastIndex: logIndex(5),
      termRuns: [{ first: logIndex(1), term: term(1) }],
      commitIndex: logIndex(5),
      configurations: [{ index: logIndex(0), configuration }],
    },
    CORE,
  );
  const snapshot = { index: logIndex(9), term: term(2), configuration };
  const kinds = (event: Parameters<typeof core.step>[0]): string[] =>
    core.step(event).map((effect) => (effect.kind === "send" ? effect.message.kind : effect.kind));
  const asked = core.step({ kind: "message", from: member(2), message: { kind: "snapshot", term: term(3), snapshot, state: "state" } });
  assert.ok(asked.some(({ kind }) => kind === "install-snapshot"));
  const saved = asked.find((effect) => effect.kind === "save-hard-state");
  assert.ok(saved !== undefined);
  assert.deepEqual(kinds({ kind: "hard-state-saved", hardState: saved.hardState }), []);
  const [answer] = core.step({ kind: "snapshot-installed", snapshot }).filter((effect) => effect.kind === "send");
  assert.ok(answer?.message.kind === "append-reply");
  assert.equal(answer.message.match, 9);
});
