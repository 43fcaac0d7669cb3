import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ReplicaSetId, replicaSetId } from "../../../src/base/ids.js";
import { type AssignmentInput, assign, type Sliced, type Target } from "../../../src/broker/groups/assignment.js";
import { assignmentInput, matcher } from "../../../src/broker/groups/assignment-input.js";
import type { AssignmentStrategy } from "../../../src/cluster/group-info.js";

function finish<T>(sliced: Sliced<T>): T {
  for (;;) {
    const step = sliced.next();
    if (step.done === true) return step.value;
  }
}

/** Topics with so many partitions each; ids count on from 1. */
function topicsOf(...sizes: number[]): ReplicaSetId[][] {
  let next = 1;
  return sizes.map((size) => Array.from({ length: size }, () => replicaSetId(next++)));
}

interface Case {
  readonly topics: readonly (readonly ReplicaSetId[])[];
  /** Per member the places of its topics. */
  readonly wants: ReadonlyMap<string, readonly number[]>;
}

function share(strategy: AssignmentStrategy, { topics, wants }: Case, before: Target = new Map()): Target {
  const classes = new Map<string, { members: string[]; topics: readonly number[] }>();
  for (const [id, places] of [...wants].sort()) {
    const found = classes.get(places.join());
    if (found === undefined) classes.set(places.join(), { members: [id], topics: places });
    else found.members.push(id);
  }
  const input: AssignmentInput = { classes: [...classes.values()], topics, order: (id) => id, owner: (id) => before.get(id) };
  return finish(assign(strategy, input));
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${String(i).padStart(5, "0")}`);
const all = (count: number, topics: number): Map<string, number[]> => new Map(names(count).map((id) => [id, Array.from({ length: topics }, (_, i) => i)]));
const moves = (before: Target, after: Target): number => [...before].filter(([id, owner]) => after.get(id) !== owner).length;
function loadsOf(target: Target, wants: ReadonlyMap<string, unknown>): Map<string, number> {
  const loads = new Map([...wants.keys()].map((id) => [id, 0]));
  for (const owner of target.values()) loads.set(owner, (loads.get(owner) ?? 0) + 1);
  return loads;
}
const spread = (loads: Iterable<number>): number => Math.max(...loads) - Math.min(...loads);

const strategies = ["range", "uniform", "sticky"] as const;
const cases = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
    fc.array(fc.array(fc.nat(3), { maxLength: 4 }), { minLength: 1, maxLength: 9 }),
  )
  .map(([sizes, lists]): Case => {
    const wants = new Map(lists.map((list, i) => [`m${i}`, [...new Set(list)].filter((place) => place < sizes.length).sort()]));
    return { topics: topicsOf(...sizes), wants };
  });

for (const strategy of strategies) {
  test(`${strategy}: each partition that somebody wants has one who wants it, and what was reached stays`, () => {
    fc.assert(
      fc.property(cases, cases, (now, former) => {
        const before = share(strategy, former);
        const target = share(strategy, now, before);
        now.topics.forEach((partitions, topic) => {
          const takers = [...now.wants].filter(([, wanted]) => wanted.includes(topic)).map(([id]) => id);
          for (const id of partitions) {
            const owner = target.get(id);
            if (takers.length === 0) assert.equal(owner, undefined);
            else assert.ok(owner !== undefined && takers.includes(owner), `partition ${id} of topic ${topic} is ${owner}'s, not of ${takers.join()}`);
          }
        });
        assert.equal(moves(target, share(strategy, now, target)), 0, "nothing moves when nothing changed");
      }),
      { numRuns: 300 },
    );
  });
}

test("uniform: who wants the same has the same, give or take one, whatever there was before", () => {
  fc.assert(
    fc.property(cases, cases, (now, former) => {
      const loads = loadsOf(share("uniform", now, share("range", former)), now.wants);
      for (const [id, places] of now.wants) {
        const equals = [...now.wants].filter(([, other]) => other.join() === places.join()).map(([other]) => loads.get(other) ?? 0);
        assert.ok(spread(equals) <= 1, `${id} and its equals have ${equals.join()}`);
      }
    }),
    { numRuns: 500 },
  );
});

test("uniform: with equal subscriptions no other even target moves fewer partitions", () => {
  const owners = fc.tuple(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat(9), { minLength: 1, maxLength: 40 }));
  fc.assert(
    fc.property(owners, ([members, had]) => {
      const now: Case = { topics: topicsOf(had.length), wants: all(members, 1) };
      const before: Target = new Map(had.map((owner, i) => [replicaSetId(i + 1), names(10)[owner] as string]));
      const target = share("uniform", now, before);
      const kept = loadsOf(new Map([...before].filter(([, owner]) => now.wants.has(owner))), now.wants);
      const floor = Math.floor(had.length / members);
      const sorted = [...kept.values()].sort((a, b) => b - a);
      const keepable = sorted.reduce((sum, load, i) => sum + Math.min(load, floor + (i < had.length % members ? 1 : 0)), 0);
      assert.equal(had.length - moves(before, target), keepable);
    }),
    { numRuns: 500 },
  );
});

