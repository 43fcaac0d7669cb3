import assert from "node:assert/strict";
import { test } from "node:test";
import { replicaId } from "../../../src/base/ids.js";
import { Scene } from "./scene.js";

const one = replicaId(1);

test("a replica id that comes back after its disk was lost", () => {
  const scene = new Scene();
  scene.checker.forgets(one);
  scene.begin(1, { vote: [0, null] });
  assert.match(scene.checker.violation?.report() ?? "", /a replica id is never used again/);
});

test("a replica whose removal was interrupted may begin once more, with nothing", () => {
  const scene = new Scene();
  scene.save(1, 4, 2);
  scene.checker.ends(one);
  scene.checker.removed(one);
  scene.begin(1, { vote: [0, null] });
  assert.equal(scene.checker.violation?.report(), undefined);
});
