import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { untilWhole } from "../../src/cli/local/until-whole.js";
import type { QuireError, Topic } from "../../src/client/index.js";
import { TestCluster, until } from "./test-cluster.js";

const MIB = 1024 * 1024;
const WHOLE_MS = 30_000;
const RECORD_BYTES = 64 * 1024;
const SEGMENT_BYTES = MIB;
const KEPT_BYTES = 2 * MIB;
/** What stays: the kept bytes, the segment that they begin in, and the one being written. */
const DISK_BYTES_MAX = KEPT_BYTES + 2 * SEGMENT_BYTES + 4 * RECORD_BYTES;

/** What the broker has of the topic's only partition: everything but the metadata, which is replica set 0. */
function onDisk(cluster: TestCluster, nodeId: number): { bytes: number; files: string[] } {
  const logs = path.join(cluster.dataFolder(nodeId), "logs");
  const files = fs.readdirSync(logs, { recursive: true, encoding: "utf8" }).filter((name) => !name.startsWith("0-") && /\.log$/.test(name));
  return { files, bytes: files.reduce((sum, name) => sum + (fs.statSync(path.join(logs, name), { throwIfNoEntry: false })?.size ?? 0), 0) };
}

/** The broker has some of the partition, and no more than retention leaves. */
function isShort(cluster: TestCluster, nodeId: number): boolean {
  const { files, bytes } = onDisk(cluster, nodeId);
  return files.length > 0 && bytes <= DISK_BYTES_MAX;
}

/** Record `number`: its number, then filling that gzip would not make small. */
const recordOf = (number: number): Uint8Array => {
  const bytes = Buffer.alloc(RECORD_BYTES, number % 251);
  bytes.writeUInt32BE(number);
  return bytes;
};

/** Sends records `from` to `to`, exclusive; a record's number is its offset. */
async function fill(topic: Topic<Uint8Array>, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number++) assert.equal((await topic.send(recordOf(number))).offset, number);
}

const earliest = async (topic: Topic<Uint8Array>): Promise<number> => (await topic.offsets("earliest")).get(0) ?? -1;

/** Waits until retention has done all it can: one segment less would be less than it keeps. Returns the first offset that is kept. */
async function retired(topic: Topic<Uint8Array>, end: number): Promise<number> {
  let first = 0;
  const kept = (): number => (end - first) * RECORD_BYTES;
  await until("old records go", async () => {
    first = await earliest(topic);
    return kept() < KEPT_BYTES + SEGMENT_BYTES - 2 * RECORD_BYTES;
  });
  assert.ok(kept() >= KEPT_BYTES - RECORD_BYTES, `only ${kept()} bytes are kept`);
  return first;
}

/** Reads what is kept and compares it with what was sent; returns the first offset. */
async function checkKept(topic: Topic<Uint8Array>, end: number): Promise<number> {
  const first = await earliest(topic);
  let next = first;
  for await (const { offset, valueBytes } of topic.read({ from: { offset: first }, to: "latest" })) {
    assert.equal(offset, next);
    assert.ok(Buffer.from(recordOf(next)).equals(valueBytes ?? Buffer.alloc(0)), `record ${next} is as it was sent`);
    next += 1;
  }
  assert.equal(next, end);
  return first;
}

test("old segments go from every disk, readers are told, and a broker that missed it comes back whole", async () => {
  await using cluster = await TestCluster.start({ flags: ["--retention-check-ms", "200ms"] });
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const quire = await cluster.connect({ deliveryTimeoutMs: 30_000 });
  const topic = quire.topic<Uint8Array>("short-lived");
  await topic.create({ replicas: 3, settings: { segmentBytes: SEGMENT_BYTES, retentionBytes: KEPT_BYTES } });
  await fill(topic, 0, 100);
  const first = await retired(topic, 100);
  await until("old segments are gone from all disks", () => [1, 2, 3].every((nodeId) => isShort(cluster, nodeId)));
  assert.equal(await checkKept(topic, 100), first);
  await assert.rejects(
    async () => {
      for await (const _ of topic.read({ from: { offset: first - 1 } })) assert.fail("a record that is gone was read");
    },
    (error: QuireError) => {
      assert.deepEqual([error.reason, Number(error.details["earliest"]), Number(error.details["latest"])], ["OFFSET_OUT_OF_RANGE", first, 100]);
      return true;
    },
  );

  const leader = (await topic.partitions())[0]?.leader ?? 1;
  const absent = (leader % 3) + 1;
  await cluster.kill(absent);
  const had = onDisk(cluster, absent).files;
  await fill(topic, 100, 220);
  assert.ok((await retired(topic, 220)) > 110, "what the absent broker has is gone elsewhere");
  await cluster.broker(absent).start();
  await untilWhole(cluster.addresses, 3, WHOLE_MS);
  const replaced = (): boolean => onDisk(cluster, absent).files.every((name) => !had.includes(name));
  await until("the absent broker has let go of all that it had, and has what is kept", () => replaced() && isShort(cluster, absent));

  // It holds everything that is kept, and the log's state: it can lead, alone with one other.
  const [other = 0] = [1, 2, 3].filter((nodeId) => nodeId !== absent);
  await until("it can lead", async () => {
    await topic.transferLeader(0, absent).catch(() => undefined);
    return (await topic.partitions())[0]?.leader === absent;
  });
  await cluster.kill(other);
  await fill(topic, 220, 225);
  assert.ok((await checkKept(topic, 225)) > 110);
});