test("uniform: who joins takes its share and no more, and who stays keeps what it has when another leaves", () => {
  const before = share("uniform", { topics: topicsOf(1_000), wants: all(100, 1) });
  const joined = share("uniform", { topics: topicsOf(1_000), wants: all(101, 1) }, before);
  assert.equal(moves(before, joined), 9, "1,000 of 101 is 9 and a bit");
  const wants = all(101, 1);
  wants.delete("m00050");
  const left = share("uniform", { topics: topicsOf(1_000), wants }, joined);
  assert.equal(moves(joined, left), [...joined.values()].filter((owner) => owner === "m00050").length);
});

test("sticky: nothing moves until somebody has more than one and a half times its share", () => {
  const two = share("sticky", { topics: topicsOf(10), wants: all(2, 1) });
  const three = share("sticky", { topics: topicsOf(10), wants: all(3, 1) }, two);
  assert.equal(moves(two, three), 0);
  const four = share("sticky", { topics: topicsOf(10), wants: all(4, 1) }, three);
  assert.deepEqual([...loadsOf(four, all(4, 1)).values()].sort(), [2, 2, 3, 3]);
});

test("range: runs of neighbours, and equal numbers of two topics meet in one member", () => {
  const topics = topicsOf(7, 7);
  const target = share("range", { topics, wants: all(3, 2) });
  for (const partitions of topics) assert.deepEqual(partitions.map((id) => Number(target.get(id)?.slice(1))), [0, 0, 0, 1, 1, 2, 2]); // biome-ignore format: short
});

for (const [members, partitions] of [
  [1_000, 1_000],
  [10_000, 10_000],
] as const) {
  test(`${members} members and ${partitions} partitions: a target takes little`, () => {
    for (const strategy of strategies) {
      const now: Case = { topics: topicsOf(partitions), wants: all(members, 1) };
      const before = share(strategy, { ...now, wants: all(members / 2, 1) });
      const input: AssignmentInput = {
        classes: [{ members: names(members), topics: [0] }],
        topics: now.topics,
        order: (id) => id,
        owner: (id) => before.get(id),
      };
      const began = performance.now();
      const target = finish(assign(strategy, input));
      const tookMs = performance.now() - began;
      assert.equal(target.size, partitions);
      assert.ok(tookMs < 1_000, `${strategy} took ${tookMs} ms`);
      if (strategy === "uniform") assert.equal(moves(before, target), partitions / 2);
      if (process.env["SHOW_TIMES"] !== undefined) console.log(strategy, members, tookMs);
    }
  });
}

test("members' subscriptions become classes, by name and by pattern", () => {
  const topic = (name: string, ids: number[]) => ({ name, assignments: ids.map((id) => ({ replicaSetId: replicaSetId(id) })) });
  const topics = [topic("audit", [1]), topic("orders.eu", [2, 3]), topic("orders.us", [4])];
  const member = (memberId: string, rest: object) => ({ memberId, instanceId: "", clientId: "", sessionTimeoutMs: 1, topics: [], pattern: "", ...rest });
  const members = [member("b", { topics: ["orders.eu", "none"] }), member("c", { pattern: "orders.*" }), member("a", { topics: ["orders.eu", "none"] })];
  const input = finish(assignmentInput(members, topics as never, () => undefined));
  assert.deepEqual(input.classes, [
    { members: ["a", "b"], topics: [1] },
    { members: ["c"], topics: [1, 2] },
  ]);
  assert.deepEqual(input.topics, [[1], [2, 3], [4]]);
});

test("a star stands for any characters, and no pattern takes long", () => {
  const matching = ["*", "orders", "orders*", "*orders", "o*s", "*rd*", "or*e*s", "o*r*d*e*r*s*"];
  for (const pattern of matching) assert.ok(matcher(pattern)("orders"), pattern);
  for (const pattern of ["", "order", "*x*", "orders.*", "o*o*s", "*rs*rs", "rders*"]) assert.ok(!matcher(pattern)("orders"), pattern);
  assert.ok(!matcher("aa*a")("aa"), "ends may not overlap");
  assert.ok(!matcher(`${"*a".repeat(100)}b`)("a".repeat(249)));
});
