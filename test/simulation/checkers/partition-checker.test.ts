/** Each invariant of one partition: a history made by hand that breaks it, and what is like it and allowed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryKind } from "../../../src/base/entry-kind.js";
import { logIndex, offset, replicaId, term } from "../../../src/base/ids.js";
import { acknowledges, at, configuration, entry, quorumSet, Scene } from "./scene.js";

const one = replicaId(1);
const two = replicaId(2);
const three = replicaId(3);

function breaks({ checker }: Scene, invariant: RegExp, seen?: RegExp): void {
  assert.match(checker.violation?.invariant ?? "nothing", invariant);
  if (seen !== undefined) assert.match(checker.violation?.seen ?? "", seen);
  assert.ok((checker.violation?.report().split("\n").length ?? 0) < 50, "a report is short");
}

const holds = ({ checker }: Scene): void => assert.equal(checker.violation?.report(), undefined);

test("a leader that commits, is followed and is replaced breaks nothing", () => {
  const scene = Scene.led(3);
  scene.look(2, { commit: 3 });
  scene.write([3], entry(1, 1), entry(2, 1));
  scene.look(2, { role: "leader", term: 2, commit: 3 });
  scene.write([2, 3].slice(0, 1), entry(4, 2, { kind: EntryKind.noOp, endOffset: 3 }));
  scene.write([3], entry(3, 1), entry(4, 2, { kind: EntryKind.noOp, endOffset: 3 }));
  scene.look(2, { role: "leader", term: 2, commit: 4, highWatermark: 3, serving: true });
  scene.look(1, { term: 2, commit: 3 });
  scene.checker.acknowledged({ baseOffset: offset(2), term: term(1), bodyCrc32: entry(3, 1).bodyCrc32 });
  holds(scene);
  assert.deepEqual(scene.checker.committed, at(4, 2));
  assert.equal(scene.checker.elections, 2);
});

test("two leaders of one term, at once or one after the other", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader", term: 5 });
  scene.look(1, { term: 6 });
  holds(scene);
  scene.look(2, { role: "leader", term: 5 });
  breaks(scene, /at most one leader per term/, /replica 2, life 1, leads it too/);
});

test("a leader that begins anew and leads its former term", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader", term: 5 });
  scene.checker.ends(one);
  scene.begin(1);
  scene.look(1, { role: "leader", term: 5 });
  breaks(scene, /at most one leader per term/, /life 2/);
});

test("a leader that truncates its log, or has it replaced by a snapshot", () => {
  const truncating = Scene.led(1);
  truncating.append(1, entry(2, 1));
  truncating.checker.truncated(one, logIndex(2), true);
  breaks(truncating, /leader append-only/);
  const replaced = Scene.led(2);
  replaced.checker.reset(one, at(2, 1), true);
  breaks(replaced, /leader append-only/);
});

test("same index and term with other bytes", () => {
  const scene = new Scene();
  scene.append(1, entry(1, 1));
  scene.append(2, entry(1, 1, { digest: 7 }));
  breaks(scene, /log matching/, /replica 2 appends it with bytes 7/);
});

test("same index and term after another log", () => {
  const scene = new Scene();
  scene.append(1, entry(1, 1), entry(2, 3));
  scene.append(2, entry(1, 2), entry(2, 3));
  breaks(scene, /log matching/, /after another log/);
});

test("a log with a gap, and one that nobody wrote", () => {
  const gap = new Scene();
  gap.append(1, entry(2, 1));
  breaks(gap, /a log has no gap/);
  const invented = new Scene();
  invented.begin(1, { last: 2, terms: [[1, 9]] });
  breaks(invented, /a log holds what was appended to it/, /finds entry 2\/9/);
});

test("an elected leader that lacks a committed entry", () => {
  const scene = Scene.led(3);
  scene.write([3], entry(1, 1), entry(2, 1));
  scene.look(3, { role: "leader", term: 2 });
  breaks(scene, /every elected leader has every committed entry/, /its log ends at 2\/1/);
});

test("an elected leader may lack what is committed in later terms than its own", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader", term: 4 });
  scene.write([1, 2], entry(1, 4));
  scene.look(1, { role: "leader", term: 4, commit: 1 });
  scene.look(3, { role: "leader", term: 3 });
  holds(scene);
});

test("an elected leader whose log begins after what is committed has it in its snapshot", () => {
  const scene = Scene.led(3, { cutPolicy: "state" });
  scene.checker.reset(three, at(3, 1), false);
  scene.look(3, { role: "leader", term: 2, commit: 3 });
  holds(scene);
});

test("a replica that commits another entry than was committed", () => {
  const scene = Scene.led(2);
  scene.write([3], entry(1, 1), entry(2, 2));
  scene.look(3, { term: 2, commit: 2 });
  breaks(scene, /committed prefixes never differ/, /replica 3 commits 2\/2/);
});

test("a replica that commits further along another log", () => {
  const scene = Scene.led(2);
  scene.write([3], entry(1, 1), entry(2, 2), entry(3, 2));
  scene.look(3, { term: 2, commit: 3 });
  breaks(scene, /committed prefixes never differ/, /with term 2 at 2/);
});

test("a commit beyond the log, and more applied than committed", () => {
  const beyond = Scene.led(1);
  beyond.look(2, { commit: 2 });
  breaks(beyond, /only entries of a log are committed/);
  const applied = Scene.led(1);
  applied.look(2, { applied: 1 });
  breaks(applied, /only what is committed is applied/);
});

test("a commit that fewer than W disks hold: memory does not count", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader" });
  scene.write([1], entry(1, 1));
  scene.append(2, entry(1, 1));
  scene.append(3, entry(1, 1));
  scene.look(1, { role: "leader", commit: 1 });
  breaks(scene, /at commit W disks hold the entry/, /it is on 1/);
});

test("a commit in a joint configuration needs the disks of both sides", () => {
  const joint = { ...configuration([1, 2], 2, 1), incoming: quorumSet([2, 3], 2, 1) };
  const scene = new Scene();
  scene.look(1, { role: "leader", configuration: joint });
  scene.write([1, 2], entry(1, 1));
  scene.look(1, { role: "leader", commit: 1, configuration: joint });
  breaks(scene, /at commit W disks hold the entry/, /it is on 2 and 1/);
  const both = new Scene();
  both.look(1, { role: "leader", configuration: joint });
  both.write([1, 2, 3], entry(1, 1));
  both.look(1, { role: "leader", commit: 1, configuration: joint });
  holds(both);
});

test("a disk that was damaged after it had acknowledged may be counted once more; a topic with deferred fsync counts no disks", () => {
  const damaged = new Scene();
  damaged.look(1, { role: "leader" });
  damaged.write([1, 2], entry(1, 1));
  damaged.checker.ends(two);
  damaged.begin(2, { isInDoubt: true });
  damaged.look(1, { role: "leader", commit: 1 });
  holds(damaged);
  const deferred = new Scene({ isSyncDeferred: true });
  deferred.look(1, { role: "leader" });
  deferred.append(1, entry(1, 1));
  deferred.look(1, { role: "leader", commit: 1 });
  holds(deferred);
});

test("a term that goes back on disk, a vote that changes, also across a restart", () => {
  const back = new Scene();
  back.save(1, 4, null);
  back.save(1, 4, 2);
  holds(back);
  back.save(1, 3, null);
  breaks(back, /term and vote never go back/, /replica 1 has term 3/);
  const changed = new Scene();
  changed.save(1, 4, 2);
  changed.save(1, 4, 3);
  breaks(changed, /term and vote never go back/, /vote 3/);
  const forgotten = new Scene();
  forgotten.save(1, 4, 2);
  forgotten.checker.ends(one);
  forgotten.begin(1, { vote: [4, null] });
  breaks(forgotten, /term and vote never go back/, /vote null/);
});

test("a vote that is told before it is on disk", () => {
  const granted = { kind: "vote-reply", term: term(2), granted: true } as const;
  const asks = { kind: "vote", term: term(2), last: at(0, 0), transfer: false } as const;
  const scene = new Scene();
  scene.save(2, 2, 1);
  scene.say(2, 1, granted);
  scene.save(1, 2, 1);
  scene.say(1, 2, asks);
  holds(scene);
  scene.say(2, 3, granted);
  breaks(scene, /a vote is on disk before it is told/, /its vote for 1 in term 2/);
  const candidate = new Scene();
  candidate.save(1, 2, null);
  candidate.say(1, 2, asks);
  breaks(candidate, /a vote is on disk before it is told/);
});

test("an entry, or a term, that is acknowledged before it is on disk", () => {
  const early = new Scene();
  early.append(2, entry(1, 1));
  early.say(2, 1, acknowledges(1, 1));
  breaks(early, /an entry is on disk before it is acknowledged/);
  const termless = new Scene();
  termless.save(2, 1, null);
  termless.write([2], entry(1, 2));
  termless.say(2, 1, acknowledges(1, 2));
  breaks(termless, /a term is on disk before an entry of it is acknowledged/);
});

for (const [what, before, after] of [
  ["term", { term: 3 }, { term: 2 }],
  ["commit index", { commit: 2 }, { commit: 1, applied: 1 }],
  ["applied index", { commit: 2, applied: 2 }, { commit: 2, applied: 1 }],
  ["high watermark", { commit: 2, applied: 0, highWatermark: 2 }, { commit: 2, applied: 0, highWatermark: 1 }],
] as const) {
  test(`a ${what} that goes back`, () => {
    const scene = Scene.led(2);
    scene.look(2, before);
    holds(scene);
    scene.look(2, after);
    breaks(scene, /never go back/, /replica 2/);
  });
}

test("a term in force below the one on disk after a restart", () => {
  const scene = new Scene();
  scene.save(1, 4, null);
  scene.checker.ends(one);
  scene.begin(1);
  scene.look(1, { term: 3 });
  breaks(scene, /never go back/, /shows 3/);
});

test("a new leader that serves below a high watermark that was shown", () => {
  const scene = Scene.led(2);
  scene.look(2, { role: "leader", term: 2, commit: 2, applied: 1 });
  holds(scene);
  scene.look(2, { role: "leader", term: 2, commit: 2, applied: 1, serving: true });
  breaks(scene, /never go back/, /serves term 2 to 1/);
});

test("a high watermark that is not where the records end", () => {
  const scene = Scene.led(2);
  scene.look(2, { commit: 2, highWatermark: 3 });
  breaks(scene, /the high watermark is just past the last committed record/, /shows 3/);
});

test("a replica that serves and does not lead", () => {
  const scene = new Scene();
  scene.look(1, { serving: true });
  breaks(scene, /only a leader serves/);
});

test("a truncation below what the replica knows to be committed, or of a committed entry that it does not know of", () => {
  const known = Scene.led(2);
  known.look(2, { commit: 2 });
  known.checker.truncated(two, logIndex(2), false);
  breaks(known, /nothing below a known commit is truncated/);
  const unknown = Scene.led(2);
  unknown.checker.truncated(two, logIndex(2), false);
  breaks(unknown, /nothing below a known commit is truncated/, /from 2/);
  const dropped = Scene.led(3, { cutPolicy: "state" });
  dropped.checker.reset(three, at(3, 1), false);
  dropped.append(3, entry(4, 1));
  dropped.checker.truncated(three, logIndex(2), false);
  breaks(dropped, /nothing below a known commit is truncated/, /from 2/);
  const conflict = Scene.led(2);
  conflict.append(3, entry(1, 1), entry(2, 0));
  conflict.checker.truncated(three, logIndex(2), false);
  conflict.append(3, entry(2, 1));
  holds(conflict);
});

test("a log that lost what was synced and does not say so", () => {
  const scene = Scene.led(2);
  scene.checker.ends(two);
  scene.begin(2, { last: 1, terms: [[1, 1]] });
  breaks(scene, /damage is not absence/, /finds a log to 1\/1/);
  const honest = Scene.led(2);
  honest.checker.ends(two);
  honest.begin(2, { last: 1, terms: [[1, 1]], isInDoubt: true });
  holds(honest);
  const unsynced = Scene.led(2);
  unsynced.append(2, entry(3, 1));
  unsynced.checker.ends(two);
  unsynced.begin(2, { last: 2, terms: [[1, 1]] });
  holds(unsynced);
});

test("a log whose beginning goes without a trim, or before it is applied, or on no disk", () => {
  const untrimmed = Scene.led(3);
  untrimmed.look(2, { commit: 3 });
  untrimmed.checker.cut(two, at(2, 1));
  breaks(untrimmed, /only what was trimmed is dropped/, /offsets below 2/);
  const early = Scene.led(3, { cutPolicy: "state" });
  early.look(2, { commit: 1 });
  early.checker.cut(two, at(2, 1));
  breaks(early, /only what was applied is dropped/);
  const elsewhere = Scene.led(3, { cutPolicy: "state" });
  elsewhere.checker.cut(two, at(2, 5));
  breaks(elsewhere, /a log is cut where it has an entry/, /through 2\/5/);
  const unsynced = Scene.led(3, { cutPolicy: "state" });
  unsynced.append(3, entry(1, 1));
  unsynced.checker.cut(three, at(1, 1));
  breaks(unsynced, /only what is on disk is dropped/);
});

test("a log whose beginning was trimmed may go", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader" });
  scene.write([1, 2], entry(1, 1), entry(2, 1), entry(3, 1, { kind: EntryKind.trim, trimsBefore: 2, endOffset: 2 }));
  scene.look(1, { role: "leader", commit: 3, highWatermark: 2 });
  scene.checker.cut(one, at(2, 1));
  holds(scene);
});

test("a log start that no snapshot reaches", () => {
  const cut = Scene.led(3, { cutPolicy: "state" });
  cut.look(2, { commit: 3 });
  cut.checker.keeps(two, [logIndex(1)]);
  cut.checker.cut(two, at(2, 1));
  breaks(cut, /no gap between snapshot and log start/, /replica 2 has 1/);
  const kept = Scene.led(3, { cutPolicy: "state" });
  kept.look(2, { commit: 3 });
  kept.checker.keeps(two, [logIndex(1), logIndex(2)]);
  kept.checker.cut(two, at(2, 1));
  holds(kept);
});

test("a snapshot that is not of what is committed, or goes back", () => {
  const other = Scene.led(3, { cutPolicy: "state" });
  other.checker.reset(three, at(3, 2), false);
  breaks(other, /a snapshot holds what is committed/);
  const back = Scene.led(3, { cutPolicy: "state" });
  back.look(2, { commit: 3 });
  back.checker.reset(two, at(2, 1), false);
  breaks(back, /nothing below a known commit is truncated/);
  const unsaved = Scene.led(3, { cutPolicy: "state" });
  unsaved.checker.keeps(three, [logIndex(0)]);
  unsaved.checker.reset(three, at(3, 1), false);
  breaks(unsaved, /no gap between snapshot and log start/);
});

test("an acknowledgement of what is not committed, of other bytes, of another term", () => {
  const early = Scene.led(1);
  early.append(1, entry(2, 1));
  early.checker.acknowledged({ baseOffset: offset(1), term: term(1) });
  breaks(early, /what is acknowledged is committed/, /no committed batch begins there/);
  const bytes = Scene.led(1);
  bytes.checker.acknowledged({ baseOffset: offset(0), term: term(1), bodyCrc32: 5 });
  breaks(bytes, /what is acknowledged is committed/);
  const terms = Scene.led(1);
  terms.checker.acknowledged({ baseOffset: offset(0), term: term(2) });
  breaks(terms, /what is acknowledged is committed/);
});

test("a new leader that serves without what was acknowledged", () => {
  const scene = Scene.led(1);
  scene.write([1, 2], entry(2, 1));
  scene.look(1, { role: "leader", commit: 2, applied: 1, serving: true });
  scene.checker.acknowledged({ baseOffset: offset(1), term: term(1) });
  scene.look(2, { role: "leader", term: 2, commit: 2, applied: 1, serving: true });
  breaks(scene, /every acknowledgement is in the newest leader's log/, /serves term 2 to 1/);
});
