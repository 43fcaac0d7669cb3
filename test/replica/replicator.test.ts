import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../src/base/errors.js";
import { logIndex, nodeId, replicaId, term } from "../../src/base/ids.js";
import type { Effect, Event, LogPosition, Message } from "../../src/consensus/types.js";
import { ReplicationBudget } from "../../src/replica/replication-budget.js";
import { Replicator } from "../../src/replica/replicator.js";
import { EntryKind, type Payload } from "../../src/replica/types.js";
import type { Frame } from "../../src/storage/log.js";
import type { Snapshot } from "../../src/storage/replica-store.js";
import { settle } from "../support/fake-clock.js";
import { frames } from "../support/frames.js";

const to = { replicaId: replicaId(2), nodeId: nodeId(2) };
const at = (index: number, inTerm = 1): LogPosition => ({ index: logIndex(index), term: term(inTerm) });
const replicateFrom = (previous: number, through: number, onNode = 2): Extract<Effect<Payload>, { kind: "replicate" }> => ({
  kind: "replicate",
  to: { ...to, nodeId: nodeId(onNode) },
  term: term(1),
  previous: at(previous),
  through: logIndex(through),
  commit: logIndex(0),
  round: 0,
});

/** A leader of term 1 whose log begins after `start` and must be read from disk, when the test says so. */
class Fixture {
  readonly sent: Message<Payload>[] = [];
  readonly events: Event<Payload>[] = [];
  readonly failures: Error[] = [];
  logStart = at(0);
  leads = true;
  hasRoom = true;
  takesRecords = true;
  read: Promise<Frame[]> = Promise.resolve([]);
  cached: Frame[] | undefined;
  snapshot: Snapshot | undefined;
  /** As the core has it. */
  inflightBytes = 0;
  readonly budget: ReplicationBudget;
  readonly replicator: Replicator;

  constructor(budget = new ReplicationBudget(4 * 1024 * 1024)) {
    this.budget = budget;
    this.replicator = new Replicator({
      log: this.#log(),
      budget,
      inflightBytes: () => this.inflightBytes,
      leads: () => this.leads,
      send: (_, message) => this.sent.push(message) > 0,
      peers: { queuedBytes: () => (this.hasRoom ? 0 : Number.POSITIVE_INFINITY), takesRecords: () => this.takesRecords },
      snapshotFor: async () => this.snapshot,
      step: (event) => this.events.push(event),
      failed: (error) => this.failures.push(error),
    });
  }

  /** Whether the core was told that nothing left, so that it will ask again. */
  get saidNothing(): boolean {
    const [event] = this.events;
    return this.sent.length === 0 && this.events.length === 1 && event?.kind === "replicated" && event.through === undefined;
  }

  #log(): ConstructorParameters<typeof Replicator>[0]["log"] {
    const fixture = this;
    return {
      get logStart() {
        return fixture.logStart;
      },
      readCached: (from) => {
        if (from <= fixture.logStart.index) throw new QuireError("OFFSET_OUT_OF_RANGE", "dropped");
        return fixture.cached;
      },
      read: () => fixture.read,
    };
  }
}

test("entries that the log dropped a moment ago, of which the core has not heard, are not asked of it", () => {
  const fixture = new Fixture();
  fixture.logStart = at(5);
  fixture.replicator.replicate(replicateFrom(3, 9));
  assert.ok(fixture.saidNothing);
  assert.deepEqual(fixture.failures, []);
});

test("what was read after leadership was lost is never sent in the term that is over", async () => {
  const fixture = new Fixture();
  fixture.read = Promise.resolve(frames(4, 6));
  fixture.replicator.replicate(replicateFrom(3, 6));
  fixture.leads = false;
  await settle();
  assert.ok(fixture.saidNothing);
});

test("a snapshot found after leadership was lost is not sent", async () => {
  const fixture = new Fixture();
  const configuration = { voters: [], learners: [], w: 1, r: 1 };
  fixture.snapshot = { ...at(3), configuration, nextOffset: 3 as Snapshot["nextOffset"], state: Buffer.alloc(0) };
  fixture.replicator.sendSnapshot(to, term(1));
  fixture.leads = false;
  await settle();
  assert.deepEqual(fixture.sent, []);
  assert.deepEqual(fixture.events, [{ kind: "snapshot-sent", to: to.replicaId, term: term(1) }]);
});

test("a follower whose disk is full gets what stands before the next records, and no records", async () => {
  const fixture = new Fixture();
  fixture.takesRecords = false;
  const [first, second, third] = frames(4, 6, { bodyBytes: 10 });
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  fixture.read = Promise.resolve([{ ...first, kind: EntryKind.noOp }, second, third]);
  fixture.replicator.replicate(replicateFrom(3, 9));
  await settle();
  assert.deepEqual(
    fixture.sent.map((message) => message.kind === "append" && message.entries.map((entry) => entry.index)),
    [[4]],
  );
  const other = new Fixture();
  other.takesRecords = false;
  other.read = Promise.resolve([second, third]);
  other.replicator.replicate(replicateFrom(4, 9));
  await settle();
  assert.ok(other.saidNothing);
});

test("frames from the disk are sent as entries, and the core is told through where", async () => {
  const fixture = new Fixture();
  fixture.read = Promise.resolve(frames(4, 6, { bodyBytes: 10 }));
  fixture.replicator.replicate(replicateFrom(3, 9));
  await settle();
  const [message] = fixture.sent;
  assert.ok(message?.kind === "append");
  assert.deepEqual(
    message.entries.map((entry) => entry.index),
    [4, 5, 6],
  );
  assert.deepEqual(fixture.events, [{ kind: "replicated", to: to.replicaId, term: term(1), through: 6, bytes: 30 }]);
});

