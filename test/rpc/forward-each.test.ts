import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import type { TopicPartition } from "../../src/cluster/view.js";
import { Forwarder } from "../../src/rpc/forward.js";
import type { Channel } from "../../src/wire/transport.js";
import { FakeClock, settle } from "../support/fake-clock.js";
import { FakeView } from "../support/fake-view.js";

/** Broker 1 is asked about eight partitions: it leads 0 and 1, broker 2 those up to 5, broker 3 the rest. */
function asked({ forwarded = false, itemsAtOnce = 3, writes = true } = {}) {
  const view = new FakeView(1);
  const clock = new FakeClock();
  view.addTopic("orders", 8);
  const items = Array.from({ length: 8 }, (_, partition) => ({ topic: "orders", partition }));
  for (const [i, at] of items.entries()) view.setLeader(at, i < 2 ? 1 : i < 6 ? 2 : 3, 1);
  const forwarder = new Forwarder({ view, clock, dial: () => ({ close: () => undefined }) as Channel, leaderWaitMsMax: 1_000 });
  const calls: number[][] = [];
  const run = (there: (asked: readonly TopicPartition[]) => Promise<readonly (string | QuireError)[]>) =>
    forwarder.each<TopicPartition, string>(
      { forwarded, signal: new AbortController().signal, remainingMs: () => 10_000 },
      {
        items,
        itemsAtOnce,
        writes,
        here: async (at) => {
          if (view.leader(view.partition(at)?.replicaSetId as never)?.nodeId === 1) return `here ${at.partition}`;
          throw new QuireError("NOT_LEADER", "not here");
        },
        there: (_broker, some) => {
          calls.push(some.map(({ partition }) => partition));
          return there(some);
        },
      },
    );
  return { view, clock, calls, run };
}

const answerAll = async (some: readonly TopicPartition[]): Promise<string[]> => some.map(({ partition }) => `there ${partition}`);

test("what goes to one broker goes there in one call, as far as one call holds it, and answers stay in their order", async () => {
  const { run, calls } = asked();
  const outcomes = await run(answerAll);
  assert.deepEqual(outcomes, ["here 0", "here 1", ...[2, 3, 4, 5, 6, 7].map((at) => `there ${at}`)]);
  assert.deepEqual(calls, [[2, 3, 4], [5], [6, 7]]);
});

test("a forwarded request is not passed on", async () => {
  const { run, calls } = asked({ forwarded: true });
  const outcomes = await run(answerAll);
  assert.deepEqual(calls, []);
  assert.equal(outcomes.filter((outcome) => outcome instanceof QuireError && outcome.reason === "NOT_LEADER").length, 6);
});

test("only what another broker refused is asked again, of the one that leads by then", async () => {
  const { run, calls, view, clock } = asked({ itemsAtOnce: 10 });
  const outcomes = run(async (some) =>
    some.map(({ partition }) => (partition === 3 && calls.length < 3 ? new QuireError("NOT_LEADER", "moved") : `there ${partition}`)),
  );
  await settle();
  view.setLeader({ topic: "orders", partition: 3 }, 3, 2);
  await settle();
  clock.advance(20);
  assert.equal((await outcomes)[3], "there 3");
  assert.deepEqual(calls, [[2, 3, 4, 5], [6, 7], [3]]);
});

test("a lost answer to what changes something is an unknown outcome, and is not asked again", async () => {
  const { run, calls } = asked();
  const outcomes = await run(async (some) => {
    if (some.length === 2) throw new QuireError("DEADLINE", "too late");
    return answerAll(some);
  });
  assert.equal(outcomes[5], "there 5");
  for (const at of [6, 7]) assert.equal((outcomes[at] as QuireError).reason, "WRITE_OUTCOME_UNKNOWN");
  assert.equal(calls.length, 3);
});

test("a broker that answers too little leaves no question open for ever", async () => {
  const outcomes = await asked().run(async (some) => (await answerAll(some)).slice(0, 1));
  assert.equal((outcomes[7] as QuireError).reason, "INTERNAL");
});
