import assert from "node:assert/strict";
import { test } from "node:test";
import { offset } from "../../../src/base/ids.js";
import type { ProgressLine } from "../../../src/base/progress-entry.js";
import { AppliedProgress } from "./applied-progress.js";
import { GroupWork, type Tenure, type WorkRules } from "./group-work.js";

const GROUP = "billing";

/** A partition of 100 records, what one group commits of it, and what its members do there. */
class Scene {
  readonly progress = new AppliedProgress();
  readonly work: GroupWork;
  trimmedBefore = 0;
  #index = 0;

  constructor(rules: Partial<WorkRules> = {}) {
    this.work = new GroupWork({ group: GROUP, commit: "after", from: "earliest", ...rules }, this.progress, () => this.trimmedBefore);
  }

  /** What was found wrong. */
  writes(line: ProgressLine): string | undefined {
    this.#index += 1;
    for (const taken of this.progress.applied(this.#index, 100, { nowMs: this.#index, lines: [line] })) {
      const problem = this.work.committed(taken);
      if (problem !== undefined) return problem.invariant;
    }
    return undefined;
  }

  claims(memberId: string, generation: number, since = 0): Tenure & { isOver: boolean } {
    this.writes({ kind: "claim", group: GROUP, generation, since });
    const tenure = { memberId, generation, isOver: false, isLost: (): boolean => tenure.isOver };
    return tenure;
  }

  commits(generation: number, at: number): string | undefined {
    return this.writes({ kind: "commit", group: GROUP, generation, offset: offset(at) });
  }

  resets(generation: number, at: number): string | undefined {
    return this.writes({ kind: "reset", group: GROUP, generation, offset: offset(at) });
  }

  begins(tenure: Tenure, at: number, attempt = 1): string | undefined {
    return this.work.begins(tenure, at, attempt)?.invariant;
  }

  /** All are handled to their end. */
  handles(tenure: Tenure, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      assert.equal(this.begins(tenure, at), undefined);
      this.work.done(tenure, at);
    }
  }
}

test("records handled in order, committed, and again by the next owner from where the commit stands, are as they should be", () => {
  const scene = new Scene();
  const a = scene.claims("a", 1);
  scene.handles(a, 0, 10);
  assert.equal(scene.commits(1, 8), undefined);
  const b = scene.claims("b", 2);
  scene.handles(b, 8, 20);
  assert.equal(scene.commits(2, 20), undefined);
  assert.equal(scene.begins(a, 10), undefined, "who does not know yet that it is fenced harms nobody");
});

test("two members in one generation are told", () => {
  const scene = new Scene();
  scene.handles(scene.claims("a", 1), 0, 2);
  assert.equal(scene.begins(scene.claims("b", 1), 2), "at most one owner per partition and generation");
});

test("work before the claim is told, and work that begins behind or before what is committed", () => {
  const scene = new Scene();
  scene.handles(scene.claims("a", 1), 0, 5);
  scene.commits(1, 5);
  const unclaimed: Tenure = { memberId: "b", generation: 2, isLost: () => false };
  assert.equal(scene.begins(unclaimed, 5), "nobody works before its claim is committed");
  assert.equal(scene.begins(scene.claims("b", 2), 6), "a new owner goes on where the group has got to");
  assert.equal(scene.begins(scene.claims("b", 3), 4), "a new owner goes on where the group has got to");
});

test("a record left out, handled twice in a row, or out of order is told; a further attempt and what was trimmed are not", () => {
  const inOrder = "a partition's records are handled in order, each once";
  for (const wrong of [0, 1, 3]) {
    const scene = new Scene();
    const a = scene.claims("a", 1);
    scene.handles(a, 0, 2);
    assert.equal(scene.begins(a, wrong), inOrder);
  }
  const scene = new Scene();
  const a = scene.claims("a", 1);
  scene.handles(a, 0, 2);
  assert.equal(scene.begins(a, 1, 2), undefined);
  scene.trimmedBefore = 50;
  assert.equal(scene.begins(a, 50), undefined);
  assert.equal(scene.begins(a, 50, 3), inOrder);
  const latest = new Scene({ from: "latest" });
  const b = latest.claims("b", 1);
  latest.handles(b, 0, 2);
  latest.trimmedBefore = 2;
  assert.equal(latest.begins(b, 80), inOrder, "its place is there");
  latest.trimmedBefore = 3;
  assert.equal(latest.begins(b, 80), undefined, "its place is gone, and it goes on at the end");
});

