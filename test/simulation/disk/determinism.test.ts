/** One seed, one run: the real log and the real store on simulated machines that lose power, run anew here and in another process. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { replicaId, replicaSetId, term } from "../../../src/base/ids.js";
import { SegmentedLogs } from "../../../src/storage/segmented-logs.js";
import { frame } from "../../support/frames.js";
import { Machine } from "../kernel/machine.js";
import type { SimProcess } from "../kernel/sim-process.js";
import { World } from "../kernel/world.js";
import { SimDisk } from "./sim-disk.js";

const RECORD = { replicaSetId: replicaSetId(1), replicaId: replicaId(1) };
const SETTINGS = { segmentBytes: 20_000, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 20 } as const;

/** Appends and votes until it dies. */
async function live(process: SimProcess, disk: SimDisk): Promise<void> {
  const { files, openStore } = disk.portsOf(process);
  const { clock, random } = process;
  await files.makeFolder("/data/logs");
  for (const folder of ["/", "/data", "/data/logs"]) await files.syncFolder(folder);
  const store = await openStore("/data/db");
  const logs = new SegmentedLogs({ files, clock, folder: "/data/logs", store, cacheBytes: 10_000 });
  const { term: before } = await store.hardState(RECORD.replicaSetId);
  const log = await logs.open(RECORD, SETTINGS, { onSynced: () => undefined, onFailed: () => process.die() });
  const now = term(before + 1);
  await store.saveHardState(RECORD.replicaSetId, { term: now, votedFor: null });
  for (;;) {
    const { lastIndex: last, endOffset } = log;
    log.append([frame({ index: last + 1, term: now, baseOffset: endOffset, body: Buffer.from(random.uuid().repeat(1 + random.below(20))) })]);
    await new Promise<void>((resolve) => clock.after(1 + random.below(10), resolve));
  }
}

async function hashOf(seed: number): Promise<string> {
  const world = new World({ seed });
  const chance = world.random("nemesis");
  for (const name of ["b1", "b2", "b3"]) {
    const machine = new Machine({ world, name });
    const disk = new SimDisk({ world, machine, capacityBytes: 1e8 });
    const begin = (): void => {
      const process = machine.start();
      process.onDeath(() => world.after(chance.between(1, 100), "begin", begin));
      world.after(0, "live", () => void live(process, disk).catch(() => process.die()), process);
    };
    const strike = (): void => {
      const [process] = machine.processes;
      const what = chance.below(4);
      if (what === 0) machine.losePower();
      else if (what === 1) process?.dieAfter(1 + chance.below(20));
      else if (what === 2) disk.failNext({ operation: chance.oneIn(2) ? "sync" : "write", code: "EIO" });
      else machine.setRate(chance.between(0.9, 1.1));
      world.after(chance.between(50, 300), "strike", strike);
    };
    begin();
    world.after(100, "strike", strike);
  }
  await world.run(10_000);
  assert.ok(world.events > 10_000, `${world.events} events`);
  return `${world.trace.hash} ${world.events}`;
}

const [, , asked] = process.argv;
if (asked !== undefined) {
  process.stdout.write(await hashOf(Number(asked)));
} else {
  test("the same seed gives the same hash again, and in another process; another seed gives another", async () => {
    const first = await hashOf(17);
    assert.equal(await hashOf(17), first);
    assert.notEqual(await hashOf(18), first);
    const { stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "17"], { encoding: "utf8" });
    assert.equal(stdout, first, stderr);
  });
}
