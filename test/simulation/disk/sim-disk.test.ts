import assert from "node:assert/strict";
import { test } from "node:test";
import { logIndex, nodeId, offset, replicaId, replicaSetId, term } from "../../../src/base/ids.js";
import type { OpenFile } from "../../../src/storage/files.js";
import { readFully, syncFile, writeFully } from "../../../src/storage/files.js";
import type { Snapshot } from "../../../src/storage/replica-store.js";
import { Machine } from "../kernel/machine.js";
import type { SimProcess } from "../kernel/sim-process.js";
import { World } from "../kernel/world.js";
import { SimDisk } from "./sim-disk.js";

const SET = replicaSetId(1);
const member = { replicaId: replicaId(1), nodeId: nodeId(1) };
const FIRST: Snapshot = {
  index: logIndex(0),
  term: term(0),
  configuration: { voters: [member], learners: [], w: 1, r: 1 },
  nextOffset: offset(0),
  state: Buffer.alloc(0),
};

interface Place {
  readonly world: World;
  readonly machine: Machine;
  readonly disk: SimDisk;
  /** Lets a new process do something, and the world go on until it is done; what it throws is thrown. */
  readonly live: (life: (ports: ReturnType<SimDisk["portsOf"]>, process: SimProcess) => Promise<void>) => Promise<SimProcess>;
}

function place(seed: number, capacityBytes = 1e9): Place {
  const world = new World({ seed });
  const machine = new Machine({ world, name: "b1" });
  const disk = new SimDisk({ world, machine, capacityBytes });
  const live: Place["live"] = async (life) => {
    const process = machine.start();
    let outcome: { error?: unknown } | undefined;
    world.after(0, "begin", () => {
      life(disk.portsOf(process), process).then(
        () => {
          outcome = {};
        },
        (error: unknown) => {
          outcome = { error };
        },
      );
    });
    while (outcome === undefined && process.isAlive && (await world.step()));
    if (outcome?.error !== undefined) throw outcome.error;
    return process;
  };
  return { world, machine, disk, live };
}

const write = (file: OpenFile, text: string, position = 0): Promise<void> =>
  new Promise((resolve, reject) => writeFully(file, [Buffer.from(text)], position, (error) => (error === null ? resolve() : reject(error))));

/** What the file holds after a life of one process and the end that is put to it, over many seeds. */
async function outcomes(end: (place: Place) => void, life: (file: OpenFile) => Promise<unknown>): Promise<Set<string>> {
  const found = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const each = place(seed);
    await each.live(async ({ files }) => {
      await files.makeFolder("/data");
      await files.syncFolder("/");
      const file = await files.open("/data/a", "create");
      await syncFile(file);
      await files.syncFolder("/data");
      await life(file);
    });
    end(each);
    await each.live(async ({ files }) => void found.add(String(await files.readAll("/data/a"))));
  }
  return found;
}

const TEXT = "acknowledged";
const kill = ({ machine }: Place): void => {
  for (const process of machine.processes) process.die();
};

test("a process takes with it what it had begun, in part or whole; what was written is there for the next one, synced or not", async () => {
  assert.deepEqual(await outcomes(kill, (file) => write(file, TEXT)), new Set([TEXT]));
  const begun = await outcomes(kill, async (file) => void file.write([Buffer.from(TEXT)], 0, () => assert.fail("nobody is there to hear")));
  assert.ok(begun.has("") && begun.has(TEXT) && begun.size > 3, String([...begun]));
  for (const text of begun) assert.ok(TEXT.startsWith(text));
});

test("a loss of power takes what was not synced, and only that", async () => {
  const power = ({ machine }: Place): void => machine.losePower();
  const unsynced = await outcomes(power, (file) => write(file, TEXT));
  assert.ok(unsynced.has("") && unsynced.has(TEXT), String([...unsynced]));
  const synced = await outcomes(power, async (file) => {
    await write(file, TEXT);
    await syncFile(file);
  });
  assert.deepEqual(synced, new Set([TEXT]));
});

