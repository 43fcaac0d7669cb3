import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogIndex, logIndex, replicaId, type Term, term } from "../../src/base/ids.js";
import { onTailReply } from "../../src/consensus/doubt.js";
import { createState } from "../../src/consensus/state.js";
import type { CoreOptions, LogPosition, TermRun } from "../../src/consensus/types.js";
import { type HistoryEntry, type HistoryReplica, QuorumHistory } from "./quorum-history.js";
import { SeededRandom } from "./seeded-random.js";

const HISTORIES = 20_000;
const options: CoreOptions = {
  heartbeatTicks: 1,
  electionTicks: 10,
  suspicionTicks: 1,
  quiesceTicks: 10,
  inflightMessagesMax: 1,
  inflightBytesMax: 1,
  random: () => 1,
};

const endOf = (log: readonly HistoryEntry[]): LogPosition => ({ index: logIndex(log.length), term: term(log.at(-1)?.term ?? 0) });
const isBefore = (a: LogPosition, b: LogPosition): boolean => a.term < b.term || (a.term === b.term && a.index < b.index);

function runsOf(log: readonly HistoryEntry[]): TermRun[] {
  const runs: TermRun[] = [];
  for (const [at, entry] of log.entries()) if (entry.term !== log[at - 1]?.term) runs.push({ first: logIndex(at + 1), term: entry.term as Term });
  return runs;
}

type Kind = "whole" | "torn" | "damaged";
interface Found {
  readonly says: Kind;
  readonly log: readonly HistoryEntry[];
}

/** All go down: of a torn log goes what was not on disk, of a damaged one goes anything. */
function failed(random: SeededRandom, { log, disk }: HistoryReplica): Found {
  const says = random.pick<Kind>(["whole", "torn", "torn", "damaged"]) ?? "whole";
  if (says === "whole") return { says, log };
  const kept = says === "torn" ? disk + random.below(log.length - disk + 1) : random.below(log.length + 1);
  return { says, log: log.slice(0, kept) };
}

/** The end that no log may have that this replica votes for, as it learns it from the answers; undefined while it votes for none. */
function floorOf(history: QuorumHistory, all: readonly Found[], at: number, answering: readonly number[]): LogPosition | undefined {
  const { says, log } = all[at] as Found;
  const configured = (entries: readonly HistoryEntry[]) => history.configurationOf(entries);
  const { index, configuration } = configured(log);
  const state = createState(
    {
      replicaId: replicaId(at + 1),
      hardState: { term: term(1_000), votedFor: null },
      logStart: { index: logIndex(0), term: term(0) },
      lastIndex: logIndex(log.length),
      termRuns: runsOf(log),
      commitIndex: logIndex(0),
      configurations: [{ index: logIndex(index), configuration }],
      doubt: { kind: says === "damaged" ? "damaged" : "torn", from: logIndex(log.length + 1) },
    },
    options,
  );
  const { doubt } = state;
  assert.ok(doubt);
  doubt.nonce = 1;
  for (const other of answering) {
    const answer = all[other] as Found;
    const from = history.first.voters[other];
    assert.ok(from);
    onTailReply(state, from, { kind: "tail-reply", term: term(1_001), nonce: 1, last: endOf(answer.log), ...configured(answer.log), log: answer.says });
  }
  return doubt.floor;
}

test("whatever W and R were, and whoever answers: no log is voted for that lacks something committed", () => {
  const random = new SeededRandom(1);
  let [floors, differing] = [0, 0];
  for (let run = 0; run < HISTORIES; run++) {
    const history = new QuorumHistory(random, 3 + random.below(2));
    for (let steps = 10 + random.below(60); steps > 0; steps--) history.step();
    const all = history.replicas.map((replica) => failed(random, replica));
    const at = all.findIndex(({ says }) => says !== "whole");
    if (at < 0) continue;
    const answering = [...all.keys()].filter((other) => other !== at && !random.oneIn(8));
    const floor = floorOf(history, all, at, answering);
    if (floor === undefined) continue;
    floors += 1;
    if (new Set([at, ...answering].map((i) => JSON.stringify(history.configurationOf(all[i]?.log ?? []).configuration))).size > 1) differing += 1;
    const own = endOf(all[at]?.log ?? []);
    for (const [index, of] of history.committed) {
      const entry = { index: index as LogIndex, term: of as Term };
      // It votes for none that ends before its own either.
      if (isBefore(floor, entry) && isBefore(own, entry)) assert.fail(`run ${run}: ${of}/${index} is committed; the floor is ${floor.term}/${floor.index}`);
    }
  }
  assert.ok(floors > HISTORIES / 10 && differing > HISTORIES / 20, `${floors} floors, ${differing} with configurations that differ`);
});
