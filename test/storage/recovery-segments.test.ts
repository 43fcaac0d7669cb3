/** Damage is not absence, for whole files: a segment that held anything acknowledged is never missed without a word. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { logIndex } from "../../src/base/ids.js";
import { CHECKPOINT_NAME, decodeCheckpoint } from "../../src/storage/checkpoint.js";
import { FaultyFiles } from "../support/faulty-files.js";
import { frames } from "../support/frames.js";
import { openTestLog, type TestLog } from "../support/storage-log.js";

const FOLDER = "/data/log";
const settings = { segmentBytes: 700 };
const reopen = (files: FaultyFiles): Promise<TestLog> => openTestLog({ files, settings, isNew: false });
const segmentsOf = (files: FaultyFiles): string[] => files.paths().filter((path) => path.endsWith(".log"));

interface Life {
  /** Entries per group commit. */
  readonly groups: readonly number[];
  readonly cutBack: number;
  readonly end: "closed" | "killed" | "power";
}

const life: fc.Arbitrary<Life> = fc.record({
  groups: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 }),
  cutBack: fc.integer({ min: 0, max: 3 }),
  end: fc.constantFrom("closed", "killed", "power"),
});

/** Appends after what there is, group by group, and cuts a little; returns the disk as the next process finds it. */
async function live(files: FaultyFiles, { groups, cutBack, end }: Life, below: (bound: number) => number): Promise<{ files: FaultyFiles; last: number }> {
  const { log, settled } = await openTestLog({ files, settings, isNew: files.paths().length === 0 });
  const term = (log.termRuns.at(-1)?.term ?? 0) + 1;
  for (const count of groups) {
    log.append(frames(log.lastIndex + 1, log.lastIndex + count, { term, bodyBytes: 100 }));
    await settled();
  }
  if (cutBack > 0 && cutBack < log.lastIndex) log.truncate(logIndex(log.lastIndex - cutBack + 1));
  log.append(frames(log.lastIndex + 1, log.lastIndex + 1, { term: term + 1, bodyBytes: 100 }));
  await settled();
  const last = log.lastIndex;
  if (end === "closed") await log.close();
  return { files: end === "power" ? files.crash(below) : files.restart(), last };
}

test("a log that lost any one of its segments is in doubt from there on, however it ended", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), fc.infiniteStream(fc.nat()), async (lives, chance) => {
      const below = (bound: number): number => (chance.next().value as number) % bound;
      let files = new FaultyFiles();
      let last = 0;
      for (const each of lives) ({ files, last } = await live(files, each, below));
      for (const path of segmentsOf(files)) {
        for (const how of ["gone", "empty", "without its header"] as const) {
          const damaged = files.restart();
          const first = Number(path.slice(-24, -4));
          if (how === "gone") damaged.lose(path);
          else {
            // The disks of all processes are one: only a copy may be cut.
            const bytes = (await damaged.readAll(path)) ?? Buffer.alloc(0);
            damaged.lose(path);
            const file = await damaged.open(path, "create");
            await new Promise((resolve) => file.write([bytes.subarray(0, how === "empty" ? 0 : 20)], 0, resolve));
          }
          const { log } = await reopen(damaged);
          assert.deepEqual(log.doubt, { kind: "damaged", from: first }, `${path} of ${last} entries, ${how}`);
          assert.equal(log.lastIndex, first - 1);
          await log.close();
        }
      }
    }),
    { numRuns: 60, includeErrorInReport: true },
  );
});