test("a process that dies at its k-th call is not answered any more, and what it does afterwards is not done", async () => {
  for (let acts = 1; acts <= 12; acts++) {
    const { world, machine, disk } = place(acts);
    const process = machine.start();
    const { files } = disk.portsOf(process);
    let answered = 0;
    const live = async (): Promise<void> => {
      for (let i = 0; ; i++) {
        await files.makeFolder(`/data/${i}`);
        answered += 1;
      }
    };
    process.onDeath(() => void files.makeFolder("/late"));
    process.dieAfter(acts);
    world.after(0, "live", () => void live());
    await world.run(1_000);
    assert.deepEqual([process.isAlive, answered], [false, acts - 1]);
    const made = [acts - 1, acts].map((count) => Array.from({ length: count }, (_, i) => String(i)).join());
    const next = disk.portsOf(machine.start()).files;
    world.after(0, "look", () => void next.list("/data").then((names) => assert.ok(made.includes(names?.join() ?? ""), `${acts}: ${names}`)));
    world.after(0, "look", () => void next.list("/late").then((names) => assert.equal(names, undefined)));
    await world.run(2_000);
  }
});

test("calls that need not wait for the platter overlap, those that do come one after the other, and a slow disk takes its time", async () => {
  const timeOf = async (slowness: number): Promise<number> => {
    const { world, disk, live } = place(4);
    await live(async ({ files }) => {
      await files.makeFolder("/data");
      disk.speed.slowness = slowness;
      const file = await files.open("/data/a", "create");
      await write(file, "x".repeat(1_000_000));
      await syncFile(file);
      disk.speed.slowness = 1;
    });
    return world.nowMs;
  };
  assert.ok((await timeOf(500)) > 20 * (await timeOf(1)));
  const { live } = place(5);
  const order: number[] = [];
  await live(async ({ files }) => {
    await Promise.all(Array.from({ length: 30 }, (_, at) => files.size(`/${at}`).then(() => order.push(at))));
  });
  assert.notDeepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test("each fault that was asked for is met once, is told as the operating system tells it, and is counted", async () => {
  const { disk, live } = place(1);
  await live(async ({ files, openStore }) => {
    await files.makeFolder("/data");
    const file = await files.open("/data/a", "create");
    await write(file, TEXT);
    disk.failNext({ operation: "write", code: "EIO", where: (path) => path.endsWith("/a") });
    disk.failNext({ operation: "sync", code: "EIO" });
    disk.failNext({ operation: "read", code: "EIO" });
    disk.failNext({ operation: "write-database", code: "EIO" });
    const other = await files.open("/data/b", "create");
    await write(other, "not meant");
    await assert.rejects(write(file, "x"), { code: "EIO" });
    await assert.rejects(syncFile(file), { code: "EIO" });
    await assert.rejects(files.readAll("/data/a"), { code: "EIO" });
    const store = await openStore("/data/db");
    await assert.rejects(store.put("key", Buffer.alloc(1)), { code: "EIO" });
    await assert.rejects(store.put("key", Buffer.alloc(1)), { reason: "REPLICA_FAILED" });
    await write(file, TEXT);
    await syncFile(file);
  });
  assert.deepEqual(disk.counts, { "write-EIO": 1, "sync-EIO": 1, "read-EIO": 1, "write-database-EIO": 1 });
});

test("a file that the device cannot read is refused to every reader, and takes writes", async () => {
  const { disk, live } = place(1);
  await live(async ({ files }) => {
    await files.makeFolder("/data");
    const file = await files.open("/data/a", "create");
    await write(file, TEXT);
    disk.media.makeUnreadable();
    await write(file, TEXT);
    await syncFile(file);
    await assert.rejects(files.readAll("/data/a"), { code: "EIO" });
    await assert.rejects(readFully(file, Buffer.alloc(1), 0), { code: "EIO" });
    assert.throws(() => files.readSync("/data/a", 0, 1), { code: "EIO" });
    await files.open("/data/a", "replace");
    assert.equal((await files.readAll("/data/a"))?.length, 0);
  });
});

test("a full disk writes what fits and then says ENOSPC, to the database too; it says how much is free", async () => {
  const { disk, live } = place(1, 1_000);
  await live(async ({ files, openStore }) => {
    await files.makeFolder("/data");
    const store = await openStore("/data/db");
    const file = await files.open("/data/a", "create");
    const written = await new Promise((resolve) => file.write([Buffer.alloc(1_500)], 0, (_, bytes) => resolve(bytes)));
    assert.deepEqual([written, await files.freeBytes("/data")], [1_000, 0]);
    await assert.rejects(write(file, "x", 1_000), { code: "ENOSPC" });
    await assert.rejects(store.put("key", Buffer.alloc(1)), { code: "ENOSPC" });
    disk.capacityBytes = 2_000;
    await write(file, "x", 1_000);
    assert.equal(await files.freeBytes("/data"), 999);
  });
  assert.deepEqual(disk.counts, { full: 2 });
});

test("what a database had synced lasts; a batch under way at the end is there whole or not at all", async () => {
  const found = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const { machine, live } = place(seed);
    await live(async ({ openStore }) => {
      const store = await openStore("/data/db");
      await store.createReplica({ replicaSetId: SET, replicaId: member.replicaId }, FIRST);
      await store.saveHardState(SET, { term: term(3), votedFor: null });
      void store.saveHardState(SET, { term: term(4), votedFor: member.replicaId });
      void store.put("with it", Buffer.from("x"));
      // The first is under way and the second waits for it; or both, one turn later.
      for (let turns = seed % 3; turns > 0; turns--) await Promise.resolve();
    });
    machine.losePower();
    await live(async ({ openStore }) => {
      const store = await openStore("/data/db");
      assert.equal((await store.replicas()).length, 1);
      assert.equal((await store.snapshots(SET)).length, 1);
      found.add(`${(await store.hardState(SET)).term} ${await store.get("with it")}`);
    });
  }
  assert.deepEqual([...found].sort(), ["3 undefined", "4 x"]);
});

test("a folder's database is open in one living process at a time", async () => {
  const { machine, live } = place(1);
  const holder = await live(async ({ openStore }) => void (await openStore("/data/db")));
  await assert.rejects(
    live(async ({ openStore }) => void (await openStore("/data/db"))),
    { reason: "DATA_FOLDER_IN_USE" },
  );
  holder.pause();
  await assert.rejects(
    live(async ({ openStore }) => void (await openStore("/data/db"))),
    { reason: "DATA_FOLDER_IN_USE" },
  );
  holder.die();
  await live(async ({ openStore }) => (await openStore("/data/db")).close());
  await live(async ({ openStore }) => void (await openStore("/data/db")));
  machine.losePower();
  await live(async ({ openStore }) => void (await openStore("/data/db")));
});

test("a damaged database is refused; one whose last batches are gone says nothing", async () => {
  const { disk, machine, live } = place(1);
  await live(async ({ openStore }) => {
    const store = await openStore("/data/db");
    for (const value of [1, 2]) await store.put("key", Buffer.alloc(1, value));
  });
  machine.losePower();
  disk.damageDatabases({ batches: 1 });
  await live(async ({ openStore }) => assert.deepEqual(await (await openStore("/data/db")).get("key"), Buffer.alloc(1, 1)));
  machine.losePower();
  disk.damageDatabases();
  await assert.rejects(
    live(async ({ openStore }) => void (await (await openStore("/data/db")).get("key"))),
    { reason: "LOG_CORRUPT" },
  );
  assert.deepEqual(disk.counts, { "database-undone": 1, "database-rot": 1 });
});

test("a disk can be exchanged for an empty one, or for what it once was, while nobody uses it", async () => {
  const { disk, machine, live } = place(1);
  const save = (text: string) =>
    live(async ({ files, openStore }) => {
      await files.makeFolder("/data");
      const file = await files.open("/data/a", "replace");
      await write(file, text);
      await (await openStore("/data/db")).put("key", Buffer.from(text));
    });
  const read = async (): Promise<string> => {
    let found = "";
    await live(async ({ files, openStore }) => {
      found = `${await files.readAll("/data/a")} ${await (await openStore("/data/db")).get("key")}`;
    });
    kill({ machine } as Place);
    return found;
  };
  await save("old");
  assert.throws(() => disk.wipe(), /while its machine does nothing/);
  kill({ machine } as Place);
  const copy = disk.copy();
  await save("new");
  kill({ machine } as Place);
  assert.equal(await read(), "new new");
  disk.restore(copy);
  assert.equal(await read(), "old old");
  disk.wipe();
  assert.equal(await read(), "undefined undefined");
});

test("a paused process's calls are done all the same, and answered when it goes on; the kernel says in which boot", async () => {
  const { world, disk, machine } = place(1);
  const process = machine.start();
  const { files } = disk.portsOf(process);
  let answered = false;
  world.after(0, "begin", () => void files.makeFolder("/data").then(() => (answered = true)));
  world.after(0, "pause", () => process.pause());
  await world.run(100);
  await world.run(200);
  assert.equal(answered, false);
  process.resume();
  await world.run(300);
  assert.equal(answered, true);
  let boot: string | undefined;
  world.after(0, "read", () => void files.readAll("/proc/sys/kernel/random/boot_id").then((bytes) => (boot = bytes?.toString().trim())));
  await world.run(400);
  assert.equal(boot, machine.bootId);
});