test("what is committed without being processed is told, unless it was trimmed or that is to come after", () => {
  const processed = "what is committed is processed";
  const scene = new Scene();
  const a = scene.claims("a", 1);
  scene.handles(a, 0, 3);
  assert.equal(scene.begins(a, 3), undefined);
  assert.equal(scene.commits(1, 3), undefined);
  assert.equal(scene.commits(1, 4), processed, "begun is not processed");
  const trimmed = new Scene();
  trimmed.claims("a", 1);
  trimmed.trimmedBefore = 4;
  assert.equal(trimmed.commits(1, 4), undefined);
  assert.equal(trimmed.commits(1, 5), processed);
  const before = new Scene({ commit: "before" });
  before.claims("a", 1);
  assert.equal(before.commits(1, 50), undefined);
  const latest = new Scene({ from: "latest" });
  latest.claims("a", 1);
  assert.equal(latest.commits(1, 50), undefined, "it begins there");
  latest.handles(latest.claims("b", 2), 50, 52);
  assert.equal(latest.commits(2, 53), processed);
});

test("after its offset was moved back, a group processes anew before it commits", () => {
  const scene = new Scene();
  scene.handles(scene.claims("a", 1), 0, 10);
  scene.commits(1, 10);
  assert.equal(scene.resets(2, 4), undefined);
  const b = scene.claims("b", 3);
  scene.handles(b, 4, 6);
  assert.equal(scene.commits(3, 6), undefined);
  assert.equal(scene.commits(3, 10), "what is committed is processed");
});

test("a member that handles a record again in one generation is told, unless it had lost the partition", () => {
  const scene = new Scene();
  const first = scene.claims("a", 1);
  scene.handles(first, 0, 5);
  const second: Tenure = { memberId: "a", generation: 1, isLost: () => false };
  assert.equal(scene.begins(second, 0), "a member that keeps a partition handles each record once");
  first.isOver = true;
  assert.equal(scene.begins(second, 0), undefined);
});

test("with commits before, no record is handled that is not committed, and none twice, unless the offset was moved or the group began anew", () => {
  const scene = new Scene({ commit: "before" });
  const a = scene.claims("a", 1);
  assert.equal(scene.begins(a, 0), "what is committed before is handled afterwards");
  scene.commits(1, 7);
  scene.handles(a, 0, 7);
  assert.equal(scene.begins(a, 7), "what is committed before is handled afterwards");
  const b = scene.claims("b", 2);
  scene.commits(2, 20);
  assert.equal(scene.begins(b, 7), undefined);
  const c = scene.claims("c", 3);
  scene.commits(3, 30);
  scene.handles(c, 20, 22);
  assert.equal(scene.begins({ ...c }, 20), "a member that keeps a partition handles each record once");
  scene.resets(4, 5);
  const d = scene.claims("d", 5);
  scene.commits(5, 10);
  assert.equal(scene.begins(d, 5), undefined);
  const e = scene.claims("e", 9, 8);
  scene.commits(9, 10);
  assert.equal(scene.begins(e, 0), undefined);
});

test("with commits before, what a former owner has begun is not handled by the next one", () => {
  const scene = new Scene({ commit: "before" });
  const a = scene.claims("a", 1);
  scene.commits(1, 4);
  const b = scene.claims("b", 2);
  scene.commits(2, 8);
  assert.equal(scene.begins(b, 4), undefined);
  assert.equal(scene.begins(a, 4), "what is committed before is handled at most once");
});
