import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { systemClock } from "../../src/base/system-ports.js";
import { nodeFiles } from "../../src/storage/node-files.js";
import { OpenSegments } from "../../src/storage/open-segments.js";
import { openSegmentedLog, type SegmentedLog } from "../../src/storage/segmented-log.js";
import { TailCache } from "../../src/storage/tail-cache.js";
import { logContract } from "./log-contract.js";

const folder = await mkdtemp(join(tmpdir(), "quire-log-"));
const logs: SegmentedLog[] = [];
after(async () => {
  await Promise.all(logs.map((log) => log.close()));
  await rm(folder, { recursive: true });
});

for (const [name, cacheBytes] of [
  ["segmented log", 1_000_000],
  ["segmented log without a cache", 0],
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
    });
    logs.push(log);
    return {
      log,
      advance: (ms) => {
        nowMs += ms;
      },
    };
  });
}
