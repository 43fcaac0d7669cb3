import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodeId } from "../../src/base/ids.js";
import { Inflight, ReplicationBudget } from "../../src/replica/replication-budget.js";

const [near, far] = [nodeId(1), nodeId(2)];

test("who finds no room waits for it in the order of asking, and holds up nobody on the way to another broker", () => {
  const inflight = new Inflight(100);
  const sent: string[] = [];
  const send = (name: string, bytes: number) => (): void => {
    sent.push(name);
    inflight.count(near, bytes);
  };
  inflight.whenRoom(near, send("a", 90));
  inflight.whenRoom(near, send("b", 90));
  for (const name of ["c", "d", "e"]) inflight.whenRoom(near, send(name, 60));
  inflight.whenRoom(far, () => sent.push("elsewhere"));
  assert.deepEqual(sent, ["a", "b", "elsewhere"], "the last one may go beyond the limit");
  inflight.count(near, -80);
  assert.deepEqual(sent.slice(3), []);
  inflight.count(near, -80);
  assert.deepEqual(sent.slice(3), ["c", "d"]);
  inflight.count(near, -140);
  assert.deepEqual(sent.slice(3), ["c", "d", "e"]);
});

test("whatever is sent and answered, nobody waits while there is room, each is served once, and nobody is overtaken", () => {
  const step = fc.oneof(fc.record({ ask: fc.integer({ min: 0, max: 150 }) }), fc.record({ answer: fc.nat(20) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const inflight = new Inflight(100);
      const [underWay, served]: [number[], number[]] = [[], []];
      let asked = 0;
      const total = (): number => underWay.reduce((sum, bytes) => sum + bytes, 0);
      const check = (): void => {
        assert.deepEqual(
          served,
          Array.from({ length: served.length }, (_, at) => at),
        );
        assert.ok(served.length === asked || total() >= 100, `${asked - served.length} wait with ${total()} under way`);
      };
      for (const next of steps) {
        if ("ask" in next) {
          const turn = asked++;
          inflight.whenRoom(near, () => {
            served.push(turn);
            underWay.push(next.ask);
            inflight.count(near, next.ask);
          });
        } else if (underWay.length > 0) inflight.count(near, -(underWay.splice(next.answer % underWay.length, 1)[0] ?? 0));
        check();
      }
      while (underWay.length > 0) inflight.count(near, -(underWay.pop() ?? 0));
      assert.equal(served.length, asked);
    }),
  );
});

test("reads have sixteen turns, and one given back is another's", () => {
  const budget = new ReplicationBudget(100);
  assert.deepEqual(Array.from({ length: 17 }, () => budget.tryBeginRead()).filter((isTurn) => isTurn).length, 16);
  budget.endRead();
  assert.deepEqual([budget.tryBeginRead(), budget.tryBeginRead()], [true, false]);
});

test("what goes to those that are behind, and to those that keep up, is bounded by itself: half as much for the former", () => {
  const budget = new ReplicationBudget(200);
  const sent: string[] = [];
  budget.behind.count(near, 100);
  budget.behind.whenRoom(near, () => sent.push("behind"));
  budget.tail.whenRoom(near, () => sent.push("tail"));
  assert.deepEqual(sent, ["tail"]);
  budget.tail.count(near, 200);
  budget.behind.count(near, -1);
  assert.deepEqual(sent, ["tail", "behind"]);
});

test("however many wait, each is served on a stack of its own", () => {
  const inflight = new Inflight(100);
  let served = 0;
  inflight.count(near, 100);
  for (let waiting = 0; waiting < 100_000; waiting++) {
    inflight.whenRoom(near, () => {
      served += 1;
      inflight.count(near, 0);
    });
  }
  inflight.count(near, -1);
  assert.equal(served, 100_000);
});
