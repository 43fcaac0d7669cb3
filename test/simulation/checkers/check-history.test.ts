/** Each anomaly of `history.ts` in a history made by hand, a correct one, and random ones that are broken in one place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkHistory, type Verdict } from "./check-history.js";
import type { AnomalyName, FinalRead, History, Poll, ReadRecord, Seek, Send, Trim } from "./history.js";
import { type HistorySketch, orderedHistory } from "./ordered-history.js";

const P = "orders/0";
const digestOf = (value: string): number => value.length * 31 + value.charCodeAt(0);
const record = (offset: number, value: string): ReadRecord => ({ offset, value, digest: digestOf(value) });
const send = (value: string, offset: number, more: Partial<Send> = {}): Send => ({
  client: "c1",
  partition: P,
  value,
  digest: digestOf(value),
  invoked: offset * 10,
  completed: offset * 10 + 5,
  acks: "quorum",
  outcome: { kind: "acknowledged", offset, term: 1 },
  ...more,
});
const poll = (records: readonly ReadRecord[], completed = 100, reader = "r1"): Poll => ({ kind: "poll", reader, partition: P, completed, records });
const final = (records: readonly ReadRecord[], logStart = 0): FinalRead => ({ partition: P, logStart, records });
const trim = (before: number, committed = 50): Trim => ({ partition: P, before, committed });

const ABC = ["a", "b", "c"];
const SENT = ABC.map((value, offset) => send(value, offset));
const WHOLE = final(ABC.map((value, offset) => record(offset, value)));

const history = (more: Partial<History> = {}): History => ({ sends: SENT, reads: [], finalReads: [WHOLE], trims: [], deleted: [], ...more });
const names = ({ counts }: Verdict): AnomalyName[] => [...counts.keys()].sort();

function finds(expected: readonly AnomalyName[], given: Partial<History>): Verdict {
  const verdict = checkHistory(history(given));
  assert.deepEqual(names(verdict), [...expected].sort());
  for (const violation of verdict.violations) assert.ok(violation.report().split("\n").length < 50, "a report is short");
  return verdict;
}

test("a history in which everything is as it should be has no anomaly", () => {
  const reads = [poll([record(0, "a"), record(1, "b")]), poll([record(2, "c")]), poll([record(1, "b")], 90, "r2")];
  const verdict = finds([], { reads });
  assert.equal(verdict.acknowledged, 3);
  assert.equal(verdict.read, 7);
});

test("lost-write: an acknowledged record is not there, and what comes after it is", () => {
  const { violations } = finds(["lost-write", "hole"], { finalReads: [final([record(0, "a"), record(2, "c")])] });
  const lost = violations.find(({ invariant }) => invariant === "lost-write");
  assert.match(lost?.report() ?? "", /"b", acknowledged, at offset 1/);
  assert.match(lost?.report() ?? "", /10 to 15 c1 sent "b"/);
});

test("lost-write: another record stands in its place", () => {
  finds(["lost-write", "inconsistent-offsets"], {
    sends: [...SENT, send("x", 3, { outcome: { kind: "unknown" } })],
    finalReads: [final([record(0, "a"), record(1, "x"), record(2, "c")])],
  });
});

test("lost-write: a record that a reader once was given counts as read past", () => {
  finds(["lost-write"], { reads: [poll([record(2, "c")])], finalReads: [final([record(0, "a"), record(1, "b")])] });
});

test("unseen: the log ends before an acknowledged record", () => {
  finds(["unseen"], { finalReads: [final([record(0, "a"), record(1, "b")])] });
});

test("inconsistent-offsets: two readers were given different values at one offset", () => {
  finds(["inconsistent-offsets", "duplicate"], { reads: [poll([record(1, "c")])] });
});

test("inconsistent-offsets: two sends were acknowledged at one offset", () => {
  finds(["inconsistent-offsets", "lost-write"], { sends: [...SENT, send("d", 2, { client: "c2" })] });
});

test("duplicate: a value stands twice", () => {
  finds(["duplicate"], { finalReads: [final([...WHOLE.records, record(3, "b")])] });
});

test("duplicate: a send that its client repeated on its own responsibility may stand twice, yet not be lost", () => {
  const sends = SENT.map((each) => ({ ...each, mayRepeat: true }));
  finds([], { sends, finalReads: [final([...WHOLE.records, record(3, "b")])] });
  finds(["lost-write", "inconsistent-offsets"], {
    sends: [...sends, send("x", 9, { outcome: { kind: "unknown" } })],
    finalReads: [final([record(0, "a"), record(1, "x"), record(2, "c"), record(3, "b")])],
  });
});

test("poll-skip and int-poll-skip: a reader is not given what lies between", () => {
  finds(["poll-skip"], { reads: [poll([record(0, "a")]), poll([record(2, "c")])] });
  finds(["int-poll-skip"], { reads: [poll([record(0, "a"), record(2, "c")])] });
  finds(["poll-skip"], { reads: [{ kind: "seek", reader: "r1", partition: P, to: 1 }, poll([record(2, "c")])] });
  finds(["poll-skip"], { reads: [{ kind: "seek", reader: "r1", partition: P, to: "earliest" }, poll([record(1, "b")])] });
});

test("poll-skip: a reader may skip what it sought past, and what was trimmed before", () => {
  finds([], { reads: [poll([record(0, "a")]), { kind: "seek", reader: "r1", partition: P, to: 2 }, poll([record(2, "c")])] });
  finds([], { reads: [{ kind: "seek", reader: "r1", partition: P, to: "latest" }, poll([record(2, "c")])] });
  const reads = [poll([record(0, "a")]), poll([record(2, "c")], 100)];
  const finalReads = [final([record(2, "c")], 2)];
  finds([], { reads, finalReads, trims: [trim(2, 50)] });
  finds(["poll-skip"], { reads, finalReads, trims: [trim(2, 101)] });
});

test("poll-skip: who goes on at the end when its place is trimmed may leap then, and not otherwise", () => {
  const begins: Seek = { kind: "seek", reader: "r1", partition: P, to: 0 };
  const leaps = { ...poll([record(2, "c")], 100), leaps: true };
  const finalReads = [final([record(1, "b"), record(2, "c")], 1)];
  finds([], { reads: [begins, leaps], finalReads, trims: [trim(1, 50)] });
  finds(["poll-skip"], { reads: [begins, { ...leaps, leaps: false }], finalReads, trims: [trim(1, 50)] });
  finds(["poll-skip"], { reads: [begins, leaps], finalReads, trims: [trim(1, 101)] });
});

test("nonmonotonic-poll and int-nonmonotonic-poll: a reader is given something again that it did not seek back to", () => {
  finds(["nonmonotonic-poll"], { reads: [poll([record(0, "a"), record(1, "b")]), poll([record(1, "b"), record(2, "c")])] });
  finds(["int-nonmonotonic-poll"], { reads: [poll([record(0, "a"), record(0, "a")])] });
  finds(["int-nonmonotonic-poll"], { finalReads: [final([record(0, "a"), record(1, "b"), record(2, "c"), record(2, "c")])] });
  finds([], { reads: [poll([record(1, "b")]), { kind: "seek", reader: "r1", partition: P, to: 0 }, poll([record(0, "a"), record(1, "b")])] });
});

test("nonmonotonic-send and int-nonmonotonic-send: what was sent later stands earlier", () => {
  const together = { invoked: 1, completed: 99 };
  const swapped = [send("b", 1, together), send("a", 0, together), send("c", 2, together)];
  finds(["nonmonotonic-send"], { sends: swapped });
  finds(["int-nonmonotonic-send"], { sends: swapped.map((each) => ({ ...each, call: 7 })) });
  finds([], { sends: swapped.map((each) => ({ ...each, client: each.value })) });
});

test("int-send-skip: a batch is one piece", () => {
  finds(["int-send-skip"], { sends: [send("a", 0, { batch: 1 }), send("b", 1, { client: "c2" }), send("c", 2, { batch: 1 })] });
  finds([], { sends: [send("a", 0, { batch: 1 }), send("b", 1, { batch: 1 }), send("c", 2, { batch: 2 })] });
});

test("aborted-read: a value was read whose send failed for certain", () => {
  const failed: Send = send("d", 3, { outcome: { kind: "failed" } });
  finds([], { sends: [...SENT, failed] });
  finds(["aborted-read"], { sends: [...SENT, failed], finalReads: [final([...WHOLE.records, record(3, "d")])] });
  finds([], { sends: [...SENT, { ...failed, outcome: { kind: "unknown" } }], finalReads: [final([...WHOLE.records, record(3, "d")])] });
});

test("invented: a value was read that nobody sent, or that was sent elsewhere", () => {
  finds(["invented"], { finalReads: [final([...WHOLE.records, record(3, "ghost")])] });
  const elsewhere = send("e", 0, { partition: "orders/1" });
  finds(["invented"], {
    sends: [...SENT, elsewhere],
    finalReads: [final([...WHOLE.records, record(3, "e")]), { partition: "orders/1", logStart: 0, records: [record(0, "e")] }],
  });
});

test("altered: a value was read with other bytes", () => {
  finds(["altered"], { reads: [poll([{ ...record(1, "b"), digest: 0 }])] });
});

test("real-time-order: an offset is not above those acknowledged before its send began", () => {
  const sends = [
    send("b", 1, { invoked: 0, completed: 10 }),
    send("a", 0, { client: "c2", invoked: 11, completed: 20 }),
    send("c", 2, { client: "c2", invoked: 0 }),
  ];
  const { violations } = finds(["real-time-order"], { sends });
  assert.match(violations[0]?.message ?? "", /"a", sent at 11, above offset 1, acknowledged at 10/);
  finds([], { sends: sends.map((each) => ({ ...each, invoked: 10 })) });
});

test("nonmonotonic-term: a later record was acknowledged in an earlier term", () => {
  finds(["nonmonotonic-term"], { sends: SENT.map((each, offset) => ({ ...each, outcome: { kind: "acknowledged", offset, term: offset === 1 ? 4 : 3 } })) });
});

test("untrimmed-start: a log's beginning may go only where a trim was committed", () => {
  const finalReads = [final([record(2, "c")], 2)];
  finds(["untrimmed-start", "lost-write"], { finalReads });
  finds(["untrimmed-start", "lost-write"], { finalReads, trims: [trim(1)] });
  finds([], { finalReads, trims: [trim(2)] });
});

test("hole: offsets are dense, also where nothing was acknowledged", () => {
  const sends = SENT.map((each): Send => (each.value === "b" ? { ...each, outcome: { kind: "unknown" } } : each));
  finds(["hole"], { sends, finalReads: [final([record(0, "a"), record(2, "c")])] });
});

test("weaker promises are judged by what they promise", () => {
  const weak = SENT.map((each) => ({ ...each, acks: "leader" as const }));
  finds([], { sends: weak, finalReads: [final([])] });
  finds(["invented"], { sends: weak, finalReads: [final([record(0, "ghost")])] });
});

test("a partition that nobody read to its end proves nothing, unless it was deleted", () => {
  assert.throws(() => checkHistory(history({ finalReads: [] })), /neither read to its end nor deleted/);
  assert.deepEqual(names(checkHistory(history({ finalReads: [], deleted: [P] }))), []);
  assert.throws(() => checkHistory(history({ sends: [...SENT, send("a", 5)] })), /not unique/);
});

test("many anomalies are counted, and a few of each are reported", () => {
  const { counts, violations } = checkHistory(history({ sends: Array.from({ length: 1_000 }, (_, at) => send(`v${at}`, at)), finalReads: [final([])] }));
  assert.equal(counts.get("unseen"), 1_000);
  assert.equal(violations.length, 3);
});

const sketches = fc.record({
  seed: fc.integer(),
  records: fc.integer({ min: 4, max: 60 }),
  clients: fc.integer({ min: 1, max: 4 }),
  readers: fc.integer({ min: 1, max: 3 }),
});

test("random correct histories have no anomaly, and one broken place in them is found", () => {
  fc.assert(
    fc.property(sketches, fc.integer({ min: 0, max: 1_000 }), (sketch: HistorySketch, at) => {
      const correct = orderedHistory(sketch);
      assert.deepEqual(names(checkHistory(correct)), []);
      for (const broken of brokenOnce(correct, at)) assert.notDeepEqual(names(checkHistory(broken)), [], "what is broken is found");
    }),
    { numRuns: 200 },
  );
});

/** The same history with one thing changed that may not be: of an acknowledged send, of a poll, and of the final read. */
function brokenOnce(correct: History, at: number): History[] {
  const [read] = correct.finalReads;
  assert.ok(read !== undefined);
  const { records } = read;
  const chosen = at % records.length;
  const without = { ...read, records: records.filter((_, each) => each !== chosen) };
  const swapped = records.map((each, place) => (place === chosen ? { ...each, value: records[(place + 1) % records.length]?.value ?? "" } : each));
  const flipped = records.map((each, place) => (place === chosen ? { ...each, digest: each.digest + 1 } : each));
  const acknowledged = correct.sends.filter(({ outcome }) => outcome.kind === "acknowledged" && outcome.offset >= read.logStart);
  const victim = acknowledged[at % acknowledged.length];
  const moved = correct.sends.map((each): Send => {
    if (each !== victim || each.outcome.kind !== "acknowledged") return each;
    return { ...each, outcome: { ...each.outcome, offset: each.outcome.offset + 1 } };
  });
  const kept = acknowledged.some(({ outcome }) => outcome.kind === "acknowledged" && outcome.offset === records[chosen]?.offset);
  return [
    // Nobody can miss the last record if its send was never answered.
    ...(kept || chosen < records.length - 1 ? [{ ...correct, finalReads: [without] }] : []),
    ...(records.length > 1 ? [{ ...correct, finalReads: [{ ...read, records: swapped }] }] : []),
    { ...correct, finalReads: [{ ...read, records: flipped }] },
    ...(victim === undefined ? [] : [{ ...correct, sends: moved }]),
    ...(victim === undefined
      ? []
      : [{ ...correct, sends: correct.sends.map((each): Send => (each === victim ? { ...each, outcome: { kind: "failed" } } : each)) }]),
  ];
}

test("hundreds of thousands of operations are judged in seconds", () => {
  const correct = orderedHistory({ seed: 1, records: 150_000, clients: 8, readers: 2 });
  const before = performance.now();
  assert.deepEqual(names(checkHistory(correct)), []);
  const tookMs = performance.now() - before;
  assert.ok(tookMs < 10_000, `took ${tookMs} ms`);
});
