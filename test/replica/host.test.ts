import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, nodeId, replicaId, replicaSetId, term } from "../../src/base/ids.js";
import { KIB, timing } from "../../src/base/limits.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import { PartitionState } from "../../src/broker/partition-state.js";
import { LocalHost } from "../../src/replica/host.js";
import { entryOf } from "../../src/replica/replicator.js";
import { EntryKind, type ReplicaSpec } from "../../src/replica/types.js";
import type { Frame } from "../../src/storage/log.js";
import { MemoryLog } from "../../src/storage/memory-log.js";
import type { ReplicaRecord } from "../../src/storage/replica-store.js";
import { FakeClock, settle } from "../support/fake-clock.js";
import { frames } from "../support/frames.js";
import { MemoryStore } from "../support/memory-store.js";

const SET = replicaSetId(7);
const SELF = nodeId(1);
const nameOf = ({ replicaSetId: set, replicaId: replica }: ReplicaRecord): string => `${set}-${replica}`;
const specOf = (replica: number, set = SET): ReplicaSpec => ({
  replicaSetId: set,
  replicaId: replicaId(replica),
  initial: { voters: [{ replicaId: replicaId(replica), nodeId: SELF }], learners: [], w: 1, r: 1 },
  logSettings: { segmentBytes: 4 * KIB, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1 },
});

/** One broker that keeps its logs in memory and says what became of them. */
class Fixture {
  readonly clock = new FakeClock();
  readonly store = new MemoryStore();
  readonly open = new Set<string>();
  readonly events: string[] = [];
  hasRoom = true;
  /** What happens to the next log that is opened, removed or closed. */
  onOpen: () => Promise<void> = async () => undefined;
  onDelete: () => Promise<void> = async () => undefined;
  onClose: (name: string) => void = () => undefined;
  readonly host = new LocalHost({
    self: SELF,
    store: this.store,
    logs: {
      open: async (record, settings, callbacks) => {
        await this.onOpen();
        return this.#log(nameOf(record), new MemoryLog({ clock: this.clock, settings, callbacks }));
      },
      setAside: async (record) => {
        assert.ok(!this.open.has(nameOf(record)), "a log that is open is not moved");
        this.events.push(`set aside ${nameOf(record)}`);
        return "";
      },
      delete: async (record) => {
        assert.ok(!this.open.has(nameOf(record)), "a log that is open is not removed");
        await this.onDelete();
        this.events.push(`delete ${nameOf(record)}`);
      },
    },
    peers: { send: () => false, queuedBytes: () => 0, takesRecords: () => true },
    clock: this.clock,
    random: { below: () => 0, uuid: () => "" },
    logger: silentLogger,
    tickMs: timing.tickMs,
    takesRecords: () => this.hasRoom,
    core: { ...timing, inflightMessagesMax: 16, inflightBytesMax: 64 * KIB },
    machineFor: () => ({ machine: new PartitionState(), cutPolicy: "records" }),
    leadershipChanged: () => undefined,
  });

  #log(name: string, log: MemoryLog): MemoryLog {
    assert.ok(!this.open.has(name), "a log is open once");
    this.open.add(name);
    this.events.push(`open ${name}`);
    const close = log.close.bind(log);
    log.close = async () => {
      this.onClose(name);
      await close();
      this.open.delete(name);
    };
    return log;
  }
}

test("starting what runs gives what runs, also when both are asked for at once", async () => {
  const { host, events } = new Fixture();
  const [first, second] = await Promise.all([host.start(specOf(1)), host.start(specOf(1))]);
  assert.equal(first, second);
  assert.equal(await host.start(specOf(1)), first);
  assert.deepEqual(events, ["open 7-1"]);
  await host.stop();
});

test("a replica is not opened while it is being removed", async () => {
  const fixture = new Fixture();
  const { host, events } = fixture;
  await host.start(specOf(1));
  let removed: () => void = () => undefined;
  fixture.onDelete = () => new Promise((resolve) => (removed = resolve));
  const removal = host.remove(SET);
  const start = host.start(specOf(2));
  await settle();
  assert.equal(host.get(SET), undefined);
  assert.deepEqual(events, ["open 7-1"]);
  removed();
  await removal;
  assert.equal((await start).replicaId, 2);
  assert.deepEqual(events, ["open 7-1", "delete 7-1", "open 7-2"]);
  await host.stop();
});

