import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryKind } from "../../src/base/entry-kind.js";
import { QuireError } from "../../src/base/errors.js";
import { type LogIndex, logIndex, offset } from "../../src/base/ids.js";
import { Slots } from "../../src/base/slots.js";
import { Applier } from "../../src/replica/applier.js";
import type { Frame } from "../../src/storage/log.js";
import { settle } from "../support/fake-clock.js";
import { frames } from "../support/frames.js";

const configuration = { voters: [], learners: [], w: 1, r: 1 };

/** Thirty entries, all on disk and none in memory unless the test says so; a read ends when the test lets it. */
class Fixture {
  readonly applied: number[] = [];
  readonly failures: Error[] = [];
  readonly reads: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  advances = 0;
  cached = false;
  onApplied: () => void = () => undefined;
  onApply: (frame: Frame) => void = () => undefined;
  changed: (frame: Frame) => Frame = (frame) => frame;
  readonly applier = new Applier({
    log: {
      readCached: (from, through) => (this.cached ? this.#frames(from, through) : undefined),
      read: (from, through) => new Promise((resolve, reject) => this.reads.push({ resolve: () => resolve(this.#frames(from, through)), reject })),
    },
    machine: {
      detail: "outline",
      apply: (frame) => this.onApply(frame),
      snapshot: () => Buffer.alloc(0),
      blank: () => Buffer.alloc(0),
      restore: () => undefined,
    },
    reads: new Slots(1),
    restoredFrom: { index: logIndex(0), nextOffset: offset(0), configuration },
    applied: (frame) => {
      this.applied.push(frame.index);
      this.onApplied();
    },
    advanced: () => {
      this.advances += 1;
    },
    failed: (error) => this.failures.push(error),
  });

  #frames(from: LogIndex, through: LogIndex): Frame[] {
    return frames(from, Math.min(through, 30), { bodyBytes: 4 }).map((frame) => this.changed(frame));
  }
}

test("committed entries are applied in order, each once, from memory or from disk", async () => {
  const fixture = new Fixture();
  fixture.cached = true;
  fixture.applier.through(logIndex(3));
  assert.deepEqual(fixture.applied, [1, 2, 3]);
  assert.equal(fixture.advances, 1);
  fixture.cached = false;
  fixture.applier.through(logIndex(4));
  fixture.applier.through(logIndex(5));
  assert.equal(fixture.reads.length, 1);
  fixture.reads[0]?.resolve();
  await settle();
  fixture.reads[1]?.resolve();
  await settle();
  assert.deepEqual(fixture.applied, [1, 2, 3, 4, 5]);
  assert.equal(fixture.applier.nextOffset, 5);
});

test("what becomes committed while entries are applied is applied after them", () => {
  const fixture = new Fixture();
  fixture.cached = true;
  fixture.onApplied = () => fixture.applier.through(logIndex(6));
  fixture.applier.through(logIndex(3));
  assert.deepEqual(fixture.applied, [1, 2, 3, 4, 5, 6]);
});

test("a read that a snapshot overtakes is forgotten, whether it succeeds or fails, and what follows is applied", async () => {
  for (const outcome of ["resolve", "reject"] as const) {
    const fixture = new Fixture();
    fixture.applier.through(logIndex(5));
    fixture.applier.pause();
    fixture.applier.restored(logIndex(20), offset(20), configuration);
    fixture.applier.through(logIndex(22));
    fixture.reads[0]?.[outcome](new QuireError("OFFSET_OUT_OF_RANGE", "dropped"));
    await settle();
    assert.deepEqual(fixture.failures, []);
    fixture.reads[1]?.resolve();
    await settle();
    assert.deepEqual(fixture.applied, [21, 22]);
  }
});

test("nothing is applied while log and state are being replaced, nor does a read of then count as a failure", async () => {
  const fixture = new Fixture();
  fixture.applier.through(logIndex(5));
  fixture.applier.pause();
  fixture.reads[0]?.reject(new QuireError("OFFSET_OUT_OF_RANGE", "dropped"));
  await settle();
  fixture.cached = true;
  fixture.applier.through(logIndex(6));
  assert.deepEqual([fixture.applied, fixture.failures], [[], []]);
});

test("applied state is never taken back", () => {
  const fixture = new Fixture();
  fixture.cached = true;
  fixture.applier.through(logIndex(6));
  assert.throws(() => fixture.applier.restored(logIndex(5), offset(5), configuration), { name: "InvariantError" });
});

test("an entry that cannot be read, or not be understood, stops the replica once and nothing after it is applied", async () => {
  const unreadable = new Fixture();
  unreadable.applier.through(logIndex(5));
  unreadable.reads[0]?.reject(new QuireError("LOG_CORRUPT", "damaged"));
  await settle();
  assert.equal(unreadable.failures.length, 1);
  const unknown = new Fixture();
  unknown.cached = true;
  unknown.onApply = ({ index }) => {
    if (index === 3) throw new QuireError("UNSUPPORTED", "a newer kind");
  };
  unknown.applier.through(logIndex(5));
  unknown.applier.through(logIndex(6));
  assert.deepEqual(unknown.applied, [1, 2]);
  assert.equal(unknown.failures.length, 1);
});

test("a configuration of a newer version stops the replica, not the process", () => {
  const fixture = new Fixture();
  fixture.cached = true;
  fixture.changed = (frame) =>
    frame.index < 3 ? frame : { ...frame, kind: EntryKind.configuration, batch: { ...frame.batch, recordCount: 0 }, body: Buffer.from('{"v":2}') };
  fixture.applier.through(logIndex(5));
  assert.deepEqual(fixture.applied, [1, 2]);
  assert.equal(fixture.failures.length, 1);
});