test("nothing in a segment is reported before a checkpoint on disk names it, whatever is lost in a power cut", async () => {
  for (const flush of ["batch", "interval"] as const) {
    const files = new FaultyFiles();
    const { log, synced } = await openTestLog({ files, settings: { ...settings, flush } });
    for (let index = 1; index <= 20; index++) {
      log.append(frames(index, index, { bodyBytes: 100 }));
      for (let turn = 0; log.syncedIndex < index; turn++) {
        assert.ok(turn < 1_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const reported = synced.at(-1)?.index ?? 0;
      const crashed = files.crash(() => 0);
      const checkpoint = decodeCheckpoint((await crashed.readAll(`${FOLDER}/${CHECKPOINT_NAME}`)) ?? Buffer.alloc(0));
      assert.ok(typeof checkpoint === "object");
      const names = segmentsOf(crashed);
      const of = names.findLast((path) => Number(path.slice(-24, -4)) <= reported);
      assert.equal(checkpoint.segments.at(-1)?.first, Number(of?.slice(-24, -4)), `entry ${reported}, flush ${flush}`);
    }
    await log.close();
  }
});

test("a power cut while segments begin is no damage, and takes nothing that was reported", async () => {
  for (let diesAfter = 0; diesAfter < 75; diesAfter++) {
    for (let chance = 0; chance < 8; chance++) {
      const files = new FaultyFiles();
      files.diesAfter = diesAfter;
      let log: TestLog["log"] | undefined;
      openTestLog({ files, settings }).then(
        (opened) => {
          log = opened.log;
          for (let index = 1; index <= 12; index++) log.append(frames(index, index, { bodyBytes: 100 }));
        },
        () => undefined,
      );
      while (files.calls <= diesAfter && log?.syncedIndex !== 12) await new Promise((resolve) => setImmediate(resolve));
      const reported = log?.syncedIndex ?? 0;
      let bits = (chance * 0x9e3779b1) >>> 0;
      const below = (bound: number): number => {
        bits = (bits * 1_664_525 + 1_013_904_223) >>> 0;
        return (bits >>> 16) % bound;
      };
      const again = await openTestLog({ files: files.crash(below), settings, isNew: log === undefined });
      assert.notEqual(again.log.doubt?.kind, "damaged", `after ${diesAfter} calls, chance ${chance}`);
      assert.ok(again.log.lastIndex >= reported);
      await again.log.close();
    }
  }
});

test("an opening that fails at any of its syncs leaves nothing that a later one takes for saved and a power cut takes away", async () => {
  for (let diesAfter = 8; diesAfter < 60; diesAfter += 2) {
    for (let failing = 0; failing < 4; failing++) {
      const files = new FaultyFiles();
      files.diesAfter = diesAfter;
      openTestLog({ files, settings }).then(
        ({ log }) => {
          for (let index = 1; index <= 12; index++) log.append(frames(index, index, { bodyBytes: 100 }));
        },
        () => undefined,
      );
      while (files.calls <= diesAfter) await new Promise((resolve) => setImmediate(resolve));
      const second = files.restart();
      let syncs = 0;
      second.fault = (operation) => ((operation === "sync" || operation === "sync-folder") && syncs++ === failing ? { code: "EIO" } : undefined);
      const opened = await openTestLog({ files: second, settings, isNew: true }).catch(() => undefined);
      await opened?.log.close();
      const third = second.restart();
      const { log } = await openTestLog({ files: third, settings, isNew: true });
      const { lastIndex, doubt } = log;
      for (let chance = 0; chance < 4; chance++) {
        const again = await openTestLog({ files: third.crash((bound) => chance % bound), settings, isNew: true });
        assert.deepEqual([again.log.lastIndex, again.log.doubt], [lastIndex, doubt], `died after ${diesAfter} calls, sync ${failing} failed`);
        await again.log.close();
      }
    }
  }
});

test("what recovery takes over of a segment that no checkpoint named is named before it counts", async () => {
  const files = new FaultyFiles();
  const { log, settled } = await openTestLog({ files, settings });
  log.append(frames(1, 3, { bodyBytes: 100 }));
  await settled();
  files.fault = (operation, path) => (operation === "write" && path.endsWith(".tmp") ? { code: "EIO" } : undefined);
  // The next segment is written and synced, and its checkpoint fails.
  log.append(frames(4, 4, { bodyBytes: 100 }));
  await settled();
  await log.close();
  const next = files.restart();
  next.lose(`${FOLDER}/failed`);
  const again = await reopen(next);
  assert.deepEqual([again.log.lastIndex, again.log.doubt], [4, undefined]);
  const last = next.restart();
  last.lose(segmentsOf(last).at(-1) ?? "");
  assert.deepEqual((await reopen(last)).log.doubt, { kind: "damaged", from: 4 });
});
