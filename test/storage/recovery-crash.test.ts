/** Recovery against a disk that loses any subset of what was not synced, tears at 512 bytes, and dies at any call. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Frame } from "../../src/base/frame.js";
import { logIndex } from "../../src/base/ids.js";
import { systemClock } from "../../src/base/system-ports.js";
import type { Doubt } from "../../src/consensus/types.js";
import type { SegmentedLog } from "../../src/storage/segmented-log.js";
import { frame } from "../support/frames.js";
import { entriesOf, JournalDisk } from "../support/journal-disk.js";

type Step =
  | { readonly kind: "append"; readonly sizes: readonly number[]; readonly newTerm: boolean }
  | { readonly kind: "truncate"; readonly back: number }
  | { readonly kind: "settle" }
  | { readonly kind: "turn" }
  /** Another log of the broker appends. */
  | { readonly kind: "other"; readonly size: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      sizes: fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 5 }),
      newTerm: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("truncate" as const), back: fc.integer({ min: 0, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("turn" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("other" as const), size: fc.integer({ min: 0, max: 700 }) }) },
);

const life = fc.record({
  steps: fc.array(step, { minLength: 5, maxLength: 30, size: "max" }),
  diesAfter: fc.integer({ min: 10, max: 250 }),
  isPowerCut: fc.boolean(),
});

/** What a process did to its log: every state the log was in, and what was reported as synced. */
class Ledger {
  /** The log as it should be. */
  entries: Frame[] = [];
  /** Every former log that a crash may bring back a prefix of, since a truncation was not synced yet. */
  versions: Frame[][] = [];
  /** Entries through here are synced. */
  acked = 0;
  term = 1;
  doubt: Doubt | undefined;
  /** The log of the process that lives. */
  log: SegmentedLog | undefined;

  append(sizes: readonly number[], newTerm: boolean): Frame[] {
    if (newTerm) this.term += 1;
    const made = sizes.map((size, i) => {
      const index = this.entries.length + 1 + i;
      return frame({ index, term: this.term, baseOffset: index - 1, body: Buffer.alloc(size, `${this.term}/${index} `) });
    });
    this.entries = [...this.entries, ...made];
    return made;
  }

  /** The process is gone; what it had been told until then counts. */
  stop(): void {
    this.acked = Math.max(this.acked, Math.min(this.log?.syncedIndex ?? 0, this.entries.length));
    this.log = undefined;
  }

  truncate(from: number): void {
    this.versions.push(this.entries);
    this.entries = this.entries.slice(0, from - 1);
    this.acked = Math.min(this.acked, from - 1);
    this.term += 1;
  }
}

/** Whether `found` is what a log that went through `versions` may be after a crash. */
function assertIsPrefixOfSome(found: readonly Frame[], ledger: Ledger): void {
  const isPrefixOf = (version: readonly Frame[]): boolean =>
    found.every((each, i) => version[i]?.term === each.term && version[i]?.body.equals(each.body) && version[i]?.baseOffset === each.baseOffset);
  assert.ok([ledger.entries, ...ledger.versions].some(isPrefixOf), "the log is no prefix of anything it ever was");
}

/** Two logs of one broker, and a journal so small that it is left and cleared all the time; or each with syncs of its own. */
const diskOf = (hasJournal: boolean): JournalDisk =>
  new JournalDisk({
    limits: { partBytesMax: 1_500, fileBytes: 3_000, bytesMax: 6_000, ageMsMax: 5 },
    clock: systemClock,
    log: { cacheBytes: 2_000 },
    hasJournal,
  });

async function live(disk: JournalDisk, ledger: Ledger, steps: readonly Step[]): Promise<void> {
  const { files } = disk;
  const { logs, close } = await disk.open();
  const [one, other] = logs;
  assert.ok(one !== undefined && other !== undefined);
  const { log, settled, synced } = one;
  // Of what the journal had and the segments lack.
  synced.splice(0);
  const found = await entriesOf(log);
  assertIsPrefixOfSome(found, ledger);
  for (let i = 0; i < ledger.acked; i++) {
    assert.equal(found[i]?.term, ledger.entries[i]?.term, `entry ${i + 1} was synced and is gone or another, of ${ledger.acked}`);
    assert.deepEqual(found[i]?.body, ledger.entries[i]?.body);
  }
  assert.notEqual(log.doubt?.kind, "damaged", "a crash alone is not damage");
  if (ledger.doubt !== undefined) assert.ok(log.doubt !== undefined && log.doubt.from <= ledger.doubt.from, "a doubt is not forgotten");
  ledger.doubt = log.doubt;
  ledger.entries = found;
  ledger.versions = [];
  ledger.acked = found.length;
  ledger.term += 1;
  ledger.log = log;
  for (const each of steps) {
    // A dead process does nothing more; what it was told before its death counts.
    if (files.calls > files.diesAfter) return;
    if (each.kind === "append") log.append(ledger.append(each.sizes, each.newTerm));
    else if (each.kind === "settle") await settled();
    else if (each.kind === "turn") await new Promise((resolve) => setImmediate(resolve));
    else if (each.kind === "other")
      other.log.append([frame({ index: other.log.lastIndex + 1, term: 1, baseOffset: other.log.endOffset, body: Buffer.alloc(each.size) })]);
    else if (each.back < log.lastIndex) {
      const from = log.lastIndex - each.back;
      log.truncate(logIndex(from));
      ledger.truncate(from);
    }
    if (files.calls > files.diesAfter) return;
    ledger.acked = log.syncedIndex;
    for (const last of synced.splice(0)) assert.equal(ledger.entries[last.index - 1]?.term, last.term);
  }
  if (files.diesAfter === Number.POSITIVE_INFINITY) {
    await close();
    assert.deepEqual(disk.journalPaths(), [], "what nobody needs is gone");
    ledger.acked = ledger.entries.length;
  }
}

/** Runs until the process is dead or done; a dead one never answers. */
async function liveUntilDeath(disk: JournalDisk, ledger: Ledger, steps: readonly Step[]): Promise<void> {
  const { files } = disk;
  let isDone = false;
  const death = (async () => {
    while (!isDone && files.calls <= files.diesAfter) await new Promise((resolve) => setImmediate(resolve));
  })();
  let error: unknown;
  const run = live(disk, ledger, steps).catch((thrown: unknown) => {
    error = thrown;
  });
  await Promise.race([run, death]);
  isDone = true;
  ledger.stop();
  if (error !== undefined) throw error;
}

for (const hasJournal of [false, true]) {
  test(`after any crash at any call, what was synced is read back, nothing is invented, and a torn end is a doubt that lasts${hasJournal ? ", with a journal too" : ""}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4, size: "max" }), fc.infiniteStream(fc.nat()), async (lives, chance) => {
        const below = (bound: number): number => (chance.next().value as number) % bound;
        const ledger = new Ledger();
        const disk = diskOf(hasJournal);
        for (const { steps, diesAfter, isPowerCut } of lives) {
          disk.files.diesAfter = diesAfter;
          await liveUntilDeath(disk, ledger, steps);
          if (isPowerCut) disk.cutPower(below);
          else disk.kill();
        }
        await live(disk, ledger, []);
      }),
      { numRuns: 300, endOnFailure: true, includeErrorInReport: true },
    );
  });
}
