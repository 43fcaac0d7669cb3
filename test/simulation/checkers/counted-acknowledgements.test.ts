/** What a leader may count of what replicas acknowledge. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { replicaId } from "../../../src/base/ids.js";
import { acknowledges, entry, Scene } from "./scene.js";

const three = replicaId(3);

function breaks({ checker }: Scene, invariant: RegExp, seen: RegExp): void {
  assert.match(checker.violation?.invariant ?? "nothing", invariant);
  assert.match(checker.violation?.seen ?? "", seen);
}

const holds = ({ checker }: Scene): void => assert.equal(checker.violation?.report(), undefined);

test("an acknowledgement of an earlier term that a leader counts", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader" });
  scene.write([1, 2], entry(1, 1));
  scene.say(2, 1, acknowledges(1, 1));
  scene.look(1, { role: "leader", commit: 1, matches: { 1: 1, 2: 1 } });
  holds(scene);
  scene.look(1, { role: "leader", term: 3, commit: 1 });
  scene.write([1, 2], entry(2, 3));
  scene.look(1, { role: "leader", term: 3, commit: 2, matches: { 1: 2, 2: 1 } });
  breaks(scene, /no acknowledgement is counted in another term/, /last is 1\/1/);
});

test("a leader that counts more than was acknowledged", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader" });
  scene.write([1, 2], entry(1, 1), entry(2, 1));
  scene.say(2, 1, acknowledges(1, 1));
  scene.look(1, { role: "leader", commit: 2, matches: { 2: 2 } });
  breaks(scene, /no acknowledgement is counted/, /counts 2/);
});

test("a leader that counts what a replica acknowledged before its disk was wiped, and one that counts more than that", () => {
  const scene = new Scene();
  scene.look(1, { role: "leader" });
  scene.write([1, 2, 3], entry(1, 1));
  scene.say(2, 1, acknowledges(1, 1));
  scene.say(3, 1, acknowledges(1, 1));
  scene.checker.ends(three);
  scene.checker.forgets(three);
  scene.look(1, { role: "leader", commit: 1, matches: { 2: 1, 3: 1 } });
  scene.write([1, 2], entry(2, 1));
  scene.say(2, 1, acknowledges(2, 1));
  scene.look(1, { role: "leader", commit: 2, matches: { 2: 2, 3: 1 } });
  holds(scene);
  scene.write([1, 2], entry(3, 1));
  scene.say(2, 1, acknowledges(3, 1));
  scene.look(1, { role: "leader", commit: 3, matches: { 2: 3, 3: 2 } });
  breaks(scene, /no acknowledgement is counted in another term/, /counts 2; what it acknowledged last is 1\/1/);
});
