import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeId, replicaId, replicaSetId } from "../../src/base/ids.js";
import { KIB, timing } from "../../src/base/limits.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import { PartitionState } from "../../src/broker/partition-state.js";
import { LocalHost } from "../../src/replica/host.js";
import type { Log } from "../../src/storage/log.js";
import { MemoryLog } from "../../src/storage/memory-log.js";
import { FakeClock, settle } from "../support/fake-clock.js";
import { MemoryStore } from "../support/memory-store.js";

test("a leader serves only once it has applied an entry of its own term: until then its high watermark is older than what was acknowledged", async () => {
  const clock = new FakeClock();
  let letRead: () => void = () => {};
  const mayRead = new Promise<void>((resolve) => {
    letRead = resolve;
  });
  const self = nodeId(1);
  const told: boolean[] = [];
  const host: LocalHost = new LocalHost({
    self,
    store: new MemoryStore(),
    logs: {
      // As after a restart: nothing is in memory, and the disk takes its time.
      open: async (_record, settings, callbacks) => {
        const log: Log = new MemoryLog({ clock, settings, callbacks });
        const held = log.readCached.bind(log);
        log.readCached = () => undefined;
        log.read = async (from, through, bytesMax) => {
          await mayRead;
          return held(from, through, bytesMax) ?? [];
        };
        return log;
      },
      setAside: async () => "",
      delete: async () => undefined,
    },
    peers: { send: () => true, queuedBytes: () => 0, takesRecords: () => true },
    clock,
    random: { below: () => 0, uuid: () => "" },
    logger: silentLogger,
    tickMs: timing.tickMs,
    takesRecords: () => true,
    core: { ...timing, inflightMessagesMax: 16, inflightBytesMax: 64 * KIB },
    machineFor: () => ({ machine: new PartitionState(), cutPolicy: "records" }),
    leadershipChanged: (replica) => told.push(replica.serving),
  });
  const initial = { voters: [{ replicaId: replicaId(1), nodeId: self }], learners: [], w: 1, r: 1 };
  const logSettings = { segmentBytes: 4 * KIB, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1_000 } as const;
  const replica = await host.start({ replicaSetId: replicaSetId(1), replicaId: replicaId(1), initial, logSettings });
  for (let ms = 0; ms < 5_000 && replica.commitIndex === 0; ms += timing.tickMs) {
    clock.advance(timing.tickMs);
    await settle();
  }
  assert.equal(replica.role, "leader");
  assert.ok(replica.commitIndex > replica.appliedIndex);
  assert.equal(replica.serving, false);
  letRead();
  await settle();
  assert.equal(replica.appliedIndex, replica.commitIndex);
  assert.equal(replica.serving, true);
  assert.equal(told.at(-1), true);
});
