import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QuireError } from "../../../src/base/errors.js";
import { Coordinators, TestMember } from "./coordinators.js";

const BROKERS = [1, 2, 3];
const MEMBERS = ["a", "b", "c", "d", "e"];

type Step =
  | { readonly do: "join" | "leave" | "cut" | "hold" | "return"; readonly who: number }
  | { readonly do: "kill" | "start" | "stop"; readonly broker: number }
  | { readonly do: "unlink" | "link"; readonly broker: number; readonly other: number }
  | { readonly do: "slow"; readonly ms: number }
  | { readonly do: "grow" | "fail" }
  | { readonly do: "wait"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom("join", "leave", "cut", "hold", "return"), who: fc.nat(MEMBERS.length - 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("kill", "start", "stop"), broker: fc.constantFrom(...BROKERS) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom("unlink", "unlink", "link"), broker: fc.constantFrom(...BROKERS), other: fc.constantFrom(...BROKERS) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("slow" as const), ms: fc.constantFrom(1, 30, 200) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("grow", "fail") }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 7, 40, 300, 2_500, 6_000) }) },
);

/** One life of a group. */
class Schedule {
  readonly cluster = new Coordinators();
  readonly members = new Map<string, TestMember>();
  partitions = 7;
  #entries = 0;

  constructor() {
    this.cluster.createTopic("orders", this.partitions);
  }

  async run(step: Step): Promise<void> {
    const { cluster } = this;
    switch (step.do) {
      case "kill":
        if (cluster.views.size > 1 && cluster.views.has(step.broker)) cluster.kill(step.broker, this.members.values());
        return;
      case "stop":
        if (cluster.views.size > 1 && cluster.views.has(step.broker)) {
          await this.#close(step.broker);
          cluster.kill(step.broker, this.members.values());
        }
        return;
      case "start":
        if (!cluster.views.has(step.broker)) cluster.start(step.broker);
        return;
      case "unlink":
      case "link":
        if (step.broker !== step.other) cluster.link(step.broker, step.other, step.do === "link");
        return;
      case "slow":
        cluster.changeMs = step.ms;
        return;
      case "grow":
        this.partitions += 1;
        cluster.growTopic("orders", 1);
        return;
      case "fail":
        cluster.failures.push(new Error("something else"));
        return;
      case "wait":
        return this.advance(step.ms);
      default:
        return this.#runMember(step.do, MEMBERS[step.who] ?? "a");
    }
  }

  /** However slow changes are: it gives up by itself. */
  async #close(broker: number): Promise<void> {
    let isClosed = false;
    const closing = this.cluster.coordinators
      .get(broker)
      ?.close()
      .then(() => {
        isClosed = true;
      });
    for (let waitedMs = 0; !isClosed && waitedMs < 10_000; waitedMs += 50) await this.advance(50);
    assert.ok(isClosed, "a broker that stops comes to its end");
    await closing;
  }

  #runMember(what: "join" | "leave" | "cut" | "hold" | "return", id: string): void {
    const member = this.members.get(id);
    if (member === undefined) {
      if (what === "join") this.#enter(id, new TestMember(this.cluster, id, { sessionTimeoutMs: 5_000 }));
    } else if (what === "leave" && member.isConnected) {
      member.leave();
      this.members.delete(id);
    } else if (what === "cut") member.cut();
    else if (what === "hold") member.holdsOn = true;
    else if (what === "return") this.#back(id, member);
  }

  /** Whoever has no stream enters again, at any broker that lives. */
  #back(id: string, member: TestMember): void {
    if (!member.isConnected) this.#enter(id, member);
    member.holdsOn = false;
    member.giveBack();
  }

  #enter(id: string, member: TestMember): void {
    this.members.set(id, member);
    // Another one each time, so that a broker that is cut off from the others is asked, too.
    const brokers = [...this.cluster.views.keys()];
    this.#entries += 1;
    try {
      member.enter(brokers[this.#entries % brokers.length]);
    } catch (error) {
      // Nobody knows who coordinates, or those who do not see each other name each other: the member tries again later.
      assert.ok(error instanceof QuireError || error instanceof RangeError, String(error));
    }
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      for (const member of this.members.values()) member.heartbeat();
      await this.cluster.clock.advance(Math.min(left, 1_000));
      this.check();
    }
  }

  /** In one generation a partition is in the hands of one member at the most, whoever was fenced and does not know it yet. */
  check(): void {
    const holders = new Map<string, string>();
    for (const { id, held } of this.members.values()) {
      for (const [set, generation] of held) {
        const key = `${set}@${generation}`;
        assert.ok(!holders.has(key), `${key} is in the hands of ${id} and of ${holders.get(key)}`);
        holders.set(key, id);
      }
    }
  }

  /** All faults end: then everything is owned once and evenly, and whoever owns something has it in hand. */
  async checkEnd(): Promise<void> {
    for (const id of BROKERS) if (!this.cluster.views.has(id)) this.cluster.start(id);
    for (const id of BROKERS) for (const other of BROKERS) if (id < other) this.cluster.link(id, other, true);
    if (this.members.size === 0) this.#enter("last", new TestMember(this.cluster, "last", { sessionTimeoutMs: 5_000 }));
    for (let round = 0; round < 12; round++) {
      for (const [id, member] of this.members) this.#back(id, member);
      await this.advance(1_500);
    }
    const sizes = [...this.members.values()].map(({ held }) => held.size);
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      this.partitions,
      `all is owned: ${sizes.join()}`,
    );
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `evenly: ${sizes.join()}`);
    const group = this.cluster.group();
    assert.deepEqual([...group.members.keys()].sort(), [...this.members.keys()].sort());
    for (const { id, held } of this.members.values()) {
      for (const [set, generation] of held) assert.deepEqual(group.owners.get(set), { memberId: id, generation });
    }
  }
}

test("whatever members and brokers do, no generation is in two hands, and in the end all is shared out", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const schedule = new Schedule();
      for (const next of steps) {
        await schedule.run(next);
        schedule.check();
      }
      await schedule.checkEnd();
    }),
    { numRuns: 60 },
  );
});