test("a link without room gets nothing", () => {
  const fixture = new Fixture();
  fixture.hasRoom = false;
  fixture.replicator.replicate(replicateFrom(3, 6));
  assert.ok(fixture.saidNothing);
});

test("what cannot be read stops the replica only while it is part of the log", async () => {
  const fixture = new Fixture();
  fixture.read = Promise.reject(new QuireError("OFFSET_OUT_OF_RANGE", "dropped"));
  fixture.replicator.replicate(replicateFrom(3, 6));
  fixture.logStart = at(5);
  await settle();
  assert.deepEqual(fixture.failures, []);
  fixture.logStart = at(0);
  fixture.read = Promise.reject(new QuireError("LOG_CORRUPT", "damaged"));
  fixture.replicator.replicate(replicateFrom(3, 6));
  await settle();
  assert.equal(fixture.failures.length, 1);
});

test("only so many logs are read at a time for followers that are behind; a read that ends, well or not, gives its turn to another", async () => {
  const fixture = new Fixture(new ReplicationBudget(4 * 1024 * 1024));
  const waiting: { resolve: (read: Frame[]) => void; reject: (error: Error) => void }[] = [];
  for (let reads = 1; reads <= 16; reads++) {
    fixture.read = new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    fixture.replicator.replicate(replicateFrom(3, 6, 10 + (reads % 4)));
  }
  assert.deepEqual(fixture.events, []);
  fixture.replicator.replicate(replicateFrom(3, 6, 3));
  assert.ok(fixture.saidNothing);
  waiting[0]?.resolve(frames(4, 6, { bodyBytes: 10 }));
  waiting[1]?.reject(new QuireError("LOG_CORRUPT", "rot"));
  await settle();
  assert.equal(fixture.sent.length, 1);
  assert.equal(fixture.failures.length, 1);
  fixture.read = Promise.resolve(frames(4, 6, { bodyBytes: 10 }));
  fixture.replicator.replicate(replicateFrom(3, 6));
  fixture.replicator.replicate(replicateFrom(3, 6));
  await settle();
  assert.equal(fixture.sent.length, 3);
});

test("what is on the way to a broker is bounded over all replica sets: others wait in order, until what they wait for is answered", async () => {
  const budget = new ReplicationBudget(8 * 1024 * 1024);
  const [first, second, third] = [new Fixture(budget), new Fixture(budget), new Fixture(budget)];
  first.read = Promise.resolve(frames(4, 7, { bodyBytes: 1024 * 1024 }));
  first.replicator.replicate(replicateFrom(3, 7));
  await settle();
  assert.equal(first.sent.length, 1);
  for (const late of [second, third]) {
    late.read = Promise.resolve(frames(4, 6, { bodyBytes: 10 }));
    late.replicator.replicate(replicateFrom(3, 6));
  }
  const elsewhere = new Fixture(budget);
  elsewhere.read = second.read;
  elsewhere.replicator.replicate(replicateFrom(3, 6, 3));
  await settle();
  assert.deepEqual([second.sent.length, third.sent.length, elsewhere.sent.length], [0, 0, 1], "the way to another broker is free");
  third.leads = false;
  first.inflightBytes = 3 * 1024 * 1024;
  first.replicator.account();
  await settle();
  assert.equal(second.sent.length, 1);
  assert.ok(third.saidNothing, "it leads no more");
});

test("a read that is under way counts as what it may bring, and what was sent counts until the core says less", async () => {
  const budget = new ReplicationBudget(4 * 1024 * 1024);
  const [reader, late] = [new Fixture(budget), new Fixture(budget)];
  let finish: (read: Frame[]) => void = () => undefined;
  for (let reads = 1; reads <= 4; reads++) {
    reader.read = new Promise((resolve) => {
      finish = resolve;
    });
    reader.replicator.replicate(replicateFrom(3, 6));
  }
  late.read = Promise.resolve(frames(4, 6, { bodyBytes: 10 }));
  late.replicator.replicate(replicateFrom(3, 6));
  await settle();
  assert.equal(late.sent.length, 0);
  finish(frames(4, 6, { bodyBytes: 10 }));
  await settle();
  assert.equal(late.sent.length, 1);
});

test("records that are in memory do not wait behind those that are read for who is behind, and who has caught up is one of the others", async () => {
  const budget = new ReplicationBudget(2 * 1024 * 1024);
  const [behind, tail, other] = [new Fixture(budget), new Fixture(budget), new Fixture(budget)];
  behind.read = Promise.resolve(frames(4, 6, { bodyBytes: 1024 * 1024 }));
  behind.replicator.replicate(replicateFrom(3, 6));
  await settle();
  assert.equal(behind.sent.length, 1);
  tail.cached = frames(4, 6, { bodyBytes: 10 });
  tail.replicator.replicate(replicateFrom(3, 6));
  other.read = Promise.resolve(frames(4, 6, { bodyBytes: 10 }));
  other.replicator.replicate(replicateFrom(3, 6));
  await settle();
  assert.deepEqual([tail.sent.length, other.sent.length], [1, 0]);
  // What comes next is in memory: all that is on its way counts with the others from then on.
  behind.inflightBytes = 512 * 1024;
  behind.replicator.account();
  await settle();
  assert.equal(other.sent.length, 1, "there is room for who is behind");
  budget.behind.count(to.nodeId, 512 * 1024 - 40);
  behind.cached = frames(7, 7, { bodyBytes: 10 });
  behind.replicator.replicate(replicateFrom(6, 7));
  assert.equal(behind.sent.length, 2);
  budget.behind.count(to.nodeId, 512 * 1024);
  let wasServed = false;
  budget.behind.whenRoom(to.nodeId, () => {
    wasServed = true;
  });
  assert.ok(wasServed, "nothing of it is left among those that are behind");
});
