import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadPace } from "../../src/broker/read-pace.js";
import { FakeClock, settle } from "../support/fake-clock.js";

const MIB = 1_048_576;
const STEP_MS = 5;

/** A broker that commits a batch of `written` bytes every 5 ms, after `tookMs`, and somebody who reads a megabyte after the other. */
class Scene {
  readonly clock = new FakeClock();
  readonly pace = new ReadPace(this.clock);
  readBytes = 0;
  #reading = false;

  async pass(seconds: number, { tookMs, written = MIB / 10, readers = true }: { tookMs?: () => number; written?: number; readers?: boolean }): Promise<number> {
    const before = this.readBytes;
    for (let ms = 0; ms < seconds * 1_000; ms += STEP_MS) {
      if (tookMs !== undefined) this.pace.committed(written, tookMs());
      if (readers && !this.#reading) this.#read();
      this.clock.advance(STEP_MS);
      for (let turn = 0; turn < 6; turn++) await Promise.resolve();
    }
    return (this.readBytes - before) / seconds / MIB;
  }

  #read(): void {
    this.#reading = true;
    read(this.pace, this).then(() => {
      this.readBytes += MIB;
      this.#reading = false;
    }, assert.fail);
  }
}

/** Reads so much of a megabyte that may be read. */
async function read(pace: ReadPace, source: object, bytes = MIB): Promise<void> {
  const turn = await pace.turn(source, MIB, () => true);
  assert.ok(turn !== undefined, "who wants to read gets a turn");
  pace.done(turn, bytes);
}

test("while nobody writes, or nobody's batch is late, reads are not held back", async () => {
  const scene = new Scene();
  assert.equal(await scene.pass(2, {}), 200);
  assert.equal(await scene.pass(2, { tookMs: () => 10 }), 200);
  assert.equal(scene.pace.bytesPerSecond, Number.POSITIVE_INFINITY);
});

test("reads that make batches late are held back to the pace at which they are not", async () => {
  const scene = new Scene();
  let recent = 0;
  let late = 0;
  let last = 0;
  const tookMs = (): number => {
    recent = recent * 0.9 + (scene.readBytes - last) * 0.1;
    last = scene.readBytes;
    const slow = recent > 0.6 * MIB * (STEP_MS / 5);
    if (slow) late += 1;
    return slow ? 100 : 5;
  };
  await scene.pass(2, { tookMs });
  late = 0;
  const rate = await scene.pass(20, { tookMs });
  // More than 0.6 MiB in each 5 ms, 120 a second, make everything late.
  assert.ok(rate > 60 && rate < 120, `${rate} MiB/s`);
  assert.ok(late < 0.25 * 20 * 200, `${late} of ${20 * 200} late`);
});

test("however late batches are, readers get 16 MiB a second, and one and a half times what is written", async () => {
  const slow = new Scene();
  await slow.pass(5, { tookMs: () => (slow.readBytes === 0 ? 1 : 1_000), written: 1_000 });
  const least = await slow.pass(5, { tookMs: () => 1_000, written: 1_000 });
  assert.ok(least > 15 && least < 18, `${least} MiB/s`);

  const busy = new Scene();
  let count = 0;
  // Some are quick, so that the slow ones are not what is usual here.
  const mixed = (): number => (count++ % 10 === 0 ? 1 : 1_000);
  await busy.pass(5, { tookMs: mixed, written: MIB / 5 });
  const rate = await busy.pass(5, { tookMs: mixed, written: MIB / 5 });
  assert.ok(rate > 58 && rate < 66, `${rate} MiB/s of 40 written`);
});

test("where batches always take long, they are not late", async () => {
  const scene = new Scene();
  assert.equal(await scene.pass(5, { tookMs: () => 70 }), 200);
  assert.equal(scene.pace.bytesPerSecond, Number.POSITIVE_INFINITY);
});

test("who begins to read while others write begins slowly, and becomes faster while no batch is late", async () => {
  const scene = new Scene();
  await scene.pass(5, { tookMs: () => 5, readers: false });
  const first = await scene.pass(0.5, { tookMs: () => 5 });
  // One and a half times the 20 that are written.
  assert.ok(first > 28 && first < 40, `${first} MiB/s at first`);
  await scene.pass(4, { tookMs: () => 5 });
  const later = await scene.pass(1, { tookMs: () => 5 });
  assert.ok(later > 150, `${later} MiB/s five seconds later`);
});

test("when writers fall silent, those who wait are let go", async () => {
  const scene = new Scene();
  let count = 0;
  await scene.pass(5, { tookMs: () => (count++ % 10 === 0 ? 1 : 500) });
  const held = Array.from({ length: 200 }, () => read(scene.pace, {}));
  await scene.pass(2, { readers: false });
  await Promise.all(held);
  await settle();
  assert.equal(scene.clock.timers, 0);
});

test("what a read did not find is not counted", async () => {
  const scene = new Scene();
  let count = 0;
  await scene.pass(5, { tookMs: () => (count++ % 10 === 0 ? 1 : 500) });
  const empty = Promise.all(Array.from({ length: 1_000 }, () => read(scene.pace, {}, 0)));
  let done = false;
  empty.then(() => {
    done = true;
  }, assert.fail);
  for (let turn = 0; turn < 400 && !done; turn++) {
    scene.clock.advance(STEP_MS);
    await settle();
  }
  assert.ok(done);
});

test("who reads the same is not left behind by it: the least is so much for each", async () => {
  const scene = new Scene();
  let count = 0;
  const mixed = (): number => (count++ % 10 === 0 ? 1 : 1_000);
  let bytes = 0;
  let over = false;
  const source = {};
  const reader = async (): Promise<void> => {
    while (!over) {
      await read(scene.pace, source);
      bytes += MIB;
      await settle();
    }
  };
  const readers = [reader(), reader(), reader()];
  await scene.pass(5, { tookMs: mixed, written: MIB / 5, readers: false });
  bytes = 0;
  for (let ms = 0; ms < 5_000; ms += STEP_MS) {
    await scene.pass(STEP_MS / 1_000, { tookMs: mixed, written: MIB / 5, readers: false });
    await settle();
  }
  const rate = bytes / 5 / MIB;
  // Three times one and a half times 40.
  assert.ok(rate > 150 && rate < 220, `${rate} MiB/s`);
  over = true;
  await scene.pass(2, { readers: false });
  await Promise.all(readers);
});

test("who does not want to read any more is passed over and costs nothing, and with the broker's end nobody waits", async () => {
  const scene = new Scene();
  await scene.pass(2, { tookMs: () => 5, readers: false });
  const first = await scene.pace.turn({}, MIB, () => true);
  assert.ok(first !== undefined);
  const given = Array.from({ length: 1_000 }, () => scene.pace.turn({}, MIB, () => false));
  const wanted = scene.pace.turn({}, MIB, () => true);
  const waiting = scene.pace.turn({}, MIB, () => true);
  await settle();
  scene.clock.advance(100);
  assert.deepEqual(new Set(await Promise.all(given)), new Set([undefined]));
  assert.ok((await wanted) !== undefined);
  scene.pace.close();
  assert.ok((await waiting) !== undefined);
  assert.ok((await scene.pace.turn({}, MIB, () => true)) !== undefined);
  assert.equal(scene.clock.timers, 0);
});
