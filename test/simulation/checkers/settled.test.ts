/** What must hold at the end: agreement, byte for byte, with everything that was ever acknowledged. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryKind } from "../../../src/base/entry-kind.js";
import { logIndex, offset, replicaId, term } from "../../../src/base/ids.js";
import type { FinalReplica } from "./observations.js";
import { at, configuration, entry, quorumSet, resting, Scene } from "./scene.js";

const ENTRIES = [entry(1, 1), entry(2, 1), entry(3, 1)];
const leader = (sketch: Parameters<typeof resting>[2] = {}): FinalReplica => resting(1, ENTRIES, { role: "leader", serving: true, ...sketch });
const agreed = (): FinalReplica[] => [leader(), resting(2, ENTRIES), resting(3, ENTRIES)];

function concluded(replicas: readonly FinalReplica[], openRequests: readonly string[] = []): string {
  const { checker } = Scene.led(3);
  checker.acknowledged({ baseOffset: offset(2), term: term(1) });
  checker.concludes(replicas, openRequests);
  return checker.violation?.message ?? "";
}

test("a replica set in which all agree concludes", () => {
  assert.equal(concluded(agreed()), "");
});

test("no leader, a leader that does not serve, one that cannot commit", () => {
  assert.match(concluded(agreed().slice(1)), /no leader serves/);
  assert.match(concluded([leader({ serving: false }), ...agreed().slice(1)]), /no leader serves/);
  assert.match(concluded([leader({ commit: 2 }), ...agreed().slice(1)]), /has entries to 3 and committed 2/);
});

test("a former leader that still believes in itself does not count", () => {
  const newer = resting(2, ENTRIES, { role: "leader", serving: true, term: 7 });
  assert.equal(concluded([leader(), newer, resting(3, ENTRIES)]), "");
});

test("a reconfiguration that is stuck", () => {
  const joint = { ...configuration(), incoming: quorumSet([1, 2], 2, 1) };
  assert.match(concluded([leader({ configuration: joint }), ...agreed().slice(1)]), /the reconfiguration to 1, 2 is stuck/);
});

test("a member that is gone, stopped, in doubt or behind", () => {
  assert.match(concluded(agreed().slice(0, 2)), /replica 3 is gone/);
  assert.match(concluded([...agreed().slice(0, 2), resting(3, ENTRIES, { failure: new Error("EIO") })]), /replica 3 stopped: EIO/);
  assert.match(concluded([...agreed().slice(0, 2), resting(3, ENTRIES, { isInDoubt: true })]), /replica 3 is still in doubt/);
  assert.match(concluded([...agreed().slice(0, 2), resting(3, ENTRIES.slice(0, 2))]), /replica 3 has entries to 2/);
});

test("a request without an answer", () => {
  assert.match(concluded(agreed(), ["produce 17"]), /1 open: produce 17/);
});

test("two replicas with different bytes", () => {
  const rotten = [...ENTRIES.slice(0, 2), entry(3, 1, { digest: 1 })];
  assert.match(concluded([leader(), resting(2, ENTRIES), resting(3, rotten)]), /replicas are byte-identical[\s\S]*replica 3 has entry 3\/1 with bytes 1/);
});

test("bytes that changed alike everywhere", () => {
  const rotten = [...ENTRIES.slice(0, 2), entry(3, 1, { digest: 1 })];
  assert.match(
    concluded([resting(1, rotten, { role: "leader", serving: true }), resting(2, rotten), resting(3, rotten)]),
    /a log holds what was appended to it/,
  );
});

test("an acknowledgement that the leader lacks", () => {
  const short = ENTRIES.slice(0, 2);
  assert.match(
    concluded([resting(1, short, { role: "leader", serving: true }), resting(2, short), resting(3, short)]),
    /every acknowledgement is in the newest leader's log/,
  );
});

test("a log that rests where no snapshot stands: a follower further behind gets nothing", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader" });
  scene.write([1, 2], entry(1, 1), entry(2, 1), entry(3, 1, { kind: EntryKind.trim, trimsBefore: 2, endOffset: 2 }));
  scene.look(1, { role: "leader", commit: 3, highWatermark: 2, serving: true });
  scene.checker.keeps(replicaId(1), [logIndex(2)]);
  scene.checker.cut(replicaId(1), at(2, 1));
  const leader = resting(1, [entry(3, 1, { kind: EntryKind.trim, trimsBefore: 2, endOffset: 2 })], {
    role: "leader",
    serving: true,
    configuration: configuration([1], 1, 1),
  });
  scene.checker.concludes([leader], []);
  const seen = (): string => scene.checker.violation?.message ?? "none";
  assert.equal(seen(), "none");
  scene.checker.keeps(replicaId(1), [logIndex(3)]);
  scene.checker.concludes([leader], []);
  assert.match(seen(), /a snapshot stands where the log begins[\s\S]*replica 1 has 3/);
});
