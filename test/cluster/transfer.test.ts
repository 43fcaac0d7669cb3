import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogIndex, logIndex, nodeId, replicaId, term } from "../../src/base/ids.js";
import { handOver, type Leader } from "../../src/cluster/transfer.js";
import { frames } from "../support/frames.js";
import { refusal } from "../support/refusals.js";

const member = (id: number) => ({ replicaId: replicaId(id), nodeId: nodeId(id) });

/** Leads entries 11 to 2,000, of which it has the last ones in memory; the replica of broker 2 has those through `match`. */
function leading({ match, inMemoryFrom, isLearner = false }: { match: number | undefined; inMemoryFrom: number; isLearner?: boolean }) {
  const transfers: number[] = [];
  const leader: Leader = {
    configuration: { voters: [member(1), member(2), member(3)], w: 2, r: 2, learners: isLearner ? [{ ...member(9), nodeId: nodeId(2) }] : [] },
    matchOf: () => (match === undefined ? undefined : logIndex(match)),
    transfer: async (to) => transfers.push(to) > 0,
    log: {
      lastIndex: logIndex(2_000),
      logStart: { index: logIndex(10), term: term(1) },
      readCached: (from: LogIndex, through: LogIndex) => {
        assert.ok(from > 10, "what was dropped is not asked for");
        return from >= inMemoryFrom ? frames(from, through) : undefined;
      },
    },
  };
  return { leader, transfers };
}

test("who has all of the log, or lacks only what is in memory, takes over", async () => {
  for (const match of [2_000, 1_999, 1_500]) {
    const { leader, transfers } = leading({ match, inMemoryFrom: 1_501 });
    await handOver(leader, nodeId(2), "orders/0");
    assert.deepEqual(transfers, [2]);
  }
  const { leader, transfers } = leading({ match: 2_000, inMemoryFrom: 2_001 });
  await handOver(leader, nodeId(2), "orders/0");
  assert.deepEqual(transfers, [2]);
});

test("who would be waited for does not take over, and is told why", async () => {
  const refused = async (given: Parameters<typeof leading>[0], why: RegExp, to = 2): Promise<void> => {
    const { leader, transfers } = leading(given);
    const error = await refusal("NOT_READY", () => handOver(leader, nodeId(to), "orders/0"));
    assert.match(error.message, why);
    assert.deepEqual(transfers, []);
  };
  await refused({ match: 1_500, inMemoryFrom: 1_502 }, /500 entries behind, and must have them from disk/);
  await refused({ match: 5, inMemoryFrom: 1 }, /1995 entries behind; the limit is 1000/);
  await refused({ match: undefined, inMemoryFrom: 1 }, /how far its replica has come is not known/);
  await refused({ match: 2_000, inMemoryFrom: 1, isLearner: true }, /its former replica is gone/);
  await refused({ match: 2_000, inMemoryFrom: 1 }, /does not vote yet/, 4);
});

test("entries that the log has dropped are not in memory", async () => {
  const { leader, transfers } = leading({ match: 5, inMemoryFrom: 1 });
  const short: Leader = { ...leader, log: { ...leader.log, lastIndex: logIndex(900) } };
  await refusal("NOT_READY", () => handOver(short, nodeId(2), "orders/0"));
  assert.deepEqual(transfers, []);
});