test("a newer replica takes the place of a former one, whose data goes; an older one is refused and nothing goes", async () => {
  const { host, store, events } = new Fixture();
  await host.start(specOf(4));
  await host.start(specOf(9));
  assert.deepEqual(events, ["open 7-4", "delete 7-4", "open 7-9"]);
  await assert.rejects(host.start(specOf(4)), { reason: "CONFLICT" });
  assert.equal(host.get(SET)?.replicaId, 9);
  assert.deepEqual(await store.replicas(), [{ replicaSetId: SET, replicaId: 9 }]);
  await host.stop();
});

test("a replica that could not be opened leaves no log open, is tried again, and can be removed", async () => {
  const { host, store, open, events } = new Fixture();
  const { snapshots } = store;
  store.snapshots = () => Promise.reject(new Error("EIO"));
  await assert.rejects(host.start(specOf(1)), { message: "EIO" });
  assert.equal(open.size, 0);
  await assert.rejects(host.start(specOf(1)), { message: "EIO" });
  store.snapshots = snapshots;
  await host.remove(SET);
  assert.deepEqual(await store.replicas(), []);
  assert.equal(events.at(-1), "delete 7-1");
  assert.equal((await host.start(specOf(2))).replicaId, 2);
  await host.stop();
});

test("records for which the disk has no room are not taken, nor acknowledged; other entries are, and records too once there is room", async () => {
  const fixture = new Fixture();
  const { host } = fixture;
  const member = (id: number) => ({ replicaId: replicaId(id), nodeId: nodeId(id) });
  const replica = await host.start({ ...specOf(1), initial: { voters: [member(1), member(2)], learners: [], w: 2, r: 2 } });
  const append = (from: number, entries: readonly Frame[]): void => {
    const message = {
      kind: "append",
      term: term(5),
      previous: { index: logIndex(from), term: term(from === 0 ? 0 : 1) },
      commit: logIndex(0),
      round: 0,
    } as const;
    host.receive(nodeId(2), { replicaSetId: SET, from: replicaId(2), to: replicaId(1), message: { ...message, entries: entries.map(entryOf) } });
  };
  const [first, ...records] = frames(1, 3, { bodyBytes: 10 });
  assert.ok(first !== undefined);
  const noOp = { ...first, kind: EntryKind.noOp };
  fixture.hasRoom = false;
  append(0, [noOp]);
  assert.equal(replica.log.lastIndex, 1);
  append(1, records);
  assert.equal(replica.log.lastIndex, 1);
  fixture.hasRoom = true;
  append(1, records);
  assert.equal(replica.log.lastIndex, 3);
  fixture.hasRoom = false;
  // What is there already needs no room.
  append(0, [noOp, ...records]);
  assert.equal(replica.term, 5);
  await host.stop();
});

test("an envelope reaches the replica that it names and no other, and none that is only starting", async () => {
  const fixture = new Fixture();
  const { host } = fixture;
  const message = { kind: "heartbeat", term: term(50), commit: logIndex(0), round: 0, quiesce: false } as const;
  const envelopeTo = (to: number): Parameters<LocalHost["receive"]>[1] => ({ replicaSetId: SET, from: replicaId(2), to: replicaId(to), message });
  let opened: () => void = () => undefined;
  fixture.onOpen = () => new Promise((resolve) => (opened = resolve));
  const start = host.start(specOf(3));
  await settle();
  host.receive(nodeId(2), envelopeTo(3));
  opened();
  const replica = await start;
  host.receive(nodeId(2), envelopeTo(1));
  assert.equal(replica.term, 0);
  host.receive(nodeId(2), envelopeTo(3));
  assert.equal(replica.term, 50);
  await host.stop();
});

test("a replica that cannot be closed does not keep the others from it, and nothing ticks afterwards", async () => {
  const fixture = new Fixture();
  const { host, open, clock } = fixture;
  for (const set of [1, 2, 3]) await host.start(specOf(set, replicaSetId(set)));
  fixture.onClose = (name) => {
    if (name === "2-2") throw new Error("EIO");
  };
  await assert.rejects(host.stop(), { message: "EIO" });
  assert.deepEqual([...open], ["2-2"]);
  assert.equal(clock.timers, 0);
  await assert.rejects(host.start(specOf(5)), { reason: "SHUTTING_DOWN" });
});

test("stopping waits for what is being opened, and begins nothing that was asked for after it", async () => {
  const fixture = new Fixture();
  const { host, open } = fixture;
  let opened: () => void = () => undefined;
  fixture.onOpen = () => new Promise((resolve) => (opened = resolve));
  const start = host.start(specOf(1));
  const after = host.remove(SET);
  await settle();
  const stop = host.stop();
  opened();
  await start;
  await assert.rejects(after, { reason: "SHUTTING_DOWN" });
  await stop;
  assert.equal(open.size, 0);
});
