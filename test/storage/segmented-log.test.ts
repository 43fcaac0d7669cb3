import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { systemClock } from "../../src/base/system-ports.js";
import { JOURNAL_LIMITS, openJournal } from "../../src/storage/journal/journal.js";
import { nodeFiles } from "../../src/storage/node-files.js";
import { OpenSegments } from "../../src/storage/open-segments.js";
import { openSegmentedLog, type SegmentedLog } from "../../src/storage/segmented-log.js";
import { TailCache } from "../../src/storage/tail-cache.js";
import { FakeClock } from "../support/fake-clock.js";
import { recordOf } from "../support/journal-disk.js";
import { MemoryStore } from "../support/memory-store.js";
import { logContract } from "./log-contract.js";

const folder = await mkdtemp(join(tmpdir(), "quire-log-"));
const logs: SegmentedLog[] = [];
after(async () => {
  await Promise.all(logs.map((log) => log.close()));
  await journal.close();
  await rm(folder, { recursive: true });
});

const store = new MemoryStore();
const journalClock = new FakeClock();
const journal = await openJournal({ files: nodeFiles, folder: join(folder, "journal"), store, clock: journalClock, limits: JOURNAL_LIMITS });

/** Until all that is in the journal is in segments too. */
async function rest(): Promise<void> {
  while (journalClock.timers > 0) {
    journalClock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

for (const [name, cacheBytes, hasJournal] of [
  ["segmented log", 1_000_000, false],
  ["segmented log without a cache", 0, false],
  ["segmented log over a journal", 0, true],
] as const) {
  const shared = { files: nodeFiles, tailCache: new TailCache(cacheBytes), openSegments: new OpenSegments(nodeFiles, 4), isNew: true, bootId: "" };
  logContract(name, async (callbacks, settings) => {
    let nowMs = 1_000_000;
    const log = await openSegmentedLog({
      ...shared,
      folder: join(folder, String(logs.length)),
      clock: { ...systemClock, wallMs: () => nowMs },
      settings,
      callbacks,
      ...(hasJournal && { journal: { journal, record: recordOf(logs.length) } }),
    });
    logs.push(log);
    return {
      log,
      advance: (ms) => {
        nowMs += ms;
      },
      ...(hasJournal && { rest }),
    };
  });
}
