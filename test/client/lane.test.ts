import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Lane, type LaneBatch } from "../../src/client/lane.js";

interface Batch extends LaneBatch {
  readonly name: string;
}
const batch = (name: string, lingersUntilMs = 0, deadlineMs = 1_000): Batch => ({
  name,
  order: -1,
  lingersUntilMs,
  deadlineMs,
  isReady: true,
  close: () => {},
});
const names = (batches: readonly Batch[]): string => batches.map((each) => each.name).join("");
const lane = (): Lane<Batch> => new Lane<Batch>({ inFlightMax: 3 });

function filled(text: string): Lane<Batch> {
  const made = lane();
  for (const name of text) made.begin(batch(name));
  made.close();
  return made;
}

function takeAll(from: Lane<Batch>, nowMs = 0): Batch[] {
  const taken: Batch[] = [];
  for (let next = from.take(nowMs, false); next !== undefined; next = from.take(nowMs, false)) taken.push(next);
  return taken;
}

test("the first batch goes alone; its acknowledgement opens the window", () => {
  const abcde = filled("abcde");
  const [a] = takeAll(abcde);
  assert.equal(names(abcde.inFlight), "a");
  abcde.acknowledged(a as Batch);
  assert.equal(names(takeAll(abcde)), "bcd");
});

test("an open batch goes only when nothing is in flight", () => {
  const one = lane();
  one.begin(batch("a"));
  const a = one.take(0, false) as Batch;
  one.begin(batch("b"));
  assert.equal(one.take(0, false), undefined);
  one.acknowledged(a);
  assert.equal(one.take(0, false)?.name, "b");
});

test("an open batch lingers, unless there is a hurry", () => {
  const lingering = lane();
  lingering.begin(batch("a", 15));
  assert.equal(lingering.take(14, false), undefined);
  assert.equal(lingering.wakeMs(), 15);
  assert.equal(lingering.take(14, true)?.name, "a");
});

test("a closed batch that is not ready holds back those behind it, and asks for no timer; what is added meanwhile becomes one batch", () => {
  const one = lane();
  const slow = { ...batch("a"), isReady: false };
  one.begin(slow);
  assert.equal(one.take(0, false), undefined);
  assert.equal(one.open, undefined, "it is closed, so that it can become ready");
  one.begin(batch("b"));
  assert.equal(one.take(0, true), undefined);
  assert.equal(names(one.batches()), "ab");
  assert.equal(one.wakeMs(), undefined);
  slow.isReady = true;
  assert.equal(one.take(0, false), slow);
  assert.equal(one.take(0, false), undefined);
});

test("after a failure everything in flight is waited for, then sent again in order, the first alone", () => {
  const abcd = filled("abcd");
  abcd.acknowledged(takeAll(abcd)[0] as Batch);
  const [b, c, d] = takeAll(abcd) as [Batch, Batch, Batch];
  abcd.failed(c);
  assert.equal(abcd.take(0, false), undefined);
  abcd.failed(d);
  abcd.failed(b);
  assert.equal(names(takeAll(abcd)), "b");
  assert.deepEqual(abcd.acknowledged(b), []);
  assert.equal(names(takeAll(abcd)), "cd");
});

test("what was overtaken is given back to be rejected", () => {
  const abcd = filled("abcd");
  abcd.acknowledged(takeAll(abcd)[0] as Batch);
  const [b, c, d] = takeAll(abcd) as [Batch, Batch, Batch];
  abcd.failed(b);
  assert.equal(names(abcd.acknowledged(c)), "b");
  abcd.failed(d);
  assert.equal(names(takeAll(abcd)), "d");
});

test("what expires in flight stays in its place; what expires waiting leaves", () => {
  const lanes = lane();
  lanes.begin(batch("a", 0, 10));
  lanes.begin(batch("b", 0, 10));
  lanes.begin(batch("c", 0, 30));
  takeAll(lanes);
  assert.equal(names(lanes.expire(9)), "");
  assert.equal(names(lanes.expire(10)), "ab");
  assert.equal(names(lanes.inFlight), "a");
  assert.equal(names(lanes.batches()), "ac");
});

const steps = fc.array(fc.constantFrom("begin", "begin", "begin", "take", "take", "refuse", "lose", "drop"), { maxLength: 200 });

test("property: whatever is refused or lost, first occurrences are in order, and each batch is acknowledged or waits", () => {
  fc.assert(
    fc.property(steps, (script) => {
      const one = lane();
      const log: number[] = [];
      let acknowledged = 0;
      let begun = 0;
      // What a broker that keeps to runs has received and not handled.
      let stream: { readonly batch: Batch; readonly run: number }[] = [];
      let brokenRun = 0;
      for (const step of script) {
        for (let next = one.take(0, false); next !== undefined; next = one.take(0, false)) stream.push({ batch: next, run: one.run });
        assert.ok(one.inFlight.length <= 3);
        if (step === "begin") one.begin(batch(String(begun++)));
        const [first] = stream;
        if (step === "begin" || first === undefined) continue;
        const taken = step !== "drop" && step !== "refuse" && first.run !== brokenRun;
        if (taken) log.push(first.batch.order);
        if (step === "lose" || step === "drop") {
          // The connection broke; with "lose", the oldest was handled but its answer did not arrive.
          for (const each of stream) one.failed(each.batch);
          stream = [];
          continue;
        }
        stream.shift();
        if (taken) {
          acknowledged += 1;
          assert.deepEqual(one.acknowledged(first.batch), []);
        } else {
          brokenRun = first.run;
          one.failed(first.batch);
        }
      }
      const firsts = [...new Set(log)];
      assert.deepEqual(
        firsts,
        [...firsts].sort((a, b) => a - b),
      );
      assert.equal(acknowledged + one.batches().length, begun);
    }),
    { numRuns: 1_000 },
  );
});

test("what is rejected without certainty breaks the run: what follows begins another", () => {
  const abc = filled("abc");
  const a = abc.take(0, false) as Batch;
  abc.rejected(a, true);
  const b = abc.take(0, false) as Batch;
  assert.equal(abc.run, 1);
  abc.rejected(b, false);
  assert.equal(abc.take(0, false)?.name, "c");
  assert.equal(abc.run, 2);
});
